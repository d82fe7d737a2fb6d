"""AFNO as the composition of its three steps: any device, any dtype, differentiable twice."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from ..block_mlp import block_mlp
from ..precision import autocast_off, full_precision
from ..spectral import irfft2, rfft2


def refusal(x: Tensor) -> None:
    """Return None: this backend takes everything."""


def run(x: Tensor, weights: Sequence[Tensor], *settings: Any) -> Tensor:
    """Compute :func:`afno_mm.ops.afno_operator`."""
    sparsity_threshold, mode_fraction, norm, residual = settings
    with autocast_off(x):
        tokens = full_precision(x)
        w1, b1, w2, b2 = (w.to(tokens.dtype) for w in weights)
        z = rfft2(tokens, mode_fraction, norm)  # (B, K1, K2, C)
        z = block_mlp(z, w1, b1, w2, b2, sparsity_threshold)
        y = irfft2(z, x.shape[1:3], norm)  # (B, H, W, C)
        if residual:
            y = y + tokens
    return y.to(x.dtype)
