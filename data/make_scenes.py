"""Generate street scenes in the layout of Cityscapes."""

import argparse

from afno_mm.command_line import Parser
from generators.scenes import make_scenes


def parse_args() -> argparse.Namespace:
    example = 'afno-mm make-scenes data/scenes --train 160 --val 40'
    parser = Parser(__doc__, example, show_defaults=True)
    parser.add_argument(
        'root', nargs='?', default='data/scenes', help='folder for the scenes; existing scenes stay'
    )
    parser.add_argument('--train', type=int, default=160, help='number of training scenes')
    parser.add_argument('--val', type=int, default=40, help='number of validation scenes')
    parser.add_argument(
        '--size',
        type=int,
        nargs=2,
        default=(256, 512),
        metavar=('H', 'W'),
        help='height and width in pixels',
    )
    parser.add_argument('--seed', type=int, default=0, help='another seed gives other scenes')
    parser.add_argument('--workers', type=int, default=1, help='number of processes')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    made = make_scenes(args.root, args.train, args.val, tuple(args.size), args.seed, args.workers)
    height, width = args.size
    print(
        f'\n{args.root}: {args.train} train and {args.val} val scenes of '
        f'{height}x{width} ({made} new)'
    )
    for folder in ('leftImg8bit', 'gtFine'):
        print(f'  {args.root}/{folder}/{{train,val}}/<city>/')


if __name__ == '__main__':
    main()
