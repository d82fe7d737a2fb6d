"""Train a grid of models, such as configs/sweeps/lambda.py, and tabulate and plot the results.

To continue a sweep that was stopped, or to repeat its failed trainings, run the same command.
"""

import argparse
import logging
import sys
import warnings
from pathlib import Path

import afno_mm  # noqa: F401  reports a broken environment before anything else fails
from afno_mm.command_line import Parser, config_argument
from afno_mm.engine.config import add_cfg_options
from afno_mm.sweep import dry_run, load_sweep, run_sweep


def parse_args() -> argparse.Namespace:
    example = 'afno-mm sweep lambda --dry-run'
    parser = Parser(__doc__, example)
    parser.add_argument('config', type=config_argument, help='config file or name of the sweep')
    parser.add_argument(
        '--work-dir',
        help='folder for trainings and results (default: work_dirs/sweeps/<name of the config>)',
    )
    parser.add_argument(
        '--gpus',
        type=int,
        default=1,
        metavar='N',
        help='processes of each training, as in tools/dist_train.sh',
    )
    parser.add_argument(
        '--jobs', type=int, default=1, metavar='N', help='trainings that run at the same time'
    )
    parser.add_argument(
        '--seeds',
        type=int,
        nargs='+',
        metavar='SEED',
        help='train each point with each of these seeds; replaces those of the sweep',
    )
    parser.add_argument('--points', nargs='+', metavar='NAME', help='run these points only')
    parser.add_argument(
        '--stages',
        nargs='+',
        type=config_argument,
        metavar='CONFIG',
        help='configs that replace those of the stages, such as small ones',
    )
    parser.add_argument(
        '--small', action='store_true', help='the small version of the sweep, if it has one'
    )
    add_cfg_options(parser)  # they apply to every training
    parser.add_argument('--dry-run', action='store_true', help='print the commands, run nothing')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    # Hide messages of the libraries between the printed commands. Each training has its own log.
    logging.disable(logging.INFO)
    warnings.simplefilter('ignore')
    sweep = load_sweep(
        args.config,
        Path(__file__).with_name('train.py').resolve(),
        args.work_dir,
        args.stages,
        args.cfg_options,
        args.gpus,
        args.seeds,
        args.small,
    )
    if args.dry_run:
        dry_run(sweep, args.points)
        return
    try:
        failures = run_sweep(sweep, args.points, args.jobs)
    except KeyboardInterrupt:
        print('stopped; the same command continues the sweep', file=sys.stderr)
        sys.exit(130)
    print((sweep.folder / 'results.md').read_text(encoding='utf-8'))
    print(f'plotted in {sweep.folder}/results.png and curves.png')
    if failures:
        sys.exit(f'failed: {", ".join(failures)}')


if __name__ == '__main__':
    main()
