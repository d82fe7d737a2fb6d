"""Score predictors that need no training, which a trained model has to beat.

Segmentation: the most frequent class of each pixel. Classification: the most frequent class.
Inpainting: the mean colour of the training images, the masked image as it is, and the masked image
filled with its mean colour.
"""

import argparse
from pathlib import Path

import afno_mm  # noqa: F401  reports a broken environment before anything else fails
import mmengine
from afno_mm.command_line import Parser, config_argument
from afno_mm.engine import read_config
from afno_mm.engine.config import add_cfg_options
from afno_mm.tasks import task_of
from mmengine.registry import init_default_scope


def parse_args() -> argparse.Namespace:
    example = 'afno-mm baseline segformer_afno_b0_scenes'
    parser = Parser(__doc__, example)
    add = parser.add_argument
    add('config', type=config_argument, help='config file or name; its datasets are used')
    add_cfg_options(parser)
    add(
        '--beside',
        nargs='+',
        default=[],
        metavar='METRICS.json',
        help='also print the scores of models, from files of tools/test.py --out-item metrics',
    )
    parser.add_argument('--names', nargs='+', help='names of these models (default: their folders)')
    args = parser.parse_args()
    if args.names and len(args.names) != len(args.beside):
        parser.error(f'--beside has {len(args.beside)} models, --names has {len(args.names)}')
    if args.names and len(set(args.names)) != len(args.names):
        parser.error(f'--names must all differ, got {" ".join(args.names)}')
    return args


def main() -> None:
    args = parse_args()
    cfg = read_config(args.config, args.cfg_options)
    init_default_scope(cfg.get('default_scope', 'mmengine'))
    folders = [str(Path(file).parent) for file in args.beside]
    folders = folders if len(set(folders)) == len(folders) else args.beside
    names = args.names or (['the model'] if len(folders) == 1 else folders)
    models = {name: mmengine.load(file) for name, file in zip(names, args.beside)}
    print(task_of(cfg).baseline(cfg, models))


if __name__ == '__main__':
    main()
