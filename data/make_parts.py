"""Generate faces, cars and cats with labels of their parts, in the layout of the few-shot sets."""

import argparse

from afno_mm.command_line import Parser
from generators.parts import make_parts


def parse_args() -> argparse.Namespace:
    example = 'afno-mm make-parts data/parts --workers 2'
    parser = Parser(__doc__, example, show_defaults=True)
    parser.add_argument(
        'root', nargs='?', default='data/parts', help='folder for the sets; existing images stay'
    )
    parser.add_argument(
        '--train',
        type=int,
        default=None,
        help='training images of each set (default: 16 faces, 16 cars, 30 cats)',
    )
    parser.add_argument('--val', type=int, default=20, help='validation images of each set')
    parser.add_argument('--size', type=int, default=256, help='height and width in pixels')
    parser.add_argument('--seed', type=int, default=0, help='another seed gives other images')
    parser.add_argument('--workers', type=int, default=1, help='number of processes')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    made = make_parts(args.root, args.train, args.val, args.size, args.seed, args.workers)
    print(f'\n{args.root}: {made} new images')
    print(f'  {args.root}/{{faces,cars,ade_cars,cats}}/{{images,labels}}/{{train,val}}/')


if __name__ == '__main__':
    main()
