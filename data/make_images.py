"""Generate images of ten classes in the layout of ImageNet."""

import argparse

from afno_mm.command_line import Parser
from generators.images import FIGURES, make_images


def parse_args() -> argparse.Namespace:
    example = 'afno-mm make-images data/images --train 120'
    parser = Parser(__doc__, example, show_defaults=True)
    parser.add_argument(
        'root', nargs='?', default='data/images', help='folder for the images; existing images stay'
    )
    parser.add_argument('--train', type=int, default=120, help='training images of each class')
    parser.add_argument('--val', type=int, default=20, help='validation images of each class')
    parser.add_argument('--size', type=int, default=80, help='height and width in pixels')
    parser.add_argument('--seed', type=int, default=0, help='another seed gives other images')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    made = make_images(args.root, args.train, args.val, args.size, args.seed)
    print(
        f'{args.root}: {args.train} train and {args.val} val images of each of '
        f'{len(FIGURES)} classes, {args.size}x{args.size} ({made} new)\n'
        f'  {args.root}/{{train,val}}/<class>/*.JPEG'
    )


if __name__ == '__main__':
    main()
