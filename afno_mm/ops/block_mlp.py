"""AFNO's adaptive weights: a block-diagonal complex MLP shared by all frequencies."""

import math

import torch
import torch.nn.functional as F


def block_mlp(z, w1, b1, w2, b2, sparsity_threshold):
    """``S_lambda(W2 relu(W1 z + b1) + b2)`` per block of channels (Eqs. 5, 6 and 8).

    ReLU and soft shrinkage act on the real and the imaginary part separately. So a
    complex linear map is computed as a real one on (real, imaginary) pairs, which is
    one matrix product per block.

    Args:
        z (Tensor): Complex ``(..., C)`` with ``C = k * b``.
        w1 (Tensor): Real ``(2, k, b, h)``, the leading 2 being real and imaginary part.
        b1 (Tensor): Real ``(2, k, h)``.
        w2 (Tensor): Real ``(2, k, h, b)``.
        b2 (Tensor): Real ``(2, k, b)``.
        sparsity_threshold (float): lambda. 0 means no shrinkage.

    Returns:
        Tensor: Complex ``(..., C)``.
    """
    num_blocks, block_size = w1.shape[1:3]
    pairs = torch.view_as_real(z).reshape(-1, num_blocks, 2 * block_size).transpose(0, 1)
    hidden = F.relu(torch.baddbmm(_pair_bias(b1), pairs, _pair_weight(w1)))  # (k, M, 2h)
    out = torch.baddbmm(_pair_bias(b2), hidden, _pair_weight(w2))  # (k, M, 2b)
    out = torch.view_as_complex(out.transpose(0, 1).reshape(*z.shape, 2))
    return soft_shrinkage(out, sparsity_threshold)


def soft_shrinkage(z, sparsity_threshold):
    """``S_lambda`` of the real and the imaginary part (Eq. 8). 0 means no shrinkage."""
    if sparsity_threshold == 0:
        return z
    return torch.view_as_complex(F.softshrink(torch.view_as_real(z), sparsity_threshold))


def published_weights(num_blocks, block_size, hidden_size):
    """Initial ``w1, b1, w2, b2`` of the published layer: ``0.02 * N(0, 1)``.

    The output's scale depends on the block size, and a threshold of 0.1 lets next to
    nothing through, gradients included, unless blocks are large.
    """
    k, b, h = num_blocks, block_size, hidden_size
    return tuple(0.02 * torch.randn(2, *shape) for shape in ((k, b, h), (k, h), (k, h, b), (k, b)))


def scaled_weights(num_blocks, block_size, hidden_size):
    """Initial ``w1, b1, w2, b2`` that keep the scale of a spectrum at every block size.

    Variances follow from the fan-in: a complex product sums ``2 b`` real ones, and ReLU
    halves the second moment. The mean that ReLU leaves is the same at every frequency, which
    the inverse transform gathers into a peak at token (0, 0), 1/pi of all energy. So each
    column of ``w2`` is made orthogonal to that mean. Biases, which are such peaks
    themselves, are zero, so the initial map commutes with scaling: what holds for unit
    variance at every frequency holds for any spectrum.
    """
    k, b, h = num_blocks, block_size, hidden_size
    w1 = torch.randn(2, k, b, h) * (2 * b) ** -0.5
    w2 = torch.randn(2, k, h, b)
    if h > 1:
        mean = F.normalize(w1.square().sum((0, 2)).sqrt(), dim=-1)  # (k, h), its direction
        w2 = w2 - mean[:, :, None] * torch.einsum('kh,pkho->pko', mean, w2)[:, :, None]
        w2 = w2 * ((1 - 1 / math.pi) * (h - 1)) ** -0.5
    return w1, torch.zeros(2, k, h), w2, torch.zeros(2, k, b)


def _pair_weight(w):
    """``(2, k, i, o)`` complex weights as real ``(k, 2i, 2o)`` maps of interleaved pairs."""
    real, imag = w.unbind(0)
    from_real = torch.stack([real, imag], dim=-1)
    from_imag = torch.stack([-imag, real], dim=-1)
    return torch.stack([from_real, from_imag], dim=2).flatten(3).flatten(1, 2)


def _pair_bias(b):
    """``(2, k, o)`` complex biases as ``(k, 1, 2o)`` interleaved pairs."""
    return b.permute(1, 2, 0).flatten(1).unsqueeze(1)
