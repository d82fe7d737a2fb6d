"""Write a config for a folder of images with masks, of classes, or of images alone.

The config inherits one of ours, and has the classes, sizes and schedule for the folder. It is
short, and says what was guessed: read it before you train.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import afno_mm  # noqa: F401  reports a broken environment before anything else fails
from afno_mm.datasets.datasetgan import metainfo
from afno_mm.datasets.layout import Layout, find_layout, label_values, picture_sizes, split_names
from mmengine.config import Config

CONFIGS = Path(__file__).parents[1] / 'configs'
# By task: default model, and the end of the names of the configs to inherit.
BASES = {
    'segmentation': ('segformer_afno_b0', '_cityscapes'),
    'classification': ('mit_afno_b0', '_imagenet'),
    'inpainting': ('vit_afno_xs4', '_inpainting'),
}
LARGEST_CROP, LARGEST_SIDE = 512, 1024


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('folder', type=Path, help='folder with the images')
    add('--task', choices=BASES, help='default: what the folder has')
    model = 'name of a config without its end _cityscapes, _imagenet or _inpainting'
    add('--model', help=f'{model} (default: {", ".join(default for default, _ in BASES.values())})')
    classes = 'names of the classes in the order of their ids, or a file with one name per line'
    add('--classes', metavar='A,B,C|FILE', help=classes)
    size = 'height and width that the network sees (default: from the sizes of the images)'
    add('--size', type=int, nargs=2, metavar=('H', 'W'), help=size)
    add('--iterations', type=int, default=8000, help='length of the training (default: 8000)')
    add('--val-share', type=float, default=0.2, help='share to validate on, if not in folders')
    add('--seed', type=int, default=0, help='of the split into training and validation')
    add('--out', type=Path, help='the config (default: <name of the folder>.py)')
    args = parser.parse_args()
    if args.iterations < 1 or not 0 < args.val_share < 1:
        parser.error('--iterations must be positive, and --val-share between 0 and 1')
    if args.size and (min(args.size) < 32 or any(side % 32 for side in args.size)):
        parser.error(f'--size {args.size}: both sides must be multiples of 32')
    args.out = args.out or Path(f'{args.folder.resolve().name}.py')
    if args.out.exists():
        parser.error(f'{args.out} exists. Choose another --out, or remove it')
    return args


def main() -> None:
    args = parse_args()
    layout = find_layout(args.folder, args.task)
    default, end = BASES[layout.task]
    base = CONFIGS / f'{args.model or default}{end}.py'
    if not base.is_file():
        models = sorted(path.stem.removesuffix(end) for path in CONFIGS.glob(f'*{end}.py'))
        raise SystemExit(f'--model {args.model}: for {layout.task} there are {", ".join(models)}')


if __name__ == '__main__':
    main()
