"""Real 2-D Fourier transforms of token grids, kept to low frequencies.

Steps (1) and (3) of the Fourier mixers (Sec. 3.2 of the AFNO paper). A grid is
``(B, H, W, C)``. Its spectrum is ``(B, K1, K2, C)``: ``K1`` row frequencies in FFT order
(0.., ..-1, one more of the first if ``K1`` is odd) and ``K2`` column frequencies 0..K2-1
of the half that a real signal needs.
"""
import torch

NORMS = ('ortho', 'forward')


def highest_frequency(size, mode_fraction):
    """The highest frequency kept on an axis of ``size`` tokens.

    An axis has the frequencies 0..size//2; ``mode_fraction`` is the share of
    them below the cut. 0.5 on both axes is the paper's '25 %' of the modes,
    32/56 its '35 %' (A.6).
    """
    return int(mode_fraction * (size // 2) + 1e-9)


def rfft2(x, mode_fraction=1.0, norm='ortho'):
    """Low frequencies of a real grid.

    Args:
        x (Tensor): Real ``(B, H, W, C)``, float32 or float64.
        mode_fraction (float): Share of the frequencies kept per axis, in (0, 1].
        norm (str): Scaling, as in :func:`torch.fft.rfft2`.

    Returns:
        Tensor: Complex ``(B, K1, K2, C)``.
    """
    height, width = x.shape[1:3]
    m, n = highest_frequency(height, mode_fraction), highest_frequency(width, mode_fraction)
    return rfft2_modes(x, min(2 * m + 1, height), n + 1, norm)


def rfft2_modes(x, rows, columns, norm='ortho'):
    """As :func:`rfft2`, with the counts of modes to keep: ``K1 = rows``, ``K2 = columns``."""
    z = torch.fft.rfft2(x, dim=(1, 2), norm=norm)[:, :, :columns]
    if rows < z.shape[1]:
        z = torch.cat([z[:, :(rows + 1) // 2], z[:, z.shape[1] - rows // 2:]], dim=1)
    return z  # (B, K1, K2, C)


def irfft2(z, grid, norm='ortho'):
    """The real grid of a low-frequency spectrum; dropped frequencies are zero.

    Args:
        z (Tensor): Complex ``(B, K1, K2, C)``, laid out as by :func:`rfft2`.
        grid (tuple[int, int]): Size ``(H, W)`` of the result.
        norm (str): Scaling, as in :func:`torch.fft.irfft2`.

    Returns:
        Tensor: Real ``(B, H, W, C)``.
    """
    height, width = grid
    kept = z.shape[1]
    if kept % 2 == 0 and kept < height:
        z = _spread_rows(z, kept + 1)  # The lowest row frequency, -m, needs one for its mirror.
    z = _hermitian_columns(z, width)
    z = _spread_rows(z, height)
    # Columns beyond K2 are zero-filled by irfft2 itself.
    return torch.fft.irfft2(z, s=(height, width), dim=(1, 2), norm=norm)


def _spread_rows(z, height):
    """Zeros between the first and the negative row frequencies, ``height`` rows in all."""
    kept = z.shape[1]
    if kept == height:
        return z
    gap = z.new_zeros(z.shape[0], height - kept, *z.shape[2:])
    return torch.cat([z[:, :(kept + 1) // 2], gap, z[:, (kept + 1) // 2:]], dim=1)


def _hermitian_columns(z, width):
    """Make the columns that are their own mirror image, 0 and Nyquist, Hermitian.

    Only their Hermitian part can reach a real signal. CPU FFTs take it silently,
    cuFFT leaves the result undefined (pytorch#154496).
    """
    nyquist = width // 2 if width % 2 == 0 else width
    zero, interior, last = z[:, :, :1], z[:, :, 1:nyquist], z[:, :, nyquist:]
    return torch.cat([_hermitian_part(zero), interior, _hermitian_part(last)], dim=2)


def _hermitian_part(columns):
    mirrored = columns.flip(1).roll(1, dims=1)  # row frequency u -> -u
    # Not mirrored.conj(): custom operators in a compiled graph ignore its lazy bit.
    return (columns + torch.complex(mirrored.real, -mirrored.imag)) / 2
