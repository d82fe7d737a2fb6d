"""AFNO as the composition of its three steps: any device, any dtype, differentiable twice."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..block_mlp import block_mlp
from ..frequency_filter import whole_filter
from ..precision import autocast_off, full_precision
from ..spectral import irfft2, rfft2
from .custom_op import Settings, convert


def refusal(x: Tensor) -> None:
    """Return None: this backend takes everything."""


def run(x: Tensor, weights: Sequence[Any], settings: Settings) -> Tensor:
    """Compute :func:`afno_mm.ops.afno_operator`."""
    sparsity_threshold, mode_fraction, norm, residual = settings
    with autocast_off(x):
        tokens = full_precision(x)
        w1, b1, w2, b2, *factors = convert(weights, tokens.dtype)
        z = rfft2(tokens, mode_fraction, norm)  # (B, K1, K2, C)
        out = block_mlp(z, w1, b1, w2, b2, sparsity_threshold)
        if factors[0] is not None:
            out = out + torch.complex(*whole_filter(*factors)) * z
        y = irfft2(out, x.shape[1:3], norm)  # (B, H, W, C)
        if residual:
            y = y + tokens
    return y.to(x.dtype)
