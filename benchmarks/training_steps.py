"""Measure training steps of whole models: time, images per second, peak memory, share of peak.

    python benchmarks/training_steps.py configs/segformer_{afno,gfn,ls,esa}_b3_cityscapes.py

A step is forward, loss and backward on random images, without the optimiser. Each config runs in
its own process, so a config that runs out of memory does not stop the others. The share of peak
counts the multiply-accumulates of `tools/get_flops.py` three times (forward, and twice for
backward), at the rate of a large matrix product on the same device.
"""

import argparse
import contextlib
import json
import statistics
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import afno_mm  # noqa: F401  reports a broken environment before any other import fails
import torch
from afno_mm.command_line import Parser, config_argument
from mixer_bench.limits import Machine, seconds
from mixer_bench.measure import DTYPES, Settings, circumstances


def measure(path: str, args: argparse.Namespace) -> dict:
    """Time the training steps of one config. Return its row of the table."""
    from afno_mm.analysis import model_cost
    from afno_mm.engine import build_model, compile_for_training, read_config
    from afno_mm.tasks import task_of

    settings = Settings(device=args.device, dtype=args.dtype, batch=args.batch_size)
    cfg, size = read_config(path), tuple(args.size)
    cfg.model.backbone.init_cfg = None
    torch.manual_seed(0)
    model = build_model(cfg, size, args.device).train()
    batch = model.data_preprocessor(
        task_of(cfg).random_batch(cfg.model, size, settings.batch), True
    )
    if args.compile is not None:
        compile_for_training(model, mode=args.compile)

    def step() -> None:
        torch.compiler.cudagraph_mark_step_begin()
        precision = contextlib.nullcontext()
        if settings.autocast:
            precision = torch.autocast(*settings.autocast)
        with precision:
            loss = model.parse_losses(model(**batch, mode='loss'))[0]
        loss.backward()
        for parameter in model.parameters():
            parameter.grad = None

    with settings.apply():
        warm_up = sum(seconds(step, args.device) for _ in range(2))
        taken = [seconds(step, args.device) for _ in range(args.repeats)]
        peak = peak_memory(step, args.device)
        rate = statistics.median(Machine(args.device, args.dtype).rates()[0] for _ in range(3))
    median = statistics.median(taken)
    # Two operations for each multiply-accumulate, once forward and twice backward.
    flops = 6 * settings.batch * model_cost(cfg, size).total
    return dict(
        config=Path(path).stem,
        size=list(size),
        batch=settings.batch,
        dtype=args.dtype,
        compiled=args.compile,
        seconds=taken,
        warm_up_seconds=warm_up,
        images_per_second=settings.batch / median,
        peak_bytes=peak,
        flops=flops,
        share_of_peak=flops / median / rate,
        circumstances=circumstances(settings),
    )


def peak_memory(run: Callable[[], None], device: str) -> int | None:
    """Return the most bytes allocated during a call. None on CPUs."""
    if torch.device(device).type != 'cuda':
        return None
    torch.cuda.reset_peak_memory_stats(device)
    run()
    return torch.cuda.max_memory_allocated(device)


def add_to(path: str | None, row: dict) -> None:
    """Append a row to a file, so that little is lost if a later config stops the script."""
    if path:
        file = Path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        rows = json.loads(file.read_text()) if file.exists() else []
        file.write_text(json.dumps([*rows, row], indent=1) + '\n')


def table(rows: list[dict]) -> str:
    """Return a Markdown table."""
    lines = [
        '| config | image | batch | dtype | compiled | step, ms | images/s | peak, GB | of peak |',
        '|' + '---|' * 9,
    ]
    for r in rows:
        step = 1e3 * statistics.median(r['seconds'])
        spread = 1e3 * (max(r['seconds']) - min(r['seconds'])) / 2
        peak = '' if r['peak_bytes'] is None else f'{r["peak_bytes"] / 1e9:.1f}'
        lines.append(
            f'| {r["config"]} | {"x".join(map(str, r["size"]))} | {r["batch"]} | {r["dtype"]} | '
            f'{r["compiled"] or "no"} | {step:.1f} ± {spread:.1f} | '
            f'{r["images_per_second"]:.3g} | {peak} | {100 * r["share_of_peak"]:.0f} % |'
        )
    return '\n'.join(lines)


def parse_args() -> argparse.Namespace:
    example = 'python benchmarks/training_steps.py configs/segformer_{afno,esa}_b3_cityscapes.py'
    parser = Parser(__doc__, example)
    parser.add_argument('configs', nargs='+', type=config_argument)
    parser.add_argument('--device', default='cuda', help="'cuda' (default), 'cuda:1', 'cpu'")
    parser.add_argument('--dtype', choices=DTYPES, default='bf16')
    parser.add_argument('--size', type=int, nargs=2, default=(1024, 1024), metavar=('H', 'W'))
    parser.add_argument('--batch-size', type=int, default=8)
    parser.add_argument('--repeats', type=int, default=5)
    parser.add_argument(
        '--compile',
        nargs='?',
        const='default',
        metavar='MODE',
        help='compile as `tools/train.py --compile` does, in a mode of torch.compile',
    )
    parser.add_argument('--out', metavar='FILE.json', help='add the rows to this file')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    rows, failed = [], []
    for path in args.configs:
        try:
            # Spawn the process: a forked one could not use CUDA.
            with ProcessPoolExecutor(1, get_context('spawn')) as process:
                rows.append(process.submit(measure, path, args).result())
            add_to(args.out, rows[-1])
            print(table(rows[-1:]).splitlines()[-1], flush=True)
        except Exception as error:  # out of memory, or a kernel that the device cannot run
            failed.append(f'{path}: {type(error).__name__}: {str(error).splitlines()[0]}')
            print('failed:', failed[-1], flush=True)
    print(table(rows))
    if failed:
        raise SystemExit('\n'.join(failed))


if __name__ == '__main__':
    main()
