"""Slow float64 definitions of the ops, written from the paper. For tests only.

They share nothing with the fast code: explicit sums over frequencies in place of
FFTs, complex numbers in place of pairs, a loop over blocks in place of batched products.
"""
import math

import torch


def kept_frequencies(size, mode_fraction):
    """All signed frequencies of an axis whose magnitude is within the share to keep."""
    signed = [f if f <= (size - 1) // 2 else f - size for f in range(size)]
    return [f for f in signed if abs(f) <= mode_fraction * (size // 2) + 1e-9]


def afno(x, w1, b1, w2, b2, sparsity_threshold=0.0, mode_fraction=1.0, norm='ortho'):
    """AFNO without its bias term, by definition.

    Args:
        x (Tensor): Real ``(B, H, W, C)``.
        w1, b1, w2, b2 (Tensor): As in :func:`afno_mm.ops.block_mlp`.
        sparsity_threshold (float): lambda.
        mode_fraction (float): Share of the frequencies kept per axis.
        norm (str): 'ortho' or 'forward'.

    Returns:
        Tensor: float64 ``(B, H, W, C)``.
    """
    x, w1, b1, w2, b2 = (t.double() for t in (x, w1, b1, w2, b2))
    _, height, width, _ = x.shape
    rows = torch.arange(height, dtype=torch.float64)[:, None]
    columns = torch.arange(width, dtype=torch.float64)[None, :]
    size = height * width
    analysis, synthesis = {'ortho': (size**-.5, size**-.5), 'forward': (1 / size, 1.)}[norm]
    y = torch.zeros_like(x)
    for u in kept_frequencies(height, mode_fraction):
        for v in kept_frequencies(width, mode_fraction):
            # Nyquist is the one frequency that FFTs name by its negative value.
            if v < 0 and 2 * v != -width:
                continue
            own_mirror = v == 0 or 2 * abs(v) == width
            angle = 2 * math.pi * (u * rows / height + abs(v) * columns / width)
            wave = torch.polar(torch.ones_like(angle), angle)  # (H, W)
            coefficient = analysis * torch.einsum('bhwc,hw->bc', x.to(wave.dtype), wave.conj())
            mixed = _block_mlp(coefficient, w1, b1, w2, b2, sparsity_threshold)
            weight = synthesis * (1 if own_mirror else 2)
            y = y + weight * torch.einsum('bc,hw->bhwc', mixed, wave).real
    return y


def _block_mlp(z, w1, b1, w2, b2, sparsity_threshold):
    def parts(f, a):
        return torch.complex(f(a.real), f(a.imag))

    def shrink(a):
        return a.sign() * (a.abs() - sparsity_threshold).clamp(min=0)

    out = []
    for k, block in enumerate(z.chunk(w1.shape[1], dim=-1)):
        first, second = torch.complex(*w1[:, k]), torch.complex(*w2[:, k])
        hidden = parts(torch.relu, block @ first + torch.complex(*b1[:, k]))
        out.append(parts(shrink, hidden @ second + torch.complex(*b2[:, k])))
    return torch.cat(out, dim=-1)
