"""One training step of each config on random images of its own size: does it run, and what of?"""
import argparse
import gc
import traceback

import afno_mm  # noqa: F401  names a broken environment before anything else fails
from afno_mm.engine.one_step import one_step
from mmengine.config import Config, DictAction


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('configs', nargs='+', help='config files')
    parser.add_argument('--size', type=int, nargs=2, metavar=('H', 'W'),
                        help="size of the images (default: the config's own)")
    parser.add_argument('--batch-size', type=int, default=1, help='number of images (default: 1)')
    parser.add_argument('--amp', action='store_true', help='in mixed precision')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help='settings that replace those of the configs')
    return parser.parse_args()


def main():
    args = parse_args()
    failed = []
    for path in args.configs:
        cfg = Config.fromfile(path)
        cfg.merge_from_dict(args.cfg_options or {})
        try:
            result = one_step(cfg, args.size and tuple(args.size), args.batch_size, args.amp)
        except Exception:
            traceback.print_exc()
            failed.append(path)
            continue
        memory = f", {result['peak_gib']:.2f} GiB" if 'peak_gib' in result else ''
        print(f"{path}: {result['parameters'] / 1e6:.2f}M parameters, "
              f"{args.batch_size} x {result['size'][0]}x{result['size'][1]}: "
              f"loss {result['loss']:.4f}, {result['seconds']:.1f} s{memory}", flush=True)
        if result['without_gradient']:
            print(f"  no gradient: {', '.join(result['without_gradient'])}")
        gc.collect()
    if failed:
        raise SystemExit(f'{len(failed)} of {len(args.configs)} failed: {failed}')


if __name__ == '__main__':
    main()
