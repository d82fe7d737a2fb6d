"""Resize GFN's learned filter to another grid.

A filter is the unscaled DFT of a circular convolution kernel, stored as real ``(H, W//2+1, C, 2)``.
Real and imaginary parts are last, and the rows are in FFT order (0, 1, .., -1).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from . import real_dft
from .frequency_filter import multiply
from .spectral import irfft2, rfft2


def filter_grid(weight: Tensor) -> tuple[int, int]:
    """Return the grid ``(H, W)`` of a filter.

    Filters of W = 2n and W = 2n + 1 have the same shape. The result is the even W, unless it is 0
    or the odd W makes the grid square.
    """
    height, columns = weight.shape[:2]
    odd = 2 * columns - 1
    return height, odd if odd in (1, height) else odd - 1


def resize_bilinear(weight: Tensor, grid: tuple[int, int], new_grid: tuple[int, int]) -> Tensor:
    """Interpolate the stored array as an image with aligned corners (A.3 of the AFNO paper).

    Row i of the new array reads row ``i * (H - 1) / (H' - 1)`` of the old one, in FFT order, but
    the same frequency in cycles per token is at row ``i * H / H'``. So row frequencies shift, by up
    to one row of the smaller grid, and even a kernel of few tokens changes. The result is real
    ``(H', W'//2+1, C, 2)``.
    """
    height, width = new_grid
    rows, columns = (
        _interpolation(old, new, weight) for old, new in zip(weight.shape, (height, width // 2 + 1))
    )
    weight = (rows @ weight.flatten(1)).unflatten(1, weight.shape[1:])  # (H', W//2+1, C, 2)
    weight = columns @ weight.permute(2, 1, 0, 3).flatten(2)  # (C, W'//2+1, H' * 2)
    return weight.unflatten(2, (height, 2)).permute(2, 1, 0, 3)


def _interpolation(old: int, new: int, like: Tensor) -> Tensor:
    """Return the matrix ``(new, old)`` of linear interpolation with aligned ends."""
    steps = torch.arange(new, dtype=like.dtype, device=like.device) * (old - 1)
    # Exporters would take the size in F.interpolate for a constant.
    positions = steps / torch.full_like(steps[:1], new - 1).clamp(min=1)
    distance = positions[:, None] - torch.arange(old, device=like.device)
    return (1 - distance.abs()).clamp(min=0)


def resize_exact(weight: Tensor, grid: tuple[int, int], new_grid: tuple[int, int]) -> Tensor:
    """Pad the kernel with zeros, or crop it, to the new grid.

    The kernel is centred on the origin, at offsets of -(n // 2)..(n - 1) // 2 tokens. If it is zero
    outside the offsets of the smaller grid, the convolution does not change.
    """
    spectrum = torch.view_as_complex(weight.contiguous())[None]
    kernel = irfft2(spectrum, grid, 'backward')  # (1, H, W, C)
    padding = [0, 0]
    for old, new in zip(reversed(grid), reversed(new_grid)):
        before = new // 2 - old // 2
        padding += [before, new - old - before]
    kernel = F.pad(torch.fft.fftshift(kernel, dim=(1, 2)), padding)  # negative padding crops
    kernel = torch.fft.ifftshift(kernel, dim=(1, 2))  # (1, H', W', C)
    return torch.view_as_real(rfft2(kernel, norm='backward')[0])


def portable_filter(x: Tensor, weight: Tensor, grid: tuple[int, int], resize: str) -> Tensor:
    """Resize a filter to the grid of tokens ``(B, H, W, C)`` and apply it, by real products."""
    new_grid = x.shape[1], x.shape[2]
    frequencies = real_dft.frequencies(new_grid, device=x.device)
    if resize == 'exact':
        of_filter = real_dft.frequencies(grid, device=x.device)
        kernel = real_dft.synthesise(weight.movedim(3, 0)[None], *of_filter, 'backward', grid)
        weight = real_dft.analyse(kernel, *frequencies, 'backward', new_grid)[0]
    else:
        weight = resize_bilinear(weight, grid, new_grid).movedim(3, 0)  # (2, H, W//2+1, C)
    z = real_dft.analyse(x, *frequencies, 'ortho')
    z = multiply(weight.flatten(2), z.flatten(3)).view_as(z)
    return real_dft.synthesise(z, *frequencies, 'ortho', new_grid)


FILTER_RESIZES = {'bilinear': resize_bilinear, 'exact': resize_exact}
