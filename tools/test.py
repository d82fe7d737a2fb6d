"""Evaluate a checkpoint of a MMSegmentation or MMPretrain config."""

import functools

import afno_mm  # noqa: F401  names a broken environment before anything else fails
import mmengine
from afno_mm.engine import build_runner, command_line, load_config
from afno_mm.engine.testing import draw_predictions, keep_predictions, use_tta


def parse_args():
    parser = command_line(__doc__)
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument(
        '--out',
        help='where to keep the predictions: a folder of PNGs for segmentation, else a .pkl file',
    )
    parser.add_argument(
        '--out-item',
        choices=['pred', 'metrics'],
        help='what --out keeps: predictions (default), or metrics in a .json file',
    )
    parser.add_argument('--show', action='store_true', help='show predictions in a window')
    parser.add_argument('--show-dir', help='folder for pictures of the predictions')
    parser.add_argument('--interval', type=int, default=1, help='draw every n-th sample')
    parser.add_argument('--wait-time', type=float, default=2, help='seconds to show each picture')
    parser.add_argument('--amp', action='store_true', help='test in mixed precision')
    parser.add_argument('--tta', action='store_true', help='test-time augmentation')
    args = parser.parse_args()
    if args.out_item and not args.out:
        parser.error('--out-item says what --out keeps: --out is missing')
    args.out_item = args.out_item or 'pred'
    if args.out and args.out_item == 'metrics' and not args.out.endswith('.json'):
        parser.error(f'--out {args.out}: metrics are kept in a .json file')
    return args


def main():
    args = parse_args()
    cfg = load_config(args)
    if args.show or args.show_dir:
        draw_predictions(cfg, args.show_dir, args.show, args.wait_time, args.interval)
    if args.tta:
        use_tta(cfg)
    if args.out and args.out_item == 'pred':
        keep_predictions(cfg, args.out)
    if args.amp:
        cfg.test_cfg.fp16 = True
    cfg.load_from, cfg.resume = args.checkpoint, False
    runner = build_runner(cfg)
    # A checkpoint that does not fit must not yield a score.
    runner.load_checkpoint = functools.partial(runner.load_checkpoint, strict=True)
    metrics = runner.test()
    if args.out and args.out_item == 'metrics' and runner.rank == 0:
        mmengine.dump(metrics, args.out)


if __name__ == '__main__':
    main()
