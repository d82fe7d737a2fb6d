"""Convert DatasetGAN's published annotations into the folders that the few-shot configs read.

The release is found from https://github.com/nv-tlabs/datasetGAN_release and is for
non-commercial use.
"""

import argparse

from generators.datasetgan_release import convert


def parse_args():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument('release', help='folder of the release, which holds annotation/')
    parser.add_argument('root', nargs='?', default='data/parts', help='folder for the sets')
    parser.add_argument(
        '--size',
        type=int,
        default=224,
        help='height and width to resize to, as DatasetGAN does; 0 keeps the size of each image',
    )
    return parser.parse_args()


def main():
    args = parse_args()
    for line in convert(args.release, args.root, args.size or None):
        print(line)


if __name__ == '__main__':
    main()
