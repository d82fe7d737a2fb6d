"""Export every mixer in every kind of model, and compare the files with PyTorch.

The tables have the largest error of each format, for images of one size and for images of any
size (checked at two sizes), and the time of ONNX Runtime beside PyTorch. The models are small: they
have few blocks, and initial weights.
"""

import argparse
import logging
import os
import shlex
import statistics
import sys
import tempfile
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import afno_mm  # noqa: F401  reports a broken environment before any other import fails
import torch
from afno_mm.command_line import Parser
from afno_mm.engine import build_model
from afno_mm.export import FORMATS, ExportError, export_model
from afno_mm.export.formats import load_onnx
from afno_mm.tasks import task_of
from mixer_bench import Settings
from mixer_bench.measure import circumstances
from mmengine.config import Config
from mmengine.fileio import dump

SIZES = {'one size': 'none', 'any size': 'batch-and-size'}
MIT = dict(
    type='afno_mm.MiT',
    embed_dims=[32, 64, 160, 256],
    num_layers=[1, 1, 1, 1],
    num_heads=[1, 2, 5, 8],
)
SWIN = dict(
    type='afno_mm.SegSwin',
    embed_dims=96,
    depths=[2, 2],
    num_heads=[3, 6],
    strides=(4, 2),
    out_indices=(0, 1),
)
TOKENS = dict(img_size=256, patch_size=8, with_cls_token=False)
SEGVIT = dict(
    TOKENS, type='afno_mm.SegViT', embed_dims=192, num_layers=2, num_heads=4, out_indices=[1]
)
VIT = dict(
    TOKENS,
    type='afno_mm.ViT',
    arch=dict(embed_dims=192, num_layers=2, num_heads=4, feedforward_channels=768),
    out_type='featmap',
)
MIXERS = {
    'stock': None,
    'AFNO': dict(type='AFNO', num_blocks=4),
    'AFNO 25 %': dict(type='AFNO', num_blocks=4, mode_fraction=0.5, bias='conv'),
    'GFN': dict(type='GFN'),
    'FNO': dict(type='FNO', num_modes=(4, 4)),
    'StaticAFNO': dict(type='StaticAFNO', num_blocks=4, num_modes=(4, 4)),
    'LS': dict(type='LS', window_size=4, num_landmarks=8),
    'SA': dict(type='SA'),
    'ESA': dict(type='ESA', sr_ratio=2),
}


CONFIGS = Path(__file__).resolve().parents[1] / 'configs'
SEGMENTOR = 'segformer_afno_b0_cityscapes'
# Model -> config for all but the backbone, the backbone, and the widths of the backbone's features.
MODELS: dict[str, tuple[str, dict[str, Any], list[int]]] = {
    'MiT segmentor': (SEGMENTOR, MIT, [32, 64, 160, 256]),
    'SegSwin segmentor': (SEGMENTOR, SWIN, [96, 192]),
    'SegViT segmentor': (SEGMENTOR, SEGVIT, [192]),
    'ViT classifier': ('vit_gfn_s4_imagenet', VIT, [192]),
    'ViT inpainter': ('vit_gfn_b4_inpainting', VIT, [192]),
}


def config(model: str, mixer: str) -> Config:
    name, backbone, widths = MODELS[model]
    cfg = Config.fromfile(CONFIGS / f'{name}.py')
    chosen = MIXERS[mixer]
    cfg.model.backbone = {**backbone, **(dict(mixer=chosen) if chosen else {})}
    if 'decode_head' in cfg.model:
        cfg.model.decode_head.update(in_channels=widths, in_index=list(range(len(widths))))
    else:
        cfg.model.head.in_channels = widths[-1]
    if 'patch_size' in cfg.model.get('head', {}):
        cfg.model.head.patch_size = backbone['patch_size']
    return cfg


def onnx_file(folder: str, model: str, mixer: str, dynamic: str) -> Path:
    return Path(folder, f'{model} {mixer} {dynamic}.onnx'.replace(' ', '_'))


def export_all(
    model: str, mixer: str, size: tuple[int, int], formats: list[str], folder: str
) -> dict[str, Any]:
    """Export a model in all formats. Return one row: the largest errors, or the refusals."""
    logging.disable(logging.INFO)
    warnings.simplefilter('ignore')
    torch.set_num_threads(1)
    row: dict[str, Any] = dict(model=model, mixer=mixer)
    for name in formats:
        for title, dynamic in SIZES.items():
            path = onnx_file(folder, model, mixer, dynamic).with_suffix(FORMATS[name].suffix)
            torch.manual_seed(0)
            start = time.perf_counter()
            try:
                exported = export_model(
                    config(model, mixer), None, path, format=name, size=size, dynamic=dynamic
                )
            except ExportError as error:
                row[f'{name}, {title}'] = dict(refused=str(error))
                continue
            results = exported.parity[path]
            row[f'{name}, {title}'] = dict(
                error=max(result.error for result in results),
                ok=exported.ok,
                sizes=[result.shape for result in results],
                agreement=min((r.agreement for r in results if r.agreement is not None), default=1),
                opset=exported.metadata.get('opset'),
                export_seconds=time.perf_counter() - start,
            )
    return row


