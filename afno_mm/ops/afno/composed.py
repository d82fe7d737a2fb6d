"""AFNO as the composition of its three steps: any device, any dtype, differentiable twice."""

from ..block_mlp import block_mlp
from ..precision import full_precision
from ..spectral import irfft2, rfft2


def refusal(x):
    """None: this path takes everything."""


def run(x, weights, sparsity_threshold, mode_fraction, norm, residual):
    with full_precision(x) as tokens:
        weights = [w.to(tokens.dtype) for w in weights]
        z = rfft2(tokens, mode_fraction, norm)  # (B, K1, K2, C)
        z = block_mlp(z, *weights, sparsity_threshold)
        y = irfft2(z, x.shape[1:3], norm)  # (B, H, W, C)
        if residual:
            y = y + tokens
    return y.to(x.dtype)
