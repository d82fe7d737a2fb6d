"""One training step of each config on random images of its own size: does it run, and what of?

Each config has a process of its own, so that one that fails, or that the system ends for want of
memory, leaves the others alone.
"""

import argparse
import logging
import math
import traceback
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

import afno_mm  # noqa: F401  names a broken environment before anything else fails
from afno_mm.engine import keep_freed_memory, read_config
from afno_mm.engine.one_step import one_step
from mmengine.config import DictAction
from mmengine.device import get_device


def parse_args():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('configs', nargs='+', help='config files')
    parser.add_argument(
        '--size',
        type=int,
        nargs=2,
        metavar=('H', 'W'),
        help="size of the images (default: the config's own)",
    )
    parser.add_argument('--batch-size', type=int, default=1, help='number of images (default: 1)')
    parser.add_argument('--amp', action='store_true', help='in mixed precision')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='settings that replace those of the configs',
    )
    return parser.parse_args()


def step(path, args):
    """What came of a config, in words.

    Raises:
        RuntimeError: If its loss is not finite, or parameters have no gradient.
    """
    cfg = read_config(path, args.cfg_options)
    result = one_step(cfg, args.size and tuple(args.size), args.batch_size, args.amp)
    if result['without_gradient']:
        raise RuntimeError(f'no gradient reaches {", ".join(result["without_gradient"])}')
    if not math.isfinite(result['loss']):
        raise RuntimeError(f'the loss is {result["loss"]}')
    height, width = result['size']
    return (
        f'{result["parameters"] / 1e6:.2f}M parameters, {args.batch_size} x {height}x{width}: '
        f'loss {result["loss"]:.4f}, {result["seconds"]:.1f} s, {result["peak_gib"]:.2f} GiB'
    )


def prepare():
    logging.disable(logging.INFO)  # MMEngine's line for every parameter
    if get_device() == 'cpu':
        keep_freed_memory()


def step_in_a_process(path, args):
    # Spawned: a forked process could not use CUDA.
    with ProcessPoolExecutor(1, get_context('spawn'), prepare) as process:
        try:
            return process.submit(step, path, args).result()
        except BrokenProcessPool:
            raise MemoryError(
                'its process was killed, as the system does where memory runs out: '
                'try --amp or a smaller --size'
            ) from None


def main():
    args = parse_args()
    failed = []
    for path in args.configs:
        try:
            print(f'{path}: {step_in_a_process(path, args)}', flush=True)
        except Exception as error:
            traceback.print_exc()
            print(f'{path}: failed: {type(error).__name__}: {error}', flush=True)
            failed.append(path)
    ran = f'{len(args.configs) - len(failed)} of {len(args.configs)} ran'
    if failed:
        raise SystemExit(f'{ran}; failed: {" ".join(failed)}')
    print(ran)


if __name__ == '__main__':
    main()
