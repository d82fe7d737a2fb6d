"""Export a model to ONNX, TorchScript or torch.export, and check the file against PyTorch.

Without CHECKPOINT, or with 'none', the file has initial weights. If the file differs from PyTorch
by more than 1e-4 (float16: 2e-2), it is not kept, and the exit status is 1. If the largest expected
value is above 1, this limit is multiplied by it.
"""

import argparse
import logging
import sys
import warnings

import afno_mm  # noqa: F401  reports a broken environment before anything else fails
from afno_mm.command_line import Parser, config_argument
from afno_mm.engine import read_config
from afno_mm.engine.config import add_cfg_options
from afno_mm.export import DYNAMIC, FORMATS, Exported, ExportError, export_model
from mmengine.utils import ProgressBar


def parse_args() -> argparse.Namespace:
    example = 'afno-mm export segformer_afno_b0_scenes epoch_14.pth --dynamic batch-and-size'
    parser = Parser(__doc__, example)
    add = parser.add_argument
    add('config', type=config_argument, help='config file or name')
    add('checkpoint', nargs='?', default='none', help="checkpoint file, or 'none' (default)")
    add('--format', choices=FORMATS, default='onnx', help='file format (default: onnx)')
    add('--out', help='file to write (default: work_dirs/NAME/NAME with the suffix of the format)')
    size = "size of the images (default: the config's own)"
    add('--size', type=int, nargs=2, metavar=('H', 'W'), help=size)
    dynamic = 'which axes of the input may change (default: batch)'
    add('--dynamic', choices=DYNAMIC, default='batch', help=dynamic)
    preprocessing = 'take uint8 images; order of channels, mean and std are part of the file'
    add('--with-preprocessing', action='store_true', help=preprocessing)
    add('--labels', action='store_true', help='also return the predicted classes')
    add('--half', action='store_true', help='run in float16; inputs and outputs stay float32')
    add('--opset', type=int, help='ONNX opset (default: the one that torch writes)')
    package = 'also compile an exported_program with AOTInductor for this CPU: FILE.aoti.pt2'
    add('--compile-package', action='store_true', help=package)
    add_cfg_options(parser)
    return parser.parse_args()


def describe(exported: Exported) -> str:
    """Return the lines to print."""
    metadata = exported.metadata
    opset = f', opset {metadata["opset"]}' if 'opset' in metadata else ''
    lines = [f'note: {note}' for note in exported.notes]
    lines.append(f'input images: {metadata["input_layout"]}; dynamic: {metadata["dynamic"]}{opset}')
    lines += [f'output {name}: {shape}' for name, shape in exported.outputs.items()]
    for path, results in exported.parity.items():
        for result in results:
            shape = 'x'.join(map(str, result.shape))
            text = f'{path.name} on {shape}: largest error {result.error:.1e}'
            text += f' (limit {result.limit:.1e})'
            if result.agreement is not None:
                text += f', {100 * result.agreement:.3f} % equal classes'
            lines.append(text)
    if exported.ok:
        files = ' and '.join(map(str, exported.parity))
        lines.append(f'wrote {files}. To run: {exported.how_to_run}')
    return '\n'.join(lines)


def main() -> None:
    args = parse_args()
    logging.disable(logging.INFO)  # messages from building the model
    warnings.simplefilter('ignore')
    bar = ProgressBar(5 if args.compile_package else 4, file=sys.stdout)
    try:
        exported = export_model(
            read_config(args.config, args.cfg_options),
            None if args.checkpoint == 'none' else args.checkpoint,
            args.out,
            format=args.format,
            size=args.size and tuple(args.size),
            dynamic=args.dynamic,
            with_preprocessing=args.with_preprocessing,
            labels=args.labels,
            half=args.half,
            opset=args.opset,
            package=args.compile_package,
            step=bar.update,
        )
    except (ExportError, FileNotFoundError, ModuleNotFoundError) as error:
        raise SystemExit(f'{type(error).__name__}: {error}') from error
    print(f'\n{describe(exported)}')
    if not exported.ok:
        raise SystemExit('the file differs from PyTorch and was not kept')


if __name__ == '__main__':
    main()
