"""Publish the weights of a checkpoint: files with a hash in their name and the config inside."""

import argparse
import re

import afno_mm  # noqa: F401  reports a broken environment before anything else fails
from afno_mm.command_line import Parser, config_argument
from afno_mm.hub import from_pretrained, publish
from afno_mm.hub.files import read_file


def parse_args() -> argparse.Namespace:
    example = 'afno-mm publish epoch_14.pth published/scenes'
    parser = Parser(__doc__, example)
    add = parser.add_argument
    add('in_file', help='checkpoint of a training')
    add('out_file', help='path and name of the new files, without hash and suffix')
    add(
        '--config',
        type=config_argument,
        help='config file or name (default: the config in the checkpoint)',
    )
    ema = 'publish the averaged weights, or the plain ones (default: averaged if there are any)'
    add('--ema', action=argparse.BooleanOptionalAction, help=ema)
    add('--author', default='not stated', help='who trained these weights')
    add('--licence', default='not stated', help='licence of the weights')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    files = publish(args.in_file, args.out_file, args.config, args.ema, args.author, args.licence)
    for file in files:
        from_pretrained(file)
        print(f'{file}  {file.stat().st_size / 2**20:.1f} MiB, loads')
    written = read_file(files[0])
    for name, value in written.provenance.items():
        print(f'  {name}: {value}')
    paths = sorted(set(re.findall(r"'(/[^']+)'", str(written.cfg))))
    if paths:
        print(
            f'The config inside names {len(paths)} paths of this machine: {", ".join(paths[:5])}.'
        )
        print('If nobody should see them, give a config without them: --config')


if __name__ == '__main__':
    main()
