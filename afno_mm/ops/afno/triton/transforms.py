"""Real 2-D Fourier transforms between tokens and planar spectra, and their adjoints.

A planar spectrum is real ``(B, 2, K1, K2, C)``, real and imaginary parts of the frequencies of
:mod:`afno_mm.ops.spectral` in the same order, so that no complex type is involved.

With A the transform of both axes as a real matrix, A^T sums the waves of a spectrum up. Each
column of half a spectrum stands for two frequencies, save those that are their own mirror
image, 0 and Nyquist: D holds these counts, 2 or 1. The inverse transform is A^T D and
its adjoint D A. So two functions do for a transform, its inverse, and the gradients of both.
A^T reads of columns 0 and Nyquist what is Hermitian, as it should.
"""

import functools
import math

import torch

from ...spectral import irfft2, rfft2_modes

# Up to this many operations per token and channel, matrix products are taken to beat an FFT,
# whose time is that of its passes over float32 memory. 6 (N + 2) on a full N x N grid, so all of
# the frequencies of 256 x 256 by tensor cores, of 64 x 64 without. From the peak rates of an
# A100 and an H200, not from measurements.
DENSE_OPERATIONS = {'tensor cores': 6 * (256 + 2), 'exact': 6 * (64 + 2)}


def is_dense(grid, rows, columns, exact):
    """Whether ``rows x columns`` frequencies of a grid are had by matrix products.

    ``exact`` says that products are of float32 without tensor cores.
    """
    operations = 4 * columns + 8 * rows * columns / grid[1]
    return operations <= DENSE_OPERATIONS['exact' if exact else 'tensor cores']


def analyse(x, rows, columns, dtype, dense, power, mirrored=False):
    """``A x`` or, if ``mirrored``, ``D A x``, divided by ``(H W)**power``.

    Args:
        x (Tensor): Contiguous ``(B, H, W, C)``.
        rows (int), columns (int): K1 and K2.
        dtype (torch.dtype): Of the result, and of all steps if ``dense``.
        dense (bool): Whether by matrix products. By FFT, in float32, otherwise.
        power (float): 1, 1/2 or 0.
        mirrored (bool): Whether to count columns with their mirror images.

    Returns:
        Tensor: Contiguous ``(B, 2, K1, K2, C)``.
    """
    batch, height, width, channels = x.shape
    if dense:
        down, across = _matrices(height, width, rows, columns, mirrored, dtype, x.device)
        z = x.to(dtype).view(batch * height, width, channels)
        z = _product(across, z, width**-power)  # (B*H, 2*K2, C)
        z = z.view(batch, 2 * height, columns * channels)
        z = _product(down, z, height**-power)  # (B, 2*K1, K2*C)
        return z.view(batch, 2, rows, columns, channels)
    spectrum = rfft2_modes(x.float(), rows, columns, 'forward')
    parts = torch.view_as_real(spectrum).permute(0, 4, 1, 2, 3)
    scale = (height * width) ** (1 - power)
    if mirrored:
        scale = scale * _counts(width, columns, x.device)
    z = torch.empty(batch, 2, rows, columns, channels, dtype=dtype, device=x.device)
    return z.copy_(parts if power == 1 and not mirrored else parts * scale)


def synthesise(z, grid, dense, power, mirrored=False, add=None):
    """``A^T z`` or, if ``mirrored``, ``A^T D z``, divided by ``(H W)**power``; and ``+ add``.

    Args:
        z (Tensor): Contiguous ``(B, 2, K1, K2, C)``.
        grid (tuple[int, int]): ``(H, W)``.
        dense, power, mirrored: As in :func:`analyse`.
        add (Tensor, optional): ``(B, H, W, C)`` to add, of any dtype.

    Returns:
        Tensor: ``(B, H, W, C)``, of the dtype of ``add`` or else of ``z``.
    """
    batch, _, rows, columns, channels = z.shape
    height, width = grid
    dtype = z.dtype if add is None else add.dtype
    if dense:
        down, across = _matrices(height, width, rows, columns, mirrored, z.dtype, z.device)
        y = z.view(batch, 2 * rows, columns * channels)
        y = _product(down.t(), y, height**-power)  # (B, 2*H, K2*C)
        y = y.view(batch * height, 2 * columns, channels)
        rides = add is not None and add.dtype == z.dtype
        y = _product(
            across.t(),
            y,
            width**-power,
            add.view(batch * height, width, channels) if rides else None,
        )
        y = y.view(batch, height, width, channels)
        return y if rides or add is None else add + y
    spectrum = torch.complex(z[:, 0].float(), z[:, 1].float())
    if not mirrored:
        spectrum *= 1 / _counts(width, columns, z.device)
    y = irfft2(spectrum, grid, 'forward')
    if power:
        y = y * (height * width) ** -power
    return (y if add is None else add + y).to(dtype).contiguous()


def _product(matrix, x, scale, add=None):
    """``scale * matrix @ x (+ add)`` for every ``x`` of a batch."""
    matrix = matrix.expand(len(x), *matrix.shape)
    if add is None:
        return torch.baddbmm(x.new_empty(()), matrix, x, beta=0, alpha=scale)
    return torch.baddbmm(add, matrix, x, alpha=scale)


def _matrices(height, width, rows, columns, mirrored, dtype, device):
    """A for rows, ``(2*K1, 2*H)``, the parts of a row side by side; for columns, ``(2*K2, W)``."""
    return (_down(height, rows, dtype, device), _across(width, columns, mirrored, dtype, device))


@functools.lru_cache(maxsize=64)
@torch.inference_mode(False)  # Inference tensors would break training later.
def _down(size, rows, dtype, device):
    row = torch.arange(rows)
    cos, sin = _waves(torch.where(row < (rows + 1) // 2, row, row - rows), size)
    matrix = torch.stack([torch.stack([cos, sin], -1), torch.stack([-sin, cos], -1)])
    return matrix.view(2 * rows, 2 * size).to(device, dtype)


@functools.lru_cache(maxsize=64)
@torch.inference_mode(False)
def _across(size, columns, mirrored, dtype, device):
    cos, sin = _waves(torch.arange(columns), size)
    matrix = torch.stack([cos, -sin])
    if mirrored:
        matrix = matrix * _counts(size, columns, 'cpu').double()
    return matrix.view(2 * columns, size).to(device, dtype)


def _waves(frequencies, size):
    """Cosine and sine in float64, ``(frequencies, size)``."""
    steps = frequencies[:, None] * torch.arange(size) % size
    angles = steps * (2 * math.pi / size)
    return angles.cos(), angles.sin()


@functools.lru_cache(maxsize=64)
@torch.inference_mode(False)
def _counts(width, columns, device):
    """The diagonal of D, ``(K2, 1)``."""
    column = torch.arange(columns)
    own_mirror = (column == 0) | (2 * column == width)
    return torch.where(own_mirror, 1.0, 2.0)[:, None].to(device)
