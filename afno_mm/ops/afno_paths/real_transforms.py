"""Two ways between real token grids and planar spectra; neither knows a gradient.

A spectrum is real, ``(2, M, C)``: real and imaginary parts, ``M`` frequencies, channels. The
order of the frequencies and the strides are what suits the transform. The frequencies
kept are those of :mod:`afno_mm.ops.spectral`.
"""
import functools
import math

import torch

from ..spectral import highest_frequency, irfft2, rfft2

# Measured on CPUs. Above so many multiplications per token an FFT is faster than products.
MOST_PRODUCTS = 300
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
    m, n = (highest_frequency(size, mode_fraction) for size in shape[1:3])
    rows, columns = min(2 * m + 1, shape[1]), n + 1
    products = 2 * columns + 4 * rows * columns / shape[2]  # per token and channel
    kind = _Products if products <= MOST_PRODUCTS else _Fft
    return kind(shape, rows, columns, mode_fraction, norm)


class _Transform:
    """From ``(B, H, W, C)`` to a spectrum and back."""

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
        return z[:, :, :, :1], z[:, :, :, (self.shape[2] + 1) // 2:]

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
    """Matrix products with the rows of the DFT that are kept. Frequencies before channels."""

    def empty(self, like, channels, size=None, dtype=None, parts=2):
        return like.new_empty(parts, size or self.size, channels, dtype=dtype)

    def single_columns(self, z):
        z = z.unflatten(1, (-1, self.columns))
        return z[:, :, :1], z[:, :, (self.shape[2] + 1) // 2:]

    def spectrum(self, x):
        batch, height, width, channels = self.shape
        along_w, along_h, _, _ = self._matrices(x)
        x = x.reshape(-1, width, channels)
        z = torch.bmm(along_w.expand(len(x), -1, -1), x)  # (B H, 2 K2, C)
        z = z.view(batch, 2 * height, -1)
        out = x.new_empty(2 * self.rows, batch, z.shape[2])
        torch.bmm(along_h.expand(batch, -1, -1), z, out=out.transpose(0, 1))
        return out.view(2, -1, channels)

    def grid(self, z, residual):
        batch, height, width, channels = self.shape
        _, _, along_h, along_w = self._matrices(z)
        z = z.view(2 * self.rows, batch, -1).transpose(0, 1)
        z = torch.bmm(along_h.expand(batch, -1, -1), z)  # (B, 2 H, K2 C)
        z = z.view(-1, 2 * self.columns, channels)
        along_w = along_w.expand(len(z), -1, -1)
        if residual is None:
            return torch.bmm(along_w, z).view(self.shape)
        return torch.baddbmm(residual.reshape(-1, width, channels), along_w, z).view(self.shape)

    def _matrices(self, like):
        return _matrices(*self.shape[1:3], self.rows, self.columns, self.norm, like.dtype,
                         like.device)


@functools.lru_cache(maxsize=64)
def _matrices(height, width, rows, columns, norm, dtype, device):
    """``(2 K2, W)``, ``(2 K1, 2 H)`` and, for the way back, ``(2 H, 2 K1)``, ``(W, 2 K2)``."""
    def angles(frequencies, size):
        turns = torch.outer(frequencies, torch.arange(size)) % size
        return turns.double() * (2 * math.pi / size)

    u, v = torch.arange(rows), torch.arange(columns)
    along_h = angles(u - rows * (u >= (rows + 1) // 2), height)
    cos, sin = along_h.cos(), along_h.sin()
    along_h = torch.stack([torch.stack([cos, sin], 2), torch.stack([-sin, cos], 2)])
    along_h = along_h.view(2 * rows, 2 * height)
    along_w = angles(v, width)
    along_w = torch.cat([along_w.cos(), -along_w.sin()])
    twice = torch.where((v > 0) & (2 * v != width), 2., 1.).double().repeat(2)
    back_w = along_w.t() * twice
    tokens = height * width
    along_w = along_w / (tokens if norm == 'forward' else math.sqrt(tokens))
    back_w = back_w / (1 if norm == 'forward' else math.sqrt(tokens))
    matrices = along_w, along_h, along_h.t(), back_w
    return [m.to(dtype).contiguous().to(device) for m in matrices]
