"""List a random share of ImageNet's training images, the same share of every class."""

import argparse
import os
from pathlib import Path

from afno_mm.command_line import Parser
from generators.files import write_whole
from generators.subset import subset


def parse_args() -> argparse.Namespace:
    example = 'afno-mm imagenet-subset /data/imagenet --percent 10'
    parser = Parser(__doc__, example, show_defaults=True)
    root = os.environ.get('IMAGENET_DATASET', 'data/imagenet')
    parser.add_argument(
        'root',
        nargs='?',
        default=root,
        help='folder with train/<class>/; $IMAGENET_DATASET changes the default',
    )
    parser.add_argument('--percent', type=float, default=10, help='share of each class')
    parser.add_argument('--seed', type=int, default=0, help='another seed lists other images')
    parser.add_argument(
        '--out',
        help='file for the list, which a dataset takes as ann_file '
        '(default: <root>/meta/train_<percent>percent.txt)',
    )
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    lines = subset(Path(args.root, 'train'), args.percent / 100, args.seed)
    out = Path(args.out or Path(args.root, 'meta', f'train_{args.percent:g}percent.txt'))
    out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(out, lambda to: Path(to).write_text('\n'.join(lines) + '\n'))
    classes = int(lines[-1].rsplit(' ', 1)[1]) + 1
    print(f'{out}: {len(lines)} images of {classes} classes')


if __name__ == '__main__':
    main()
