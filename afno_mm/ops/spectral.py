"""Real 2-D Fourier transforms of token grids, kept to low frequencies.

Steps (1) and (3) of the Fourier mixers (Sec. 3.2 of the AFNO paper). A grid is
``(B, H, W, C)``. Its spectrum is ``(B, K1, K2, C)``: ``K1`` row frequencies in FFT order
(0.., ..-1, one more of the first if ``K1`` is odd) and ``K2`` column frequencies 0..K2-1
of the half that a real signal needs.
"""

import torch
from torch.autograd import forward_ad

NORMS = ('ortho', 'forward')
# An adjoint divides by the number of tokens where its transform does.
ADJOINT_NORMS = {'ortho': 'ortho', 'forward': 'backward', 'backward': 'forward'}


def kept_modes(grid, mode_fraction):
    """How many frequencies are kept on each axis.

    An axis of n tokens has the frequencies 0..n//2; ``mode_fraction`` is the share of them below
    the cut. 0.5 on both axes is the paper's '25 %' of the modes, 32/56 its '35 %' (A.6).

    Args:
        grid (tuple[int, int]): ``(H, W)``.
        mode_fraction (float): In (0, 1].

    Returns:
        tuple[int, int]: ``(K1, K2)``; of the rows both signs count.
    """
    m, n = (int(mode_fraction * (size // 2) + 1e-9) for size in grid)
    return min(2 * m + 1, grid[0]), n + 1


def rfft2(x, mode_fraction=1.0, norm='ortho'):
    """Low frequencies of a real grid.

    Args:
        x (Tensor): Real ``(B, H, W, C)``, float32 or float64.
        mode_fraction (float): Share of the frequencies kept per axis, in (0, 1].
        norm (str): Scaling, as in :func:`torch.fft.rfft2`.

    Returns:
        Tensor: Complex ``(B, K1, K2, C)``.
    """
    return rfft2_modes(x, *kept_modes(x.shape[1:3], mode_fraction), norm)


def rfft2_modes(x, rows, columns, norm='ortho'):
    """As :func:`rfft2`, with the counts of modes to keep: ``K1 = rows``, ``K2 = columns``."""
    return _apply(_RealToModes, x, rows, columns, norm, 1.0)


def irfft2(z, grid, norm='ortho'):
    """The real grid of a low-frequency spectrum; dropped frequencies are zero.

    Of the columns that are their own mirror image, 0 and Nyquist, only the Hermitian part can
    reach a real signal. CPU FFTs take it silently, cuFFT leaves the result undefined
    (pytorch#154496); here all devices take it.

    Args:
        z (Tensor): Complex ``(B, K1, K2, C)``, laid out as by :func:`rfft2`.
        grid (tuple[int, int]): Size ``(H, W)`` of the result.
        norm (str): Scaling, as in :func:`torch.fft.irfft2`.

    Returns:
        Tensor: Real ``(B, H, W, C)``.
    """
    return _apply(_ModesToReal, z, tuple(grid), norm, 1.0)


def _apply(transform, *inputs):
    if torch.jit.is_tracing() or forward_ad._current_level >= 0:
        return transform.forward(*inputs)  # Traces hold, and tangents follow, plain operators.
    return transform.apply(*inputs)


class _RealToModes(torch.autograd.Function):
    """The transform with ``pairs`` times its columns other than 0 and Nyquist.

    Each of those stands for a pair of frequencies, +v and -v, which the inverse sums. So the
    adjoint is the inverse of half of them, and the inverse's adjoint the transform with twice
    of them. Autograd's own is a complex FFT of all frequencies.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x, rows, columns, norm, pairs):
        # Columns first: the transform along them then meets only those that are kept.
        z = torch.fft.rfft(x, dim=2, norm=norm)[:, :, :columns]
        z = torch.fft.fft(z, dim=1, norm=norm)
        if rows < z.shape[1]:
            z = torch.cat([z[:, : (rows + 1) // 2], z[:, z.shape[1] - rows // 2 :]], dim=1)
        return _scale_pairs(z, x.shape[2], pairs)  # (B, K1, K2, C)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, _, _, norm, pairs = inputs
        ctx.adjoint = x.shape[1:3], ADJOINT_NORMS[norm], pairs / 2

    @staticmethod
    def backward(ctx, grad):
        return _ModesToReal.apply(grad, *ctx.adjoint), None, None, None, None


class _ModesToReal(torch.autograd.Function):
    """The inverse of a spectrum with ``pairs`` times its columns other than 0 and Nyquist."""

    generate_vmap_rule = True

    @staticmethod
    def forward(z, grid, norm, pairs):
        height, width = grid
        kept = z.shape[1]
        if kept < height:
            gap = z.new_zeros(z.shape[0], height - kept, *z.shape[2:])
            z = torch.cat([z[:, : (kept + 1) // 2], gap, z[:, (kept + 1) // 2 :]], dim=1)
        z = _scale_pairs(torch.fft.ifft(z, dim=1, norm=norm), width, pairs)
        # An inverse along rows is real where they were Hermitian.
        z[:, :, :: width if width % 2 else width // 2].imag.zero_()
        # Columns beyond K2 are zero-filled by irfft itself.
        return torch.fft.irfft(z, width, dim=2, norm=norm)  # (B, H, W, C)

    @staticmethod
    def setup_context(ctx, inputs, output):
        z, _, norm, pairs = inputs
        ctx.adjoint = *z.shape[1:3], ADJOINT_NORMS[norm], 2 * pairs

    @staticmethod
    def backward(ctx, grad):
        return _RealToModes.apply(grad, *ctx.adjoint), None, None, None


def _scale_pairs(z, width, factor):
    """In place: the columns that are not their own mirror image, as 0 and Nyquist are."""
    if factor != 1:
        z[:, :, 1 : (width + 1) // 2] *= factor
    return z
