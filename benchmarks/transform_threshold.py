"""Time AFNO's two ways to transform tokens on a GPU: matrix products, and PyTorch's FFT.

    python benchmarks/transform_threshold.py

The Triton backend uses products on small grids and the FFT on large ones. `DENSE_OPERATIONS` in
`afno_mm/ops/afno/planar.py` sets the threshold between them. This script measures which one is
faster. Both run in turns on the same tokens. The times cover the forward and the inverse transform.
"""

import json
import statistics
from pathlib import Path

import afno_mm  # noqa: F401  reports a broken environment before any other import fails
import torch
from afno_mm.command_line import Parser
from afno_mm.ops.afno import planar
from mixer_bench.limits import seconds
from mixer_bench.measure import HALF, Settings, circumstances

TOKENS = 2**20  # tokens of a batch at --batch-size 8, for every grid


def measure(side: int, channels: int, settings: Settings, repeats: int) -> dict:
    """Time both ways on square grids of ``side``. Return a row with the medians in seconds."""
    dtype = HALF.get(settings.dtype, torch.float32)
    batch = max(1, settings.batch * TOKENS // (8 * side * side))
    x = torch.randn(batch, side, side, channels, device=settings.device, dtype=dtype)
    columns = side // 2 + 1

    def run(dense: bool) -> None:
        z = planar.analyse(x, side, columns, dense, power=1)
        planar.synthesise(z, (side, side), dense, power=0, mirrored=True)

    samples: dict[bool, list[float]] = {True: [], False: []}
    for i in range(repeats + 2):
        for dense in samples:
            taken = seconds(lambda dense=dense: run(dense), settings.device)
            if i > 1:
                samples[dense].append(taken)
    products, fft = (statistics.median(samples[dense]) for dense in (True, False))
    kind = {'fp32': 'exact', 'tf32': 'tf32'}.get(settings.dtype, 'half')
    chosen = planar.is_dense((side, side), side, columns, kind)
    return dict(
        side=side,
        batch=batch,
        channels=channels,
        dtype=settings.dtype,
        products=products,
        fft=fft,
        chosen='products' if chosen else 'fft',
    )


def table(rows: list[dict]) -> str:
    lines = ['| grid | dtype | products, ms | FFT, ms | faster | chosen |', '|' + '---|' * 6]
    for r in rows:
        faster = 'products' if r['products'] < r['fft'] else 'fft'
        lines.append(
            f'| {r["side"]}x{r["side"]} | {r["dtype"]} | {1e3 * r["products"]:.2f} '
            f'| {1e3 * r["fft"]:.2f} | {faster} | {r["chosen"]} |'
        )
    return '\n'.join(lines)


def main() -> None:
    example = 'python benchmarks/transform_threshold.py --device cpu --dtypes fp32 --sides 32 64'
    parser = Parser(__doc__, example)
    parser.add_argument('--device', default='cuda')
    parser.add_argument('--dtypes', nargs='+', default=['bf16', 'tf32', 'fp32'])
    parser.add_argument('--sides', type=int, nargs='+', default=[32, 64, 128, 256, 512, 1024])
    parser.add_argument('--channels', type=int, default=64)
    parser.add_argument('--batch-size', type=int, default=8)
    parser.add_argument('--repeats', type=int, default=10)
    parser.add_argument('--out', metavar='FILE.json')
    args = parser.parse_args()
    rows = []
    for dtype in args.dtypes:
        settings = Settings(device=args.device, dtype=dtype, batch=args.batch_size)
        with settings.apply():
            for side in args.sides:
                rows.append(measure(side, args.channels, settings, args.repeats))
    print(table(rows))
    if args.out:
        results = dict(circumstances=circumstances(settings), rows=rows)
        Path(args.out).write_text(json.dumps(results, indent=1) + '\n')


if __name__ == '__main__':
    main()
