"""Two ways between real token grids and planar spectra; neither knows a gradient.

A spectrum is real, ``(2, M, C)``: real and imaginary parts, ``M`` frequencies, channels. The
order of the frequencies and the strides are what suits the transform. The frequencies
kept are those of :mod:`afno_mm.ops.spectral`.
"""

import functools
import math

import torch

from ..spectral import irfft2, kept_modes, rfft2

# Measured on CPUs. Above so many multiplications per token an FFT is faster than products.
MOST_PRODUCTS = 220
# Bytes of a tensor that a CPU's thread works on at a time, to stay in its cache and never to ask
# the system for fresh pages. Smaller ones gain nothing and have threads wait for each other.
PIECE = 2**21


def pieces(x, dim):
    """Slices of a dimension to work on in a CPU's cache; one slice on other devices."""
    size = x.shape[dim]
    step = size
    if x.device.type == 'cpu':
        step = max(1, PIECE * torch.get_num_threads() * size // x.nbytes)
    return [slice(i, min(i + step, size)) for i in range(0, size, step)]


def real_transform(shape, mode_fraction, norm):
    rows, columns = kept_modes(shape[1:3], mode_fraction)
    products = 2 * columns + 2 * rows * columns / shape[2]  # per token and channel
    kind = _Products if products <= MOST_PRODUCTS else _Fft
    return kind(shape, rows, columns, mode_fraction, norm)


class _Transform:
    """From ``(B, H, W, C)`` to a spectrum ``(2, M, C)`` and back.

    ``empty`` is memory for values of all or ``size`` frequencies, ``(parts, M, channels)``, in the
    order of the transform. ``spectrum`` and ``grid`` transform; the latter adds a ``residual``
    ``(B, H, W, C)``, or None. ``single_columns`` are views of the columns 0 and Nyquist.
    """

    def __init__(self, shape, rows, columns, mode_fraction, norm):
        self.shape, self.rows, self.columns = shape, rows, columns
        self.mode_fraction, self.norm = mode_fraction, norm
        self.size = shape[0] * rows * columns


class _Fft(_Transform):
    """FFTs, a few channels at a time.

    In memory channels come first, then images, columns, rows: rows last, as FFTs along them
    leave it.
    """

    def empty(self, like, channels, size=None, dtype=None, parts=2):
        return like.new_empty(parts, channels, size or self.size, dtype=dtype).transpose(1, 2)

    def single_columns(self, z):
        """The columns that stand for one frequency only: 0 and Nyquist."""
        z = self._grid(z)
        return z[:, :, :, :1], z[:, :, :, (self.shape[2] + 1) // 2 :]

    def spectrum(self, x):
        z = self.empty(x, self.shape[3])
        for c in pieces(x, 3):
            part = rfft2(x[..., c], self.mode_fraction, self.norm).permute(3, 0, 2, 1)
            real, imag = self._grid(z[:, :, c])
            real.copy_(part.real)
            imag.copy_(part.imag)
        return z

    def grid(self, z, residual):
        y = z.new_empty(self.shape)
        for c in pieces(y, 3):
            part = torch.complex(*self._grid(z[:, :, c])).permute(1, 3, 2, 0)
            y[..., c] = irfft2(part, self.shape[1:3], self.norm)
        return y if residual is None else y.add_(residual)

    def _grid(self, z):
        """``(2, C, B, K2, K1)``"""
        return z.transpose(1, 2).unflatten(2, (self.shape[0], self.columns, self.rows))


class _Products(_Transform):
    """Matrix products with the rows of the DFT that are kept. Frequencies before channels.

    The frequencies u and -u of an axis have the same cosines and opposite sines: one product with
    the waves of u >= 0 serves both. So rows are in the order 0, 1, .. and then -1, -2, ..
    """

    def __init__(self, *settings):
        super().__init__(*settings)
        self.above = self.rows // 2 + 1  # rows u >= 0
        self.paired = slice(1, self.rows - self.above + 1)  # those of them with a row -u

    def empty(self, like, channels, size=None, dtype=None, parts=2):
        return like.new_empty(parts, size or self.size, channels, dtype=dtype)

    def single_columns(self, z):
        z = z.unflatten(1, (-1, self.columns))
        return z[:, :, :1], z[:, :, (self.shape[2] + 1) // 2 :]

    def spectrum(self, x):
        batch, height, width, channels = self.shape
        along_w, along_h, _ = self._matrices(x)
        z = x.reshape(-1, width, channels)
        z = torch.bmm(along_w.expand(len(z), -1, -1), z)  # (B H, 2 K2, C)
        z = z.view(batch, height, -1)
        (real_cos, imag_cos), (real_sin, imag_sin) = self._sums(
            torch.bmm(along_h.expand(batch, -1, -1), z)
        )
        out = x.new_empty(2, self.rows, *real_cos.shape[1:])
        torch.add(real_cos, imag_sin, out=out[0, : self.above])
        torch.sub(imag_cos, real_sin, out=out[1, : self.above])
        paired = self.paired
        torch.sub(real_cos[paired], imag_sin[paired], out=out[0, self.above :])
        torch.add(imag_cos[paired], real_sin[paired], out=out[1, self.above :])
        return out.view(2, -1, channels)

    def grid(self, z, residual):
        batch, height, width, channels = self.shape
        _, along_h, along_w = self._matrices(z)
        z = z.view(2, self.rows, batch, -1)
        (real, imag), (real_below, imag_below) = z[:, : self.above], z[:, self.above :]
        sums = z.new_empty(batch, 4 * self.above, z.shape[3])
        (real_cos, imag_cos), (minus_imag_sin, real_sin) = self._sums(sums)
        paired = self.paired
        for wave, part, below, sign in (
            (real_cos, real, real_below, 1),
            (imag_cos, imag, imag_below, 1),
            (real_sin, real, real_below, -1),
            (minus_imag_sin, imag, imag_below, -1),
        ):
            wave.copy_(part)
            wave[paired].add_(below, alpha=sign)
        minus_imag_sin.neg_()
        z = sums.view(batch, 2 * self.above, -1)
        z = torch.bmm(along_h.t().expand(batch, -1, -1), z)  # (B, H, 2 K2 C)
        z = z.view(-1, 2 * self.columns, channels)
        along_w = along_w.expand(len(z), -1, -1)
        if residual is None:
            return torch.bmm(along_w, z).view(self.shape)
        return torch.baddbmm(residual.reshape(-1, width, channels), along_w, z).view(self.shape)

    def _sums(self, z):
        """``(2, 2, U, B, K2 C)``: with cosines or sines, of real or imaginary parts."""
        return z.view(self.shape[0], 2, self.above, 2, -1).permute(1, 3, 2, 0, 4)

    def _matrices(self, like):
        return _matrices(
            *self.shape[1:3], self.above, self.columns, self.norm, like.dtype, like.device
        )


@functools.lru_cache(maxsize=64)
def _matrices(height, width, above, columns, norm, dtype, device):
    """``(2 K2, W)``, ``(2 U, H)`` and, for the way back, ``(W, 2 K2)``."""

    def waves(count, size):
        turns = torch.outer(torch.arange(count), torch.arange(size)) % size
        angles = turns.double() * (2 * math.pi / size)
        return angles.cos(), angles.sin()

    along_h = torch.cat(waves(above, height))
    cos, sin = waves(columns, width)
    along_w = torch.cat([cos, -sin])
    v = torch.arange(columns)
    twice = torch.where((v > 0) & (2 * v != width), 2.0, 1.0).double().repeat(2)
    back_w = along_w.t() * twice
    tokens = height * width
    along_w = along_w / (tokens if norm == 'forward' else math.sqrt(tokens))
    back_w = back_w / (1 if norm == 'forward' else math.sqrt(tokens))
    return [m.to(dtype).contiguous().to(device) for m in (along_w, along_h, back_w)]
