"""AFNO's adaptive weights: a block-diagonal complex MLP shared by all frequencies."""
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
    if sparsity_threshold > 0:
        out = F.softshrink(out, sparsity_threshold)
    out = out.transpose(0, 1).reshape(*z.shape, 2)
    return torch.view_as_complex(out)


def _pair_weight(w):
    """``(2, k, i, o)`` complex weights as real ``(k, 2i, 2o)`` maps of interleaved pairs."""
    real, imag = w.unbind(0)
    from_real = torch.stack([real, imag], dim=-1)
    from_imag = torch.stack([-imag, real], dim=-1)
    return torch.stack([from_real, from_imag], dim=2).flatten(3).flatten(1, 2)


def _pair_bias(b):
    """``(2, k, o)`` complex biases as ``(k, 1, 2o)`` interleaved pairs."""
    return b.permute(1, 2, 0).flatten(1).unsqueeze(1)