@torch.no_grad()
def measure(row: dict[str, Any], size: tuple[int, int], folder: str, rounds: int) -> None:
    """Time PyTorch and the ONNX files in turns. Add all samples to the row, in seconds."""
    cfg = config(row['model'], row['mixer'])
    network, task = build_model(cfg, None, 'cpu').eval(), task_of(cfg)
    images = torch.randn(1, 3, *size)
    runs = {'PyTorch': lambda: task.outputs(network, images)}
    for title, dynamic in SIZES.items():
        path = onnx_file(folder, row['model'], row['mixer'], dynamic)
        if path.exists():
            session = load_onnx(path)
            runs[f'ONNX Runtime, {title}'] = lambda session=session: session(images)
    samples: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds + 2):  # two rounds warm up
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            if number > 1:
                samples[name].append(time.perf_counter() - start)
    row['seconds'] = samples


def table(rows: list[dict[str, Any]], formats: list[str]) -> str:
    """Return a table in Markdown for each model."""
    columns = [f'{name}, {title}' for name in formats for title in SIZES]
    timed = ['PyTorch', *(f'ONNX Runtime, {title}' for title in SIZES)]
    lines = []
    for model in dict.fromkeys(row['model'] for row in rows):
        lines += [f'### {model}', '', '| mixer | ' + ' | '.join(columns), '']
        lines[-2] += ''.join(f' | {name}, ms' for name in timed) + ' |'
        lines[-1] = '|' + '---|' * (1 + len(columns) + len(timed))
        for row in (row for row in rows if row['model'] == model):
            cells = [row['mixer'], *(show_error(row[column]) for column in columns)]
            for name in timed:
                seconds = row.get('seconds', {}).get(name)
                cells.append(f'{1e3 * statistics.median(seconds):.1f}' if seconds else '')
            lines.append('| ' + ' | '.join(cells) + ' |')
        lines.append('')
    return '\n'.join(lines)


def show_error(cell: dict[str, Any]) -> str:
    if 'refused' in cell:
        return 'refused'
    return f'{cell["error"]:.1e}' + ('' if cell['ok'] else ' (too large)')


def parse_args() -> argparse.Namespace:
    example = 'python benchmarks/export_table.py --mixers AFNO --formats onnx'
    parser = Parser(__doc__, example)
    add = parser.add_argument
    add('--models', nargs='+', choices=MODELS, default=list(MODELS))
    add('--mixers', nargs='+', choices=MIXERS, default=list(MIXERS))
    add('--formats', nargs='+', choices=FORMATS, default=list(FORMATS))
    add('--size', type=int, nargs=2, metavar=('H', 'W'), default=[256, 256])
    add('--rounds', type=int, default=9, help='number of timed rounds (default: 9)')
    add('--jobs', type=int, default=os.cpu_count(), help='exports at a time (default: all cores)')
    add('--threads', type=int, default=1, help='threads of PyTorch and ONNX Runtime (default: 1)')
    out = 'where to write .json and .md, without the suffix'
    add('--out', default='work_dirs/benchmark/export_cpu', help=f'{out} (default: %(default)s)')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    size = tuple(args.size)
    pairs = [(model, mixer) for model in args.models for mixer in args.mixers]
    with tempfile.TemporaryDirectory() as folder:
        with ProcessPoolExecutor(args.jobs, get_context('spawn')) as processes:
            jobs = [
                processes.submit(export_all, *pair, size, args.formats, folder) for pair in pairs
            ]
            rows = []
            for job in jobs:
                rows.append(job.result())
                print(f'{len(rows)} of {len(pairs)}:', *pairs[len(rows) - 1], flush=True)
        torch.set_num_threads(args.threads)
        # Time only after all exports, so that none runs at the same time.
        for row in rows:
            measure(row, size, folder, args.rounds)
    facts = circumstances(Settings(threads=args.threads))
    results = dict(circumstances=facts, arguments=vars(args), rows=rows)
    out = Path(args.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    dump(results, f'{out}.json', indent=1)
    import onnxruntime

    head = (
        f'{facts["date"]}, {facts["cpu"]}, {args.threads} threads, torch {torch.__version__}, '
        f'onnxruntime {onnxruntime.__version__}. Images of {size[0]}x{size[1]} pixels, batch 1; '
        f'any size: also batch 2 and a second size. Errors are absolute. Times are medians.\n'
        f'Command: `python {shlex.join(sys.argv)}`\n\n'
    )
    Path(f'{out}.md').write_text(head + table(rows, args.formats))
    print(f'wrote {out}.md and {out}.json')
    failed = [
        f'{row["model"]} {row["mixer"]} {name}'
        for row in rows
        for name, cell in row.items()
        if isinstance(cell, dict) and not cell.get('ok', True)
    ]
    if failed:
        raise SystemExit('differ from PyTorch: ' + ', '.join(failed))


if __name__ == '__main__':
    logging.disable(logging.INFO)
    warnings.simplefilter('ignore')
    main()
