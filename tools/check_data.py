"""Check all files of the datasets of a config. Print a report and write a page with pictures.

Training runs the same check before it starts. This command reports all faults of all datasets. The
exit code is 1 if training would refuse to start, else 0.
"""

import argparse
import warnings
from pathlib import Path

import afno_mm  # noqa: F401  reports a broken environment before anything else fails
from afno_mm.analysis.data_page import check_datasets, describe, write_page
from afno_mm.command_line import Parser, config_argument
from afno_mm.engine import read_config
from afno_mm.engine.config import add_cfg_options
from afno_mm.engine.safety import check_settings


def parse_args() -> argparse.Namespace:
    example = 'afno-mm check-data segformer_afno_b0_cityscapes'
    parser = Parser(__doc__, example)
    parser.add_argument('config', type=config_argument, help='config file or name')
    page = 'page of pictures (default: work_dirs/<name of the config>/data.html)'
    parser.add_argument('--out', type=Path, metavar='PAGE.html', help=page)
    number = 'number of random samples of each dataset on the page (default: 24)'
    parser.add_argument('--number', type=int, default=24, help=number)
    parser.add_argument('--seed', type=int, default=0, help='another seed shows other samples')
    add_cfg_options(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    warnings.simplefilter('ignore')  # from building the model
    cfg = read_config(args.config, args.cfg_options)
    check_settings(cfg)
    results = check_datasets(cfg)
    for checked in results:
        print(f'\n{describe(checked)}')
    out = args.out or Path('work_dirs', Path(args.config).stem, 'data.html')
    write_page(out, cfg, results, args.number, args.seed)
    print(f'\npictures: {out}')
    refused = [use for checked in results if checked.refusal for use in checked.uses]
    if refused:
        print(f'refused: {", ".join(refused)}')
    if {'train', 'val'} & {*refused}:
        raise SystemExit(1)


if __name__ == '__main__':
    main()
