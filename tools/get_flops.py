"""Print the parameters and multiply-accumulates (MACs) of models and their mixers for one image.

The network is not run. FFTs, matrix products and convolutions count. Elementwise operations, such
as norms and activations, and resizing do not count. The column 'as the paper' follows the rules of
the paper's tables, whose 'GFLOPs' are MACs too.
"""

import argparse
import logging
import warnings
from pathlib import Path

import afno_mm  # noqa: F401  reports a broken environment before anything else fails
from afno_mm.analysis import as_the_paper_counts, model_cost
from afno_mm.command_line import Parser, config_argument
from afno_mm.engine import image_size, read_config
from afno_mm.engine.config import add_cfg_options

COLUMNS = ['image', 'parameters', 'GMACs', 'of mixers', 'transforms', 'attention', 'bias']
COLUMNS += ['as the paper']


def parse_args() -> argparse.Namespace:
    example = 'afno-mm get-flops segformer_afno_b0_cityscapes segformer_esa_b0_cityscapes'
    parser = Parser(__doc__, example)
    parser.add_argument('configs', nargs='+', type=config_argument, help='config files or names')
    size = "size of the image (default: the config's own)"
    parser.add_argument('--shape', type=int, nargs=2, metavar=('H', 'W'), help=size)
    add_cfg_options(parser)
    return parser.parse_args()


def giga(macs: float | None) -> str:
    return '-' if macs is None else f'{macs / 1e9:.2f}'


def row(path: str, args: argparse.Namespace) -> list[str]:
    cfg = read_config(path, args.cfg_options)
    size = tuple(args.shape or image_size(cfg))
    cost = model_cost(cfg, size)
    mixers = cost.mixers
    macs = [cost.total, mixers.total(), *(mixers[column] for column in COLUMNS[4:-1])]
    return [
        'x'.join(map(str, size)),
        f'{cost.parameters / 1e6:.2f}M',
        *map(giga, [*macs, as_the_paper_counts(cfg, size)]),
    ]


def main() -> None:
    args = parse_args()
    logging.disable(logging.INFO)  # messages and warnings from building the models
    warnings.simplefilter('ignore')
    names = [Path(path).stem for path in args.configs]
    width = max(map(len, names))
    print(' ' * width, *(f'{column:>12}' for column in COLUMNS))
    for name, path in zip(names, args.configs):
        print(f'{name:{width}}', *(f'{cell:>12}' for cell in row(path, args)), flush=True)


if __name__ == '__main__':
    main()
