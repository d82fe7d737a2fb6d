"""Evaluate a checkpoint of a config of MMSegmentation, MMPretrain or this package."""

import argparse
import functools
from pathlib import Path

import afno_mm  # noqa: F401  reports a broken environment before anything else fails
import mmengine
from afno_mm.engine import build_runner, command_line, load_config
from afno_mm.tasks import Task, task_of


def parse_args() -> argparse.Namespace:
    example = 'afno-mm test segformer_afno_b0_scenes work_dirs/first/epoch_14.pth'
    parser = command_line(__doc__, example)
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument(
        '--out',
        help='where to write predictions: a folder of PNGs for segmentation, else a .pkl file',
    )
    parser.add_argument(
        '--out-item',
        choices=['pred', 'metrics'],
        help='what to write to --out: predictions (default), or metrics in a .json file',
    )
    parser.add_argument('--show', action='store_true', help='show predictions in a window')
    parser.add_argument('--show-dir', help='folder for pictures of predictions')
    parser.add_argument('--interval', type=int, default=1, help='draw every n-th sample')
    parser.add_argument('--wait-time', type=float, default=2, help='seconds to show each picture')
    parser.add_argument('--amp', action='store_true', help='use mixed precision')
    parser.add_argument('--tta', action='store_true', help='use test-time augmentation')
    args = parser.parse_args()
    if args.out_item and not args.out:
        parser.error('--out-item says what to write to --out: --out is missing')
    args.out_item = args.out_item or 'pred'
    if args.out and args.out_item == 'metrics' and not args.out.endswith('.json'):
        parser.error(f'--out {args.out}: metrics go to a .json file')
    return args


def main() -> None:
    args = parse_args()
    cfg = load_config(args)
    task = task_of(cfg, default=Task())
    if args.show or args.show_dir:
        options = dict(show=args.show, wait_time=args.wait_time, interval=args.interval)
        task.draw_predictions(cfg, args.show_dir, **options)
    if args.tta:
        task.use_tta(cfg)
    if args.out and args.out_item == 'pred':
        task.keep_predictions(cfg, args.out)
    if args.amp:
        cfg.test_cfg.fp16 = True
    cfg.load_from, cfg.resume = args.checkpoint, False
    copy = Path(cfg.work_dir, Path(cfg.filename).name)
    trained = copy.is_file() and copy.with_name('last_checkpoint').is_file() and copy.read_bytes()
    runner = build_runner(cfg)
    if trained and runner.rank == 0:
        # MMEngine has overwritten the config of the training, to which the weights belong.
        copy.write_bytes(trained)
    # Load strictly, to refuse a checkpoint that does not fit the model.
    runner.load_checkpoint = functools.partial(runner.load_checkpoint, strict=True)
    metrics = runner.test()
    if args.out and args.out_item == 'metrics' and runner.rank == 0:
        mmengine.dump(metrics, args.out)


if __name__ == '__main__':
    main()
