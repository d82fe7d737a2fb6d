"""Generate pictures of cats with masks of two classes, in the layout of a user's own data."""

import argparse

from afno_mm.command_line import Parser
from generators.photos import make_photos


def parse_args() -> argparse.Namespace:
    example = 'afno-mm make-photos data/cats --number 60'
    parser = Parser(__doc__, example, show_defaults=True)
    parser.add_argument(
        'root', nargs='?', default='data/cats', help='folder for the pictures; existing ones stay'
    )
    parser.add_argument('--number', type=int, default=60, help='number of images with a mask')
    parser.add_argument('--new', type=int, default=4, help='number of images without a mask')
    parser.add_argument('--size', type=int, default=192, help='largest height and width in pixels')
    parser.add_argument('--seed', type=int, default=0, help='another seed gives other pictures')
    parser.add_argument('--workers', type=int, default=1, help='number of processes')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    made = make_photos(args.root, args.number, args.new, args.size, args.seed, args.workers)
    print(f'\n{args.root}: {made} new images')
    print(f'  {args.root}/images/*.jpg   {args.number} images')
    print(f'  {args.root}/masks/*.png    their masks: 0 background, 255 cat')
    print(f'  {args.root}/new/*.jpg      {args.new} images without masks')


if __name__ == '__main__':
    main()
