"""Run one training step of each config on random images, and print its loss, time and memory.

Each config runs in its own process. If one fails or runs out of memory, the others still run.
"""

import argparse
import logging
import math
import traceback
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

import afno_mm  # noqa: F401  reports a broken environment before anything else fails
from afno_mm.command_line import Parser, config_argument
from afno_mm.engine import keep_freed_memory, read_config
from afno_mm.engine.config import add_cfg_options
from afno_mm.engine.one_step import one_step
from mmengine.device import get_device


def parse_args() -> argparse.Namespace:
    example = 'afno-mm one-step segformer_afno_b0_cityscapes --size 256 256'
    parser = Parser(__doc__, example)
    add = parser.add_argument
    add('configs', nargs='+', type=config_argument, help='config files or names')
    size = "size of the images (default: the config's own)"
    add('--size', type=int, nargs=2, metavar=('H', 'W'), help=size)
    add('--batch-size', type=int, default=1, help='number of images (default: 1)')
    add('--amp', action='store_true', help='use mixed precision')
    add_cfg_options(parser)
    return parser.parse_args()


def step(path: str, args: argparse.Namespace) -> str:
    """Run a step and describe it.

    Raises:
        RuntimeError: If a parameter gets no gradient, or the loss is not finite.
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


def prepare() -> None:
    logging.disable(logging.INFO)  # MMEngine logs a line for every parameter
    if get_device() == 'cpu':
        keep_freed_memory()


def main() -> None:
    args = parse_args()
    failed = []
    for path in args.configs:
        try:
            # Spawn the process: a forked one could not use CUDA.
            with ProcessPoolExecutor(1, get_context('spawn'), prepare) as process:
                print(f'{path}: {process.submit(step, path, args).result()}', flush=True)
        except Exception as error:
            if not isinstance(error, (ValueError, TypeError, KeyError, FileNotFoundError)):
                traceback.print_exc()  # Those say what is wrong with the config.
            reason = f'{type(error).__name__}: {error}'
            if isinstance(error, BrokenProcessPool):
                reason = (
                    'its process was killed, probably for memory: try --amp or a smaller --size'
                )
            print(f'{path}: failed: {reason}', flush=True)
            failed.append(path)
    ran = f'{len(args.configs) - len(failed)} of {len(args.configs)} ran'
    if failed:
        raise SystemExit(f'{ran}; failed: {" ".join(failed)}')
    print(ran)


if __name__ == '__main__':
    main()
