"""Apply the weights of FNO: one complex matrix for every kept mode."""

import torch
import torch.nn.functional as F
from torch import Tensor

from . import real_dft
from .exporting import is_transformed


def mode_product(z: Tensor, weights1: Tensor, weights2: Tensor) -> Tensor:
    """Compute ``W[u, v] z[u, v]`` per block of channels (step 2 of Sec. 3.2, and Eq. 5).

    ``weights1`` is for the row frequencies 0..m1-1, ``weights2`` for -m1..-1, both for the column
    frequencies 0..m2-1. A spectrum with fewer modes uses the weights of its own frequencies.

    Args:
        z: Complex ``(B, K1, K2, C)`` with ``K1 <= 2 * m1`` and ``K2 <= m2``, laid out as
            :func:`afno_mm.ops.rfft2_modes` does; ``C = k * b``.
        weights1, weights2: Real ``(k, b, b, m1, m2, 2)``: blocks, in, out, modes, and real and
            imaginary part.
    """
    rows, columns = z.shape[1:3]
    sizes = (rows + 1) // 2, rows // 2
    weights1 = weights1[..., : sizes[0], :columns, :]
    weights2 = weights2[..., weights2.shape[-3] - sizes[1] :, :columns, :]
    # Copy z to the memory order of the weights. Then their gradient has this order, too.
    z = z.permute(0, 3, 1, 2).contiguous().unflatten(1, weights1.shape[:2])  # (B, k, b, K1, K2)
    halves = zip(z.split(sizes, dim=3), (weights1, weights2))
    multiply = _Product.forward if is_transformed() else _Product.apply
    products = [multiply(half, torch.view_as_complex(w)) for half, w in halves]
    return torch.cat(products, dim=3).flatten(1, 2).permute(0, 2, 3, 1)


def portable_mode_product(
    x: Tensor, weights1: Tensor, weights2: Tensor, norm: str, sparsity_threshold: float = 0.0
) -> Tensor:
    """Apply the weights and the soft shrinkage to tokens ``(B, H, W, C)`` by real products.

    The spectrum has all modes of the weights. Modes that the grid lacks count as zero.
    """
    m1, m2 = weights1.shape[3:5]
    rows, columns = (torch.arange(n, device=x.device) for n in (2 * m1, m2))
    frequencies = torch.where(rows < m1, rows, rows - 2 * m1), columns
    weight = torch.cat([weights1, weights2], 3).permute(5, 3, 4, 0, 1, 2)
    matrices = real_dft.real_form(*weight.unbind())  # (K1, K2, k, 2b, 2b)
    z = real_dft.analyse(x, *frequencies, norm).unflatten(4, (weights1.shape[0], -1))
    z = z.permute(2, 3, 4, 0, 1, 5).flatten(4) @ matrices  # (K1, K2, k, B, 2b)
    z = F.softshrink(z, sparsity_threshold) if sparsity_threshold else z
    z = z.unflatten(4, (2, -1)).permute(3, 4, 0, 1, 2, 5).flatten(4)  # (B, 2, K1, K2, C)
    return real_dft.synthesise(z, *frequencies, norm, x.shape[1:3])


class _Product(torch.autograd.Function):
    """Multiply ``(B, k, i, U, V)`` by ``(k, i, o, U, V)``, both complex.

    Matrix products need copies of the weights: one in another layout, one conjugated. Autograd's
    own backward would save these copies. This one saves only the weights.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(z, weights):
        return torch.einsum('bkiuv,kiouv->bkouv', z, weights)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, grad_output):
        z, weights = ctx.saved_tensors
        grad_z = _Product.apply(grad_output.conj(), weights.transpose(1, 2)).conj()
        return grad_z, torch.einsum('bkiuv,bkouv->kiouv', z.conj(), grad_output.contiguous())
