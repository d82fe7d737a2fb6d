"""Real 2-D Fourier transforms between tokens and planar spectra, and their adjoints.

A planar spectrum is real ``(B, 2, K1, K2, C)``: real parts, then imaginary parts, of the kept
frequencies of the half spectrum in the order of :mod:`afno_mm.ops.spectral`.

A is the forward transform, rfft2 without scaling, as a real matrix from tokens to planar spectra.
A^T sums the waves of a spectrum. D is diagonal: it counts how many frequencies of the full spectrum
a column of the half spectrum stands for. The DC and Nyquist columns count 1, all others 2.

    forward transform     A          its adjoint   A^T
    inverse transform     A^T D      its adjoint   D A

So :func:`analyse` (A or D A) and :func:`synthesise` (A^T or A^T D) suffice for both transforms and
their gradients. A^T uses only the Hermitian part of the DC and Nyquist columns, as irfft2 does.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .. import real_dft
from ..exporting import cached
from ..spectral import irfft2, rfft2_modes

# Transforms use matrix products up to this many operations per token and channel, and an FFT above.
# All frequencies of an N x N grid take 6 (N + 2). The keys are the kinds of product of
# :mod:`.triton.block_mlp`. Measured on an H200 (benchmarks/transform_threshold.py): products were
# faster up to 1024 x 1024 ('half', the largest measured), 512 x 512 ('tf32'), 128 x 128 ('exact').
# The backend 'eager' takes 'cpu', which was measured on CPUs.
DENSE_OPERATIONS = {
    'half': 6 * (1024 + 2),
    'tf32': 6 * (512 + 2),
    'exact': 6 * (128 + 2),
    'cpu': 450,
}


def is_dense(grid: Sequence[int], rows: int, columns: int, kind: str) -> bool:
    """Return whether matrix products beat an FFT. ``kind`` is a key of ``DENSE_OPERATIONS``."""
    operations = 4 * columns + 8 * rows * columns / grid[1]
    return operations <= DENSE_OPERATIONS[kind]


def analyse(
    x: Tensor, rows: int, columns: int, dense: bool, power: float, mirrored: bool = False
) -> Tensor:
    """Compute ``A x``, or ``D A x`` if ``mirrored``, divided by ``(H W)**power``.

    Contiguous tokens ``(B, H, W, C)`` become a contiguous planar spectrum ``(B, 2, K1, K2, C)``
    with ``K1 = rows`` and ``K2 = columns``, in their dtype. With ``dense`` it uses matrix products,
    else an FFT in float32. ``power`` is 1, 1/2 or 0.
    """
    batch, height, width, channels = x.shape
    if dense:
        along_h = _along_h(height, rows, x.dtype, x.device)  # (2*K1, 2*H)
        matrix = matrix_along_w(width, columns, mirrored, x.dtype, x.device)  # (2*K2, W)
        z = x.view(batch * height, width, channels)
        z = _product(matrix, z, width**-power)  # (B*H, 2*K2, C)
        z = z.view(batch, 2 * height, columns * channels)
        z = _product(along_h, z, height**-power)  # (B, 2*K1, K2*C)
        return z.view(batch, 2, rows, columns, channels)
    spectrum = rfft2_modes(x.float(), rows, columns, 'forward')
    parts = torch.view_as_real(spectrum).permute(0, 4, 1, 2, 3)
    scale = (height * width) ** (1 - power)
    if mirrored:
        scale = scale * _multiplicity(width, columns, x.device)
    z = x.new_empty(batch, 2, rows, columns, channels)
    return z.copy_(parts if power == 1 and not mirrored else parts * scale)


def synthesise(
    z: Tensor,
    grid: Sequence[int],
    dense: bool,
    power: float,
    mirrored: bool = False,
    add: Tensor | None = None,
    along_w: Callable[..., Tensor] | None = None,
) -> Tensor:
    """Compute ``A^T z``, or ``A^T D z`` if ``mirrored``, divided by ``(H W)**power``. Add ``add``.

    A planar spectrum ``z`` becomes tokens of the size ``grid``, ``(H, W)``. ``dense`` and ``power``
    are as in :func:`analyse`. ``add`` holds tokens ``(B, H, W, C)``, in the dtype of ``z`` or a
    wider one. The result has the dtype of ``add``, or of ``z`` without ``add``. ``along_w`` is a
    function for the dense step along W, called with its input ``(B*H, 2*K2, C)``, the width,
    ``mirrored``, a scale, and ``add (B*H, W, C)``. By default it is a matrix product of PyTorch.
    """
    batch, _, rows, columns, channels = z.shape
    height, width = grid
    dtype = z.dtype if add is None else add.dtype
    if dense:
        along_h = _along_h(height, rows, z.dtype, z.device)
        y = z.view(batch, 2 * rows, columns * channels)
        y = _product(along_h.t(), y, height**-power)  # (B, 2*H, K2*C)
        y = y.view(batch * height, 2 * columns, channels)
        addend = None  # The product adds it if the dtypes agree.
        if add is not None and add.dtype == z.dtype:
            addend, add = add.view(batch * height, width, channels), None
        if along_w is None:
            matrix = matrix_along_w(width, columns, mirrored, z.dtype, z.device)
            y = _product(matrix.t(), y, width**-power, addend)
        else:
            y = along_w(y, width, mirrored, width**-power, addend)
        y = y.view(batch, height, width, channels)
        return y if add is None else add + y
    spectrum = torch.complex(z[:, 0].float(), z[:, 1].float())
    if not mirrored:
        spectrum *= 1 / _multiplicity(width, columns, z.device)
    y = irfft2(spectrum, grid, 'forward')
    if power:
        y = y * (height * width) ** -power
    return (y if add is None else add + y).to(dtype).contiguous()


def _product(matrix, x, scale, add=None):
    """Return ``scale * matrix @ x (+ add)`` for every ``x`` of a batch."""
    matrix = matrix.expand(len(x), *matrix.shape)
    if add is None:
        return torch.baddbmm(x.new_empty(()), matrix, x, beta=0, alpha=scale)
    return torch.baddbmm(add, matrix, x, alpha=scale)


@cached
def _along_h(size, rows, dtype, device):
    """Return the factor of A along H, ``(2*K1, 2*H)``: inputs are (real, imaginary) pairs."""
    return real_dft.row_matrix(*_waves(real_dft.signed(rows, 'cpu'), size)).to(device, dtype)


@cached
def matrix_along_w(
    size: int, columns: int, mirrored: bool, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """Return the factor of A (or D A) along W, ``(2*K2, W)``."""
    cos, sin = _waves(torch.arange(columns, device='cpu'), size)
    if mirrored:
        multiplicity = _multiplicity(size, columns, 'cpu').double()
        cos, sin = cos * multiplicity, sin * multiplicity
    return real_dft.column_matrix(cos, sin).to(device, dtype)


def _waves(frequencies, size):
    """Return cosines and sines, ``(frequencies, size)``."""
    steps = real_dft.phases(frequencies, torch.arange(size, device='cpu'), size)
    angles = steps.float() * (2 * math.pi / size)
    return angles.cos(), angles.sin()


@cached
def _multiplicity(width, columns, device):
    """Return the diagonal of D, ``(K2, 1)``."""
    column = torch.arange(columns, device='cpu')
    dc_or_nyquist = (column == 0) | (2 * column == width)
    return torch.where(dc_or_nyquist, 1.0, 2.0)[:, None].to(device)
