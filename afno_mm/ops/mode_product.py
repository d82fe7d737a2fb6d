"""FNO's weights: a complex matrix of its own for every kept mode."""
import torch


def mode_product(z, weights1, weights2):
    """``W[u, v] z[u, v]`` per block of channels (step 2 of Sec. 3.2, and Eq. 5).

    ``weights1`` holds the row frequencies 0..m1-1 and ``weights2`` -m1..-1, both the column
    frequencies 0..m2-1. A spectrum of fewer modes takes the lowest frequencies of each.

    Args:
        z (Tensor): Complex ``(B, K1, K2, C)`` with ``K1 <= 2 * m1`` and ``K2 <= m2``, laid out
            as by :func:`afno_mm.ops.rfft2_modes`; ``C = k * b``.
        weights1 (Tensor): Real ``(k, b, b, m1, m2, 2)``: blocks, in, out, modes, and real and
            imaginary part.
        weights2 (Tensor): As ``weights1``.

    Returns:
        Tensor: Complex ``(B, K1, K2, C)``.
    """
    rows, columns = z.shape[1:3]
    first = weights1[..., :(rows + 1) // 2, :columns, :]
    last = weights2[..., weights2.shape[-3] - rows // 2:, :columns, :]
    weights = torch.view_as_complex(torch.cat([first, last], dim=-3))  # (k, b, b, K1, K2)
    z = z.unflatten(-1, weights.shape[:2])  # (B, K1, K2, k, b)
    out = z.permute(1, 2, 3, 0, 4) @ weights.permute(3, 4, 0, 1, 2)  # (K1, K2, k, B, b)
    return out.permute(3, 0, 1, 2, 4).flatten(3)
