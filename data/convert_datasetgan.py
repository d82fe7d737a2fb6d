"""Convert DatasetGAN's published annotations to the folders that the few-shot configs read.

Get the release from https://github.com/nv-tlabs/datasetGAN_release. It is for non-commercial
use.
"""

import argparse

from afno_mm.command_line import Parser
from generators.datasetgan_release import convert


def parse_args() -> argparse.Namespace:
    example = 'afno-mm convert-datasetgan ~/datasetGAN_release data/parts'
    parser = Parser(__doc__, example, show_defaults=True)
    parser.add_argument('release', help='folder of the release, with annotation/ in it')
    parser.add_argument('root', nargs='?', default='data/parts', help='folder for the sets')
    parser.add_argument(
        '--size',
        type=int,
        default=224,
        help='height and width to resize to, as in DatasetGAN; 0 keeps the size of each image',
    )
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    for line in convert(args.release, args.root, args.size or None):
        print(line)


if __name__ == '__main__':
    main()
