"""AFNO as the composition of its three steps: any device, any dtype, differentiable twice."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ..block_mlp import block_mlp
from ..frequency_filter import Filter, factors_of, whole_filter
from ..precision import autocast_off, full_precision
from ..spectral import irfft2, rfft2
from .custom_op import Settings


def refusal(x: Tensor) -> None:
    """Return None: this backend takes everything."""


def run(
    x: Tensor, weights: Sequence[Tensor], settings: Settings, frequency_filter: Filter | None = None
) -> Tensor:
    """Compute :func:`afno_mm.ops.afno_operator`."""
    sparsity_threshold, mode_fraction, norm, residual = settings
    with autocast_off(x):
        tokens = full_precision(x)
        w1, b1, w2, b2 = (w.to(tokens.dtype) for w in weights)
        z = rfft2(tokens, mode_fraction, norm)  # (B, K1, K2, C)
        out = block_mlp(z, w1, b1, w2, b2, sparsity_threshold)
        if frequency_filter is not None:
            factors = (t.to(tokens.dtype) for t in factors_of(frequency_filter) if t is not None)
            out = out + torch.complex(*whole_filter(*factors)) * z
        y = irfft2(out, x.shape[1:3], norm)  # (B, H, W, C)
        if residual:
            y = y + tokens
    return y.to(x.dtype)
