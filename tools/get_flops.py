"""Parameters and multiply-accumulates (MACs) of configs' models for one image, and of their mixers.

Counted without computing anything: transforms, all products, convolutions. Not counted are steps
on single values, such as norms and activations, and resizing of images. 'as the paper' is what
the way of counting of the paper's table gives, whose 'GFLOPs' are MACs too.
"""

import argparse
import logging
import warnings
from pathlib import Path

import afno_mm  # noqa: F401  names a broken environment before anything else fails
from afno_mm.analysis import as_the_paper_counts, model_cost
from afno_mm.engine import read_config
from afno_mm.engine.one_step import image_size
from mmengine.config import DictAction

COLUMNS = (
    'image',
    'parameters',
    'GMACs',
    'of mixers',
    'transforms',
    'attention',
    'bias',
    'as the paper',
)


def parse_args():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('configs', nargs='+', help='config files')
    parser.add_argument(
        '--shape',
        type=int,
        nargs=2,
        metavar=('H', 'W'),
        help="size of the image (default: the config's own)",
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='settings that replace those of the configs',
    )
    return parser.parse_args()


def giga(macs):
    return '-' if macs is None else f'{macs / 1e9:.2f}'


def row(path, args):
    cfg = read_config(path, args.cfg_options)
    size = tuple(args.shape or image_size(cfg))
    cost = model_cost(cfg, size)
    mixers = cost.mixers
    return (
        'x'.join(map(str, size)),
        f'{cost.parameters / 1e6:.2f}M',
        giga(cost.total),
        giga(mixers.total()),
        giga(mixers['transforms']),
        giga(mixers['attention']),
        giga(mixers['bias']),
        giga(as_the_paper_counts(cfg, size)),
    )


def main():
    args = parse_args()
    logging.disable(logging.INFO)  # of building the models, as the warnings
    warnings.simplefilter('ignore')
    names = [Path(path).stem for path in args.configs]
    width = max(map(len, names))
    print(' ' * width, *(f'{column:>12}' for column in COLUMNS))
    for name, path in zip(names, args.configs):
        print(f'{name:{width}}', *(f'{cell:>12}' for cell in row(path, args)), flush=True)


if __name__ == '__main__':
    main()
