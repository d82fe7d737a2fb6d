"""Fourier transforms as products with real matrices, made for any size inside a program.

An exported or traced program takes grids of any size, and its runtime may have no complex type and
no FFT. So these transforms make their matrices from ``arange`` while the program runs. Phases are
integers modulo the size, so large grids stay accurate in float32. The products take about
``6 (N + 2)`` operations per token and channel on an N x N grid. Smaller matrices, as in an FFT,
would need the divisors of N at export, and do not help at prime sizes.

Spectra are planar, ``(B, 2, K1, K2, C)``: real parts, then imaginary parts.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from .spectral import highest_frequencies

# The forward transform divides by ``(H W)**power``, the inverse by ``(H W)**(1 - power)``.
FORWARD_POWERS = {'ortho': 0.5, 'forward': 1.0, 'backward': 0.0}


def signed(count: int, device: torch.device | str | None = None) -> Tensor:
    """Return the frequencies or offsets 0, 1, .., -1 in FFT order, ``(count,)``."""
    index = torch.arange(count, device=device)
    return torch.where(index < (count + 1) // 2, index, index - count)


def frequencies(
    grid: Sequence[int], mode_fraction: float = 1.0, device: torch.device | str | None = None
) -> tuple[Tensor, Tensor]:
    """Return the row and column frequencies to keep of a grid, ``(K1,)`` and ``(K2,)``.

    With truncation there are two more rows and one more column. They are off the grid and count as
    zero. Otherwise an axis could have one frequency, and exporters would make its size constant.
    """
    if mode_fraction == 1:
        return signed(grid[0], device), torch.arange(grid[1] // 2 + 1, device=device)
    highest = highest_frequencies(grid, mode_fraction)
    kept = signed(2 * highest[0] + 3, device), torch.arange(highest[1] + 2, device=device)
    rows, columns = (
        torch.where(index.abs() <= top, index, _tensor(size, index))
        for index, top, size in zip(kept, highest, grid)
    )
    return rows, columns


def phases(frequencies: Tensor, positions: Tensor, size: int) -> Tensor:
    """Return ``frequency * position mod size`` as integers, ``(frequencies, positions)``."""
    return frequencies[:, None] * positions % _tensor(size, positions)


def row_matrix(cos: Tensor, sin: Tensor) -> Tensor:
    """Return the DFT matrix of complex inputs (re, im), ``(2 * frequencies, positions * 2)``."""
    parts = torch.stack([cos, sin], -1), torch.stack([-sin, cos], -1)
    return torch.stack([part.flatten(1) for part in parts]).flatten(0, 1)


def column_matrix(cos: Tensor, sin: Tensor) -> Tensor:
    """Return the DFT matrix of real inputs, ``(2 * frequencies, positions)``."""
    return torch.stack([cos, -sin]).flatten(0, 1)


def analyse(
    x: Tensor, rows: Tensor, columns: Tensor, norm: str, grid: Sequence[int] | None = None
) -> Tensor:
    """Transform tokens ``(B, H, W, C)`` to a planar spectrum of given frequencies.

    ``rows (K1,)`` and ``columns (K2,)`` are integer frequencies. With ``grid``, ``x`` is a periodic
    kernel around its first token and is first padded with zeros or cropped to this size.
    """
    grid, power = grid or x.shape[1:3], FORWARD_POWERS[norm]
    (cos_h, sin_h), (cos_w, sin_w) = (
        _waves(frequencies, signed(old, x.device), new, power, x.dtype, crop=True)
        for frequencies, old, new in zip((rows, columns), x.shape[1:3], grid)
    )
    z = column_matrix(cos_w, sin_w) @ x  # (B, H, 2 * K2, C)
    z = z.unflatten(2, (2, -1)).flatten(1, 2).flatten(2)  # (B, H * 2, K2 * C)
    z = row_matrix(cos_h, sin_h) @ z  # (B, 2 * K1, K2 * C)
    return z.unflatten(2, (-1, x.shape[3])).unflatten(1, (2, -1))


def synthesise(z: Tensor, rows: Tensor, columns: Tensor, norm: str, grid: Sequence[int]) -> Tensor:
    """Transform the spectrum of :func:`analyse` back to real tokens of size ``grid``, as irfft2.

    Frequencies that the grid does not have count as zero.
    """
    power = 1 - FORWARD_POWERS[norm]
    (cos_h, sin_h), (cos_w, sin_w) = (
        _waves(frequencies, signed(size, z.device), size, power, z.dtype)
        for frequencies, size in zip((rows, columns), grid)
    )
    on_grid = _on_axis(rows, grid[0]).to(z.dtype)[:, None]
    y = row_matrix(cos_h * on_grid, sin_h * on_grid).t() @ z.flatten(1, 2).flatten(2)
    y = y.unflatten(2, (-1, z.shape[4])).unflatten(1, (-1, 2)).flatten(2, 3)  # (B, H, 2 * K2, C)
    # Every column except DC and Nyquist stands for two frequencies, +v and -v.
    width = _tensor(grid[1], columns)
    pairs = torch.where(2 * columns % width == 0, 1, 2) * (2 * columns <= width)
    pairs = pairs.to(z.dtype)[:, None]
    return column_matrix(cos_w * pairs, sin_w * pairs).t() @ y  # (B, H, W, C)


def real_form(real: Tensor, imag: Tensor) -> Tensor:
    """Return complex matrices ``(.., i, o)`` as real ``(.., 2i, 2o)``: first re, then im parts."""
    return torch.cat([torch.cat([real, imag], -1), torch.cat([-imag, real], -1)], -2)


def _waves(
    frequencies: Tensor,
    positions: Tensor,
    size: int,
    power: float,
    dtype: torch.dtype,
    crop: bool = False,
) -> tuple[Tensor, Tensor]:
    """Return cosines and sines over ``size**power``. With ``crop`` they are 0 outside the axis."""
    n = _tensor(size, positions).to(dtype)
    angles = phases(frequencies, positions, size).to(dtype) * (2 * math.pi) / n
    scale = n**-power * _on_axis(positions, size) if crop else n**-power
    return angles.cos() * scale, angles.sin() * scale


def _on_axis(signed_index: Tensor, size: int) -> Tensor:
    """Return which frequencies or offsets are in -(size // 2)..(size - 1) // 2."""
    n = _tensor(size, signed_index)
    return (2 * signed_index >= -n) & (2 * signed_index < n)


def _tensor(size: int, like: Tensor) -> Tensor:
    """Return a size as a tensor, because ONNX has no remainder by a symbolic number."""
    return torch.full_like(like[:1], size)
