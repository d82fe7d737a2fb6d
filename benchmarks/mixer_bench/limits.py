"""Lower bounds of the AFNO operator: its arithmetic, its memory traffic, a machine's rates.

The model describes an ideal fused operator. No existing program is this operator. A real
multiplication or addition counts as one operation.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from afno_mm.ops import kept_modes


@dataclass
class Work:
    """Floating-point operations and bytes moved. ``+`` adds them."""

    flops: float = 0
    bytes: float = 0

    def __add__(self, other: 'Work') -> 'Work':
        return Work(self.flops + other.flops, self.bytes + other.bytes)


def afno_work(
    shape: Sequence[int], num_blocks: int, mode_fraction: float = 1.0, itemsize: int = 4
) -> dict[str, Work]:
    """Return the least work of AFNO on tokens of a shape ``(B, H, W, C)``.

    * The MLP has two complex maps. Each takes three real products (Gauss).
    * A real FFT takes 2.5 N log2 N operations. FFTs along H run on the kept columns only.
    * The data passes through memory three times: FFT along W; FFT along H with the MLP and the
      inverse; inverse FFT along W, which adds the tokens.
    * Backward has twice the products, and the FFTs of the gradient. It also reads the part of the
      forward pass again that it needs.

    Returns:
        The work of the phases 'forward' and 'train' (forward and backward).
    """
    batch, height, width, channels = shape
    rows, columns = kept_modes((height, width), mode_fraction)
    block_size = channels / num_blocks
    mlp = 2 * rows * columns * num_blocks * 3 * 2 * block_size**2
    fft_w = 2.5 * width * math.log2(max(width, 2))
    fft_h = 5 * columns * math.log2(max(height, 2))
    fft = 2 * channels * height * (fft_w + fft_h)
    size = height * width * channels * itemsize
    kept = columns / (width // 2 + 1)
    forward, again = 3 + 4 * kept, 1 + 2 * kept
    return dict(
        forward=Work(batch * (mlp + fft), batch * size * forward),
        train=Work(batch * (3 * mlp + 2 * fft), batch * size * (2 * forward + again)),
    )


# Rows of a square matrix, and MiB of a copy. Both are too large for the caches.
SIZES = dict(cpu=(1536, 256), cuda=(8192, 2048))


class Machine:
    """Measures the rates of a machine: matrix products in the benchmark's dtype, and copies."""

    def __init__(self, device: str, dtype: str = 'fp32') -> None:
        self.device = torch.device(device)
        size, mebibytes = SIZES[self.device.type]
        kind = {'bf16': torch.bfloat16, 'fp16': torch.float16}.get(dtype, torch.float32)
        self.a, self.b = (torch.randn(size, size, device=self.device).to(kind) for _ in 'ab')
        self.c = torch.empty_like(self.a)
        self.source = torch.zeros(mebibytes * 2**18, device=self.device)
        self.target = torch.zeros_like(self.source)

    def rates(self) -> tuple[float, float]:
        """Measure now. Return operations per second, and bytes read and written per second."""
        product = seconds(lambda: torch.mm(self.a, self.b, out=self.c), self.device)
        copy = seconds(lambda: self.target.copy_(self.source), self.device)
        return 2 * len(self.a) ** 3 / product, 2 * self.source.nbytes / copy


def seconds(run: Callable[[], object], device: str | torch.device) -> float:
    """Return the time of a call in seconds. On a GPU, wait until it has finished."""
    synchronize(device)
    start = time.perf_counter()
    run()
    synchronize(device)
    return time.perf_counter() - start


def synchronize(device: str | torch.device) -> None:
    """Wait until a GPU has finished. Do nothing on a CPU."""
    if torch.device(device).type == 'cuda':
        torch.cuda.synchronize(device)
