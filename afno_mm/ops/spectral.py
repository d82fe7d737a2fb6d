"""Real 2-D Fourier transforms of token grids, truncated to low frequencies.

They are steps (1) and (3) of Sec. 3.2 of the AFNO paper. The half spectrum of ``(B, H, W, C)`` is
``(B, K1, K2, C)``: ``K1`` row frequencies in FFT order (0, 1, .., -1; an odd ``K1`` has one more
non-negative than negative frequency) and the column frequencies 0..K2-1. Column 0 is the DC column
and, if W is even, column W/2 the Nyquist column.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from .exporting import is_exported

NORMS = ('ortho', 'forward')
# The norm of the adjoint: it divides by the number of tokens if the transform does.
ADJOINT_NORMS = {'ortho': 'ortho', 'forward': 'backward', 'backward': 'forward'}


def kept_modes(grid: Sequence[int], mode_fraction: float) -> tuple[int, int]:
    """Return how many frequencies ``(K1, K2)`` truncation keeps on each axis.

    An axis of n tokens has the frequencies 0..n//2 and their negatives. ``mode_fraction`` is the
    share of 0..n//2 below the cut, in (0, 1]. 0.5 on both axes is the paper's '25 %' of the modes,
    32/56 its '35 %' (A.6). K1 counts positive and negative frequencies, K2 only 0 and positive.
    """
    m, n = highest_frequencies(grid, mode_fraction)
    # Fake implementations of custom operators need torch.sym_min for symbolic sizes. Under dynamo
    # use min: dynamo of torch 2.6 takes torch.sym_min only of symbols.
    smaller: Any = min if torch.compiler.is_dynamo_compiling() else torch.sym_min
    return smaller(2 * m + 1, grid[0]), n + 1


def highest_frequencies(grid: Sequence[int], mode_fraction: float) -> tuple[int, int]:
    """Return the highest frequency ``(m, n)`` that truncation keeps on each axis.

    Compilers and exporters use symbols for sizes. A product of a symbol and a float would become a
    constant, so this multiplies by an integer p, with ``mode_fraction = p / q``.
    """
    if mode_fraction == 1:
        return grid[0] // 2, grid[1] // 2
    # range(p).stop is p, and torch.compile then takes p as a constant, also if layers have
    # different mode_fractions. Autograd functions take no symbols that come from floats.
    p, q = range(round(mode_fraction * 2**48)).stop, 2**48
    almost = round(1e-9 * q)  # computes int(mode_fraction * n + 1e-9)
    m, n = ((p * (size // 2) + almost) // q for size in grid)
    return m, n


def rfft2(x: Tensor, mode_fraction: float = 1.0, norm: str = 'ortho') -> Tensor:
    """Return the low frequencies ``(B, K1, K2, C)`` of a real grid ``(B, H, W, C)``.

    The grid is float32 or float64. ``mode_fraction`` is as in :func:`kept_modes`, ``norm`` as in
    :func:`torch.fft.rfft2`.
    """
    return rfft2_modes(x, *kept_modes(x.shape[1:3], mode_fraction), norm)


def rfft2_modes(x: Tensor, rows: int, columns: int, norm: str = 'ortho') -> Tensor:
    """Compute :func:`rfft2` for given numbers of modes, ``K1 = rows`` and ``K2 = columns``."""
    return _apply(_RealToModes, x, rows, columns, norm, 1.0)


def irfft2(z: Tensor, grid: Sequence[int], norm: str = 'ortho') -> Tensor:
    """Return the real grid of a half spectrum. Truncated frequencies count as zero.

    Only the Hermitian-symmetric part of the DC and Nyquist columns reaches the result. CPU FFTs
    do the same, but cuFFT's result is undefined if these columns are not Hermitian-symmetric
    (pytorch#154496). So this function symmetrises them on all devices.

    Args:
        z: Complex ``(B, K1, K2, C)``, laid out as :func:`rfft2` does.
        grid: Size ``(H, W)`` of the result, which is real ``(B, H, W, C)``.
        norm: Scaling, as in :func:`torch.fft.irfft2`.
    """
    return _apply(_ModesToReal, z, tuple(grid), norm, 1.0)


def _apply(transform, *inputs):
    if is_exported() or forward_ad._current_level >= 0:
        return transform.forward(*inputs)  # Exports and forward mode need plain operators.
    return transform.apply(*inputs)


class _RealToModes(torch.autograd.Function):
    """rfft2. All columns except DC and Nyquist are multiplied by ``weight``.

    In a half spectrum these columns stand for two frequencies each, +v and -v, and irfft2 sums
    both. So the adjoint of rfft2 is irfft2 with weight 1/2, and the adjoint of irfft2 is rfft2 with
    weight 2. Autograd's own formula is a complex FFT of all frequencies, which takes longer.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x, rows, columns, norm, weight):
        if x.numel() == 0:  # MKL refuses empty tensors.
            return torch.view_as_complex(x.new_zeros(x.shape[0], rows, columns, x.shape[3], 2))
        # Transform along W first: the FFT along H then runs on the kept columns only.
        z = torch.fft.rfft(_without_zero_strides(x), dim=2, norm=norm)[:, :, :columns]
        z = torch.fft.fft(z, dim=1, norm=norm)
        if rows < z.shape[1]:
            z = torch.cat([z[:, : (rows + 1) // 2], z[:, z.shape[1] - rows // 2 :]], dim=1)
        return _weight_pairs(z, x.shape[2], weight)  # (B, K1, K2, C)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, _, _, norm, weight = inputs
        ctx.adjoint = x.shape[1:3], ADJOINT_NORMS[norm], weight / 2

    @staticmethod
    def backward(ctx, grad_output):
        return _ModesToReal.apply(grad_output, *ctx.adjoint), None, None, None, None


class _ModesToReal(torch.autograd.Function):
    """irfft2. All columns except DC and Nyquist are first multiplied by ``weight``."""

    generate_vmap_rule = True

    @staticmethod
    def forward(z, grid, norm, weight):
        height, width = grid
        if z.numel() == 0:  # MKL refuses empty tensors.
            return z.real.new_zeros(z.shape[0], height, width, z.shape[3])
        kept = z.shape[1]
        if kept < height:
            gap = z.new_zeros(z.shape[0], height - kept, *z.shape[2:])
            z = torch.cat([z[:, : (kept + 1) // 2], gap, z[:, (kept + 1) // 2 :]], dim=1)
        z = torch.fft.ifft(_without_zero_strides(z), dim=1, norm=norm)
        z = _weight_pairs(z, width, weight)
        # After the inverse FFT along H, a Hermitian-symmetric column is real. So drop the imaginary
        # part of DC and of the last column if it is Nyquist (else DC again: no branch on a size).
        last = z.shape[2] - 1
        for column in (0, last * (2 * last // width)):
            z.narrow(2, column, 1).imag.zero_()
        # irfft pads the truncated columns with zeros.
        return torch.fft.irfft(z, width, dim=2, norm=norm)  # (B, H, W, C)

    @staticmethod
    def setup_context(ctx, inputs, output):
        z, _, norm, weight = inputs
        ctx.adjoint = *z.shape[1:3], ADJOINT_NORMS[norm], 2 * weight

    @staticmethod
    def backward(ctx, grad_output):
        return _RealToModes.apply(grad_output, *ctx.adjoint), None, None, None


def _without_zero_strides(x):
    """Copy an expanded tensor: CPU FFTs of torch 2.6 refuse strides of zero."""
    # torch.compile of torch 2.6 cannot trace stride().
    return x.contiguous() if torch.compiler.is_compiling() or 0 in x.stride() else x


def _weight_pairs(z, width, weight):
    """Multiply all columns except DC and Nyquist by ``weight``, in place."""
    if weight != 1:
        z[:, :, 1 : (width + 1) // 2] *= weight
    return z
