"""What bounds the AFNO operator: its arithmetic and its traffic, and how fast a machine does both.

A model of a fused operator, not of one that exists. Real multiplications and additions count
one each.
"""

import math
import time
from dataclasses import dataclass

import torch
from afno_mm.ops import kept_modes


@dataclass
class Work:
    """Floating-point operations and bytes moved; sums with ``+``."""

    flops: float = 0
    bytes: float = 0

    def __add__(self, other):
        return Work(self.flops + other.flops, self.bytes + other.bytes)

    def seconds(self, flops_per_second, bytes_per_second):
        """The time that the slower of the two takes if the other hides behind it."""
        return max(self.flops / flops_per_second, self.bytes / bytes_per_second)


def afno_work(shape, num_blocks, mode_fraction=1.0, itemsize=4):
    """Least work of AFNO on tokens of a shape ``(B, H, W, C)``.

    The MLP's two complex maps by Gauss's three real products each; real FFTs of 2.5 N log2 N,
    along H on the kept columns only. Three passes over memory: along W, along H with the
    MLP in between, and along W back, which adds the tokens. Backward has twice the products,
    the transforms of the gradient, and reads again what it needs of the forward pass.

    Returns:
        dict[str, Work]: Of 'forward', and of 'train', which is forward and backward.
    """
    batch, height, width, channels = shape
    rows, columns = kept_modes((height, width), mode_fraction)
    b = channels / num_blocks
    mlp = 2 * rows * columns * num_blocks * 3 * 2 * b**2
    fft = (
        2
        * channels
        * height
        * (2.5 * width * math.log2(max(width, 2)) + 5 * columns * math.log2(max(height, 2)))
    )
    size = height * width * channels * itemsize
    kept = columns / (width // 2 + 1)
    forward, again = 3 + 4 * kept, 1 + 2 * kept
    return dict(
        forward=Work(batch * (mlp + fft), batch * size * forward),
        train=Work(batch * (3 * mlp + 2 * fft), batch * size * (2 * forward + again)),
    )


# Rows of a square matrix and MiB of a copy, large enough to leave the caches.
SIZES = dict(cpu=(1536, 256), cuda=(8192, 2048))


class Machine:
    """Rates of a machine: matrix products in the dtype of the benchmark, and copies."""

    def __init__(self, device, dtype='fp32'):
        self.device = torch.device(device)
        size, mebibytes = SIZES[self.device.type]
        kind = torch.bfloat16 if dtype == 'bf16' else torch.float32
        self.a, self.b = (torch.randn(size, size, device=self.device).to(kind) for _ in 'ab')
        self.c = torch.empty_like(self.a)
        self.source = torch.zeros(mebibytes * 2**18, device=self.device)
        self.target = torch.zeros_like(self.source)

    def rates(self):
        """Floating-point operations and bytes (read and written) per second, measured now."""
        product = _seconds(lambda: torch.mm(self.a, self.b, out=self.c), self.device)
        copy = _seconds(lambda: self.target.copy_(self.source), self.device)
        return 2 * len(self.a) ** 3 / product, 2 * self.source.nbytes / copy


def _seconds(run, device):
    synchronize(device)
    start = time.perf_counter()
    run()
    synchronize(device)
    return time.perf_counter() - start


def synchronize(device):
    if torch.device(device).type == 'cuda':
        torch.cuda.synchronize(device)
