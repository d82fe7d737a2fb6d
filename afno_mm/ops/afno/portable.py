"""AFNO in real numbers and without FFT, for programs that other runtimes run on any size."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .. import real_dft
from ..precision import autocast_off, full_precision
from ..spectral import kept_modes


def refusal(x: Tensor) -> None:
    """Return None: this backend takes everything."""


def run(x: Tensor, weights: Sequence[Tensor], *settings: Any) -> Tensor:
    """Compute :func:`afno_mm.ops.afno_operator`."""
    sparsity_threshold, mode_fraction, norm, residual = settings
    grid = x.shape[1:3]
    rows, columns = kept_modes(grid, mode_fraction)
    frequencies = real_dft.signed(rows, x.device), torch.arange(columns, device=x.device)
    with autocast_off(x):
        tokens = full_precision(x)
        w1, b1, w2, b2 = (w.to(tokens.dtype) for w in weights)
        z = real_dft.analyse(tokens, *frequencies, norm)  # (B, 2, K1, K2, C)
        blocks = z.unflatten(4, (w1.shape[1], -1)).permute(4, 0, 2, 3, 1, 5)
        hidden = F.relu(_linear(blocks.flatten(4).flatten(1, 3), w1, b1))  # (k, M, 2h)
        out = F.softshrink(_linear(hidden, w2, b2), sparsity_threshold)  # (k, M, 2b)
        out = out.reshape(len(out), -1, rows, columns, 2, w2.shape[3])
        z = out.permute(1, 4, 2, 3, 0, 5).flatten(4)
        y = real_dft.synthesise(z, *frequencies, norm, grid)
        if residual:
            y = y + tokens
    return y.to(x.dtype)


def _linear(z: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """Apply complex weights ``(2, k, i, o)`` and biases to real and imaginary parts."""
    return torch.baddbmm(b.transpose(0, 1).flatten(1)[:, None], z, real_dft.real_form(*w))
