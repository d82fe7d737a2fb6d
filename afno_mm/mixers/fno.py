"""Fourier neural operators with static weights: dense and block-diagonal."""

from typing import Any

import torch
from torch import Tensor, nn

from ..ops import (
    autocast_off,
    full_precision,
    irfft2,
    is_exported,
    mode_product,
    portable_mode_product,
    rfft2_modes,
    soft_shrinkage,
)
from ..registry import MODELS
from .afno import INITS, local_bias
from .checks import (
    check_choice,
    check_divisor,
    check_grid,
    check_threshold,
    show_settings,
    whole_pair,
)


@MODELS.register_module()
class FNO(nn.Module):
    """Fourier neural operator (Li et al., 2020; Sec. 3.2 of the AFNO paper).

    ``y = IRFFT2(W RFFT2(x)) + bias(x)``, with a complex C x C matrix W[u, v] for each of the
    lowest frequencies. The other frequencies are dropped. A grid with fewer frequencies uses only
    the weights of its own frequencies. The transforms and the product run in float32 (float64 for
    float64 tokens) under any autocast.

    Parameters: ``weights1`` for the row frequencies 0..m1-1 and ``weights2`` for -m1..-1, both
    for the column frequencies 0..m2-1. Each is ``(C, C, m1, m2, 2)``: in, out, modes, real and
    imaginary part, drawn from ``U(0, 1) / C^2``, as published. The complex tensors
    ``(C, C, m1, m2)`` of the published layer load as well.

    Args:
        num_modes: (m1, m2), or one number for both. 14 keeps 28 x 14 modes of a half spectrum.
            The 56 x 56 grid of A.6 has 56 x 29.
        bias: Local term, as in :class:`AFNO`. The published layer has 'none'.
    """

    def __init__(
        self, embed_dims: int, num_modes: int | tuple[int, int], bias: str = 'none'
    ) -> None:
        super().__init__()
        self.embed_dims = embed_dims
        self.num_modes = whole_pair('num_modes', num_modes)
        shape = embed_dims, embed_dims, *self.num_modes, 2
        self.weights1 = nn.Parameter(torch.rand(shape) / embed_dims**2)
        self.weights2 = nn.Parameter(torch.rand(shape) / embed_dims**2)
        self.bias = local_bias(bias, embed_dims)
        self.register_load_state_dict_pre_hook(_split_complex_weights)

    def forward(self, x: Tensor) -> Tensor:
        check_grid(x, self.embed_dims)
        y = _mix(x, self.weights1[None], self.weights2[None], norm='backward')
        if self.bias is not None:
            y = y + self.bias(x)
        return y.to(x.dtype)

    extra_repr = show_settings


@MODELS.register_module()
class StaticAFNO(nn.Module):
    """AFNO with static weights, the ablation of Table 6.

    ``y = IRFFT2(S_lambda(W RFFT2(x))) + bias(x)``: a block-diagonal complex matrix W[u, v] for
    each of the lowest frequencies (Eq. 5) replaces AFNO's MLP. The transforms are orthonormal.
    Precision and small grids are as in :class:`FNO`.

    Parameters: ``weights1`` and ``weights2`` for the same frequencies as FNO's, with the shape
    ``(k, b, b, m1, m2, 2)`` and ``b = C / k``.

    Args:
        num_blocks, sparsity_threshold, bias: As in :class:`AFNO`.
        num_modes: As in :class:`FNO`.
        init: The paper does not say. 'scaled' draws real and imaginary parts from
            ``N(0, 1 / (2 b))``: kept modes keep their scale, and the threshold relates to it.
            'published' draws them from ``0.02 * N(0, 1)``, as AFNO does by default.
    """

    def __init__(
        self,
        embed_dims: int,
        num_blocks: int,
        num_modes: int | tuple[int, int],
        sparsity_threshold: float = 0.01,
        bias: str = 'identity',
        init: str = 'scaled',
    ) -> None:
        super().__init__()
        check_choice('init', init, INITS)
        check_divisor('num_blocks', num_blocks, embed_dims)
        check_threshold(sparsity_threshold)
        self.embed_dims = embed_dims
        self.num_blocks = num_blocks = int(num_blocks)
        self.num_modes = whole_pair('num_modes', num_modes)
        self.sparsity_threshold = float(sparsity_threshold)
        b = embed_dims // num_blocks
        shape = num_blocks, b, b, *self.num_modes, 2
        scale = 0.02 if init == 'published' else (2 * b) ** -0.5
        self.weights1 = nn.Parameter(torch.randn(shape) * scale)
        self.weights2 = nn.Parameter(torch.randn(shape) * scale)
        self.bias = local_bias(bias, embed_dims)

    def forward(self, x: Tensor) -> Tensor:
        check_grid(x, self.embed_dims)
        y = _mix(x, self.weights1, self.weights2, 'ortho', self.sparsity_threshold)
        if self.bias is not None:
            y = y + self.bias(x)
        return y.to(x.dtype)

    extra_repr = show_settings


def _mix(
    x: Tensor, weights1: Tensor, weights2: Tensor, norm: str, sparsity_threshold: float = 0
) -> Tensor:
    """Transform x, apply weights ``(k, b, b, m1, m2, 2)`` and soft shrinkage, transform back."""
    height, width = x.shape[1:3]
    m1, m2 = weights1.shape[3:5]
    with autocast_off(x):
        tokens = full_precision(x)
        weights1, weights2 = weights1.to(tokens.dtype), weights2.to(tokens.dtype)
        if is_exported():
            return portable_mode_product(tokens, weights1, weights2, norm, sparsity_threshold)
        z = rfft2_modes(tokens, min(2 * m1, height), min(m2, width // 2 + 1), norm)
        z = mode_product(z, weights1, weights2)
        z = soft_shrinkage(z, sparsity_threshold)
        return irfft2(z, (height, width), norm)  # (B, H, W, C)


def _split_complex_weights(module: FNO, state_dict: dict, prefix: str, *_: Any) -> None:
    """Convert complex weights of the published layer to real and imaginary parts."""
    for name in ('weights1', 'weights2'):
        weight = state_dict.get(prefix + name)
        if weight is not None and weight.is_complex():
            state_dict[prefix + name] = torch.view_as_real(weight)
