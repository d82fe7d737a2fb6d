"""A filter of frequencies that a small network makes for any grid."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..ops import (
    NUM_FEATURES,
    Filter,
    autocast_off,
    frequency_features,
    is_exported,
    is_transformed,
    whole_filter,
)

HIDDEN = 32


class SmoothFilter(nn.Module):
    """Make a complex filter g(f) per channel from the frequency f in cycles per image.

    A network of two layers with GELU makes it from :func:`afno_mm.ops.frequency_features`. Its last
    layer starts at zero, so the filter does. This is an idea of this project, not of the AFNO
    paper.

    Parameters are ``hidden_weight (32, 10)``, ``hidden_bias (32,)`` and ``weight (2, 33, C)``: the
    real and the imaginary part, with the bias in the last row. They are not those of ``nn.Linear``,
    because backbones draw initial values for all modules of that class.

    In evaluation on a CPU the filter of the last grid is kept, together with a copy of the
    parameters that made it. It is made again if any value differs. This finds every change, also
    those through ``.data``, which leave no other trace.
    """

    def __init__(self, embed_dims: int) -> None:
        super().__init__()
        like = nn.Linear(NUM_FEATURES, HIDDEN)
        self.hidden_weight, self.hidden_bias = like.weight, like.bias
        self.weight = nn.Parameter(torch.zeros(2, HIDDEN + 1, embed_dims))
        self._kept: tuple | None = None

    def forward(self, x: Tensor, mode_fraction: float) -> Filter:
        """Return the filter for tokens ``(B, H, W, C)``, see :mod:`afno_mm.ops.frequency_filter`.

        It is whole, ``(2, K1, K2, C)``, if it is kept. Otherwise it is a pair of factors. It has
        the dtype in which AFNO computes: float64 for float64 tokens, else float32.
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
            return F.pad(F.gelu(hidden), (0, 1), value=1.0), self.weight.to(dtype)

    def __getstate__(self) -> dict:
        return {**self.__dict__, '_kept': None}  # Copies and files need no kept filter.


def _needs_plain_operators(parameters):
    """Return whether gradients, a transform or a program are recorded."""
    if torch.compiler.is_compiling() or is_exported() or is_transformed():
        return True
    return torch.is_grad_enabled() and any(p.requires_grad for p in parameters)


def _equal(kept, parameters):
    return all(a.dtype == b.dtype and torch.equal(a, b) for a, b in zip(kept, parameters))
