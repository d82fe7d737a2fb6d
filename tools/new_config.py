"""Write a config for a folder of images: with masks, in class folders, or without labels.

The config inherits one of ours. It sets the classes, sizes and schedule for the folder. It is
short, and its comments say what was guessed: read it before you train.
"""

import argparse
import re
from pathlib import Path

import afno_mm  # noqa: F401  reports a broken environment before anything else fails
from afno_mm.command_line import Parser
from config_writer.write import TASKS, config_text


def parse_args() -> argparse.Namespace:
    example = 'afno-mm new-config data/cats --iterations 400'
    parser = Parser(__doc__, example)
    add = parser.add_argument
    add('folder', type=Path, help='folder with the images')
    add('--task', choices=TASKS, help='default: what the folder has')
    names = ', '.join(task[0] for task in TASKS.values())
    add('--model', help=f'name of a config up to _cityscapes and the like (default: {names})')
    classes = 'names in the order of the class ids, or a file with one in each line'
    add('--classes', metavar='A,B,C|FILE', help=classes)
    size = 'height and width that the network sees (default: from the sizes of the images)'
    add('--size', type=int, nargs=2, metavar=('H', 'W'), help=size)
    add('--iterations', type=int, default=8000, help='length of the training (default: 8000)')
    share = 'share of the images for validation, if no folder or list has them (default: 0.2)'
    add('--val-share', type=float, default=0.2, help=share)
    add('--seed', type=int, default=0, help='another seed selects other images for validation')
    add('--out', type=Path, help='the config (default: <name of the folder>.py)')
    args = parser.parse_args()
    if args.iterations < 1 or not 0 < args.val_share < 1:
        parser.error('--iterations must be positive, and --val-share between 0 and 1')
    if args.size and (min(args.size) < 32 or any(side % 32 for side in args.size)):
        parser.error(f'--size {args.size}: both must be multiples of 32')
    args.out = args.out or Path(f'{args.folder.resolve().name}.py')
    if args.out.exists():
        parser.error(f'{args.out} exists. Choose another --out, or remove it')
    return args


def main() -> None:
    args = parse_args()
    try:
        text, notes = config_text(args)
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(text, encoding='utf-8')
    except (OSError, ValueError) as error:  # also a folder without the right to read or write
        raise SystemExit(str(error)) from None
    print(*notes, f'\nRead {args.out}, then run:', sep='\n')
    print(*(f'  {line}' for line in re.findall('^#   (.*)', text, re.MULTILINE)), sep='\n')


if __name__ == '__main__':
    main()
