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
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    cfg = read_config(args.config, args.cfg_options)
    init_default_scope(cfg.get('default_scope', 'mmengine'))
    one = len(args.beside) == 1
    models = {
        'the model' if one else str(Path(file).parent): mmengine.load(file) for file in args.beside
    }
    print(task_of(cfg).baseline(cfg, models))


if __name__ == '__main__':
    main()
