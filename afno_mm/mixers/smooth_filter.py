"""A frequency filter that a small network computes for any grid."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..ops import (
    NUM_FEATURES,
    Filter,
    autocast_off,
    frequency_features,
    is_recorded,
    is_transformed,
    whole_filter,
)

HIDDEN = 32


class SmoothFilter(nn.Module):
    """Compute a complex filter g(f) per channel from the frequency f in cycles per image.

    A network of two layers with GELU maps :func:`afno_mm.ops.frequency_features` to g. Its last
    layer starts at zero, so g starts at zero. This is an idea of this project, not of the AFNO
    paper.

    Parameters are ``hidden_weight (32, 10)``, ``hidden_bias (32,)`` and ``weight (2, 33, C)``: the
    real and the imaginary part, with the bias in the last row. The layers are not ``nn.Linear``
    modules, because backbones draw new initial values for all of these.

    In evaluation on a CPU without gradients the module caches the filter of the last grid, with a
    copy of the parameters. It computes the filter again if any parameter value differs. This finds
    every change, even a change through ``.data``, which autograd does not count.
    """

    def __init__(self, embed_dims: int) -> None:
        super().__init__()
        like = nn.Linear(NUM_FEATURES, HIDDEN)
        self.hidden_weight, self.hidden_bias = like.weight, like.bias
        self.weight = nn.Parameter(torch.zeros(2, HIDDEN + 1, embed_dims))
        self._kept: tuple | None = None

    def forward(self, x: Tensor, mode_fraction: float) -> Filter:
        """Return the filter for tokens ``(B, H, W, C)``, see :mod:`afno_mm.ops.frequency_filter`.

        Where the filter is cached, return the full filter ``(2, K1, K2, C)``, else a pair of
        factors. Its dtype is the dtype of AFNO: float64 for float64 tokens, else float32.
        """
        parameters = self.hidden_weight, self.hidden_bias, self.weight
        if self.training or x.device.type != 'cpu' or _needs_plain_operators(parameters):
            return self._factors(x, mode_fraction)
        key = x.shape[1], x.shape[2], mode_fraction, x.dtype == torch.float64
        kept = self._kept
        if kept is None or kept[0] != key or not _equal(kept[1], parameters):
            # Inference tensors would break a later use that records gradients.
            with torch.inference_mode(False), torch.no_grad(), autocast_off(x):
                made = whole_filter(*self._factors(x, mode_fraction))
                kept = self._kept = key, [p.detach().clone() for p in parameters], made
        return kept[2]

    def _factors(self, x: Tensor, mode_fraction: float) -> tuple[Tensor, Tensor]:
        dtype = torch.float64 if x.dtype == torch.float64 else torch.float32
        with autocast_off(x):
            features = frequency_features((x.shape[1], x.shape[2]), mode_fraction, dtype, x.device)
            hidden = F.linear(features, self.hidden_weight.to(dtype), self.hidden_bias.to(dtype))
            return F.gelu(hidden), self.weight.to(dtype)

    def __getstate__(self) -> dict:
        return {**self.__dict__, '_kept': None}  # Copies and files need no cached filter.


def _needs_plain_operators(parameters):
    """Return whether autograd, torch.func, torch.compile or an export records the operators."""
    if is_recorded() or is_transformed():
        return True
    return torch.is_grad_enabled() and any(p.requires_grad for p in parameters)


def _equal(kept, parameters):
    return all(a.dtype == b.dtype and torch.equal(a, b) for a, b in zip(kept, parameters))
