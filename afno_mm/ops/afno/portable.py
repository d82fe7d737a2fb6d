"""AFNO in real numbers and without FFT, for exported programs, which take grids of any size."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .. import real_dft
from ..frequency_filter import multiply, whole_filter
from ..precision import autocast_off, full_precision
from .custom_op import Settings, convert


def refusal(x: Tensor) -> None:
    """Return None: this backend takes everything."""


def run(x: Tensor, weights: Sequence[Any], settings: Settings) -> Tensor:
    """Compute :func:`afno_mm.ops.afno_operator`."""
    sparsity_threshold, mode_fraction, norm, residual = settings
    grid = x.shape[1:3]
    frequencies = real_dft.frequencies(grid, mode_fraction, x.device)
    with autocast_off(x):
        tokens = full_precision(x)
        w1, b1, w2, b2, *factors = convert(weights, tokens.dtype)
        z = real_dft.analyse(tokens, *frequencies, norm)  # (B, 2, K1, K2, C)
        out = z.unflatten(4, (w1.shape[1], -1)).permute(4, 0, 2, 3, 1, 5).flatten(4)
        out = _linear(F.relu(_linear(out, w1, b1)), w2, b2)  # (k, B, K1, K2, 2b)
        out = F.softshrink(out, sparsity_threshold).unflatten(4, (2, -1))
        out = out.permute(1, 4, 2, 3, 0, 5).flatten(4)  # (B, 2, K1, K2, C)
        if factors[0] is not None:
            chosen = _choose(whole_filter(*factors), frequencies)
            out = out + multiply(chosen.flatten(2), z.flatten(3)).view_as(z)
        y = real_dft.synthesise(out, *frequencies, norm, grid)
        if residual:
            y = y + tokens
    return y.to(x.dtype)


def _choose(whole: Tensor, frequencies: Sequence[Tensor]) -> Tensor:
    """Return the values of a filter ``(2, K1, K2, C)`` at signed row and column frequencies.

    Frequencies off the grid (:func:`.real_dft.frequencies`) get arbitrary values: they count as 0.
    """
    for dim, index in enumerate(frequencies, 1):
        size = torch.full_like(index[:1], whole.shape[dim])
        index = torch.minimum(torch.where(index < 0, index + size, index), size - 1)
        whole = whole.index_select(dim, index)
    return whole


def _linear(z: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """Apply complex weights ``(2, k, i, o)`` and biases to ``(k, B, K1, K2, 2i)``."""
    # einsum, because the older ONNX exporter would take sizes in a reshape for constants.
    z = torch.einsum('kbuvi,kio->kbuvo', z, real_dft.real_form(*w.unbind()))
    return z + b.transpose(0, 1).flatten(1)[:, None, None, None]
