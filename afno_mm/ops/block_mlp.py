"""AFNO's adaptive weights: a block-diagonal complex MLP shared by all frequencies."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

Weights = tuple[Tensor, Tensor, Tensor, Tensor]


def block_mlp(
    z: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor, sparsity_threshold: float
) -> Tensor:
    """Compute ``S_lambda(W2 relu(W1 z + b1) + b2)`` per block of channels (Eqs. 5, 6 and 8).

    ReLU and soft shrinkage act on the real and the imaginary part separately. So each complex
    linear map runs as a real one on (real, imaginary) pairs: one matrix product per block.

    Args:
        z: Complex ``(..., C)`` with ``C = k * b``.
        w1, b1, w2, b2: Real ``(2, k, b, h)``, ``(2, k, h)``, ``(2, k, h, b)`` and ``(2, k, b)``.
            Index 0 of the first axis is the real part, 1 the imaginary part.
        sparsity_threshold: lambda. 0 turns the shrinkage off.
    """
    num_blocks, block_size = w1.shape[1:3]
    pairs = torch.view_as_real(z).reshape(-1, num_blocks, 2 * block_size).transpose(0, 1)
    hidden = F.relu(torch.baddbmm(_pair_bias(b1), pairs, _pair_weight(w1)))  # (k, M, 2h)
    out = torch.baddbmm(_pair_bias(b2), hidden, _pair_weight(w2))  # (k, M, 2b)
    out = torch.view_as_complex(out.transpose(0, 1).reshape(*z.shape, 2))
    return soft_shrinkage(out, sparsity_threshold)


def soft_shrinkage(z: Tensor, sparsity_threshold: float) -> Tensor:
    """Apply ``S_lambda`` to the real and to the imaginary part (Eq. 8). 0 turns it off."""
    if sparsity_threshold == 0:
        return z
    return torch.view_as_complex(F.softshrink(torch.view_as_real(z), sparsity_threshold))


def published_weights(num_blocks: int, block_size: int, hidden_size: int) -> Weights:
    """Return initial ``w1, b1, w2, b2`` as in the published layer: ``0.02 * N(0, 1)``.

    Unless blocks are large, a threshold of 0.1 sets almost all outputs and gradients to zero.
    """
    k, b, h = num_blocks, block_size, hidden_size
    w1, b1, w2, b2 = (torch.randn(2, *shape) for shape in ((k, b, h), (k, h), (k, h, b), (k, b)))
    return 0.02 * w1, 0.02 * b1, 0.02 * w2, 0.02 * b2


def scaled_weights(num_blocks: int, block_size: int, hidden_size: int) -> Weights:
    """Return initial ``w1, b1, w2, b2`` that keep the scale of a spectrum at every block size.

    The variances follow from the fan-in: a complex product sums ``2 b`` real ones, and ReLU
    halves the second moment. ReLU outputs have a mean that is the same at every frequency. The
    inverse transform would turn it into a peak at token (0, 0) with 1/pi of all energy. So each
    column of ``w2`` is made orthogonal to this mean. Biases would make such peaks, too, so they
    start at zero. Without biases the map commutes with scaling: it keeps the scale of a spectrum
    of any variance if it keeps unit variance.
    """
    k, b, h = num_blocks, block_size, hidden_size
    w1 = torch.randn(2, k, b, h) * (2 * b) ** -0.5
    w2 = torch.randn(2, k, h, b)
    if h > 1:
        mean = F.normalize(w1.square().sum((0, 2)).sqrt(), dim=-1)  # (k, h), direction of the mean
        w2 = w2 - mean[:, :, None] * torch.einsum('kh,pkho->pko', mean, w2)[:, :, None]
        w2 = w2 * ((1 - 1 / math.pi) * (h - 1)) ** -0.5
    return w1, torch.zeros(2, k, h), w2, torch.zeros(2, k, b)


def _pair_weight(w: Tensor) -> Tensor:
    """Return complex weights ``(2, k, i, o)`` as real maps ``(k, 2i, 2o)`` of interleaved pairs."""
    real, imag = w.unbind(0)
    from_real = torch.stack([real, imag], dim=-1)
    from_imag = torch.stack([-imag, real], dim=-1)
    return torch.stack([from_real, from_imag], dim=2).flatten(3).flatten(1, 2)


def _pair_bias(b: Tensor) -> Tensor:
    """Return complex biases ``(2, k, o)`` as interleaved pairs ``(k, 1, 2o)``."""
    return b.permute(1, 2, 0).flatten(1).unsqueeze(1)
