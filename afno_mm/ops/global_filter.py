"""GFN's learned filter on grids other than its own.

A filter is real ``(H, W//2+1, C, 2)``: the real and the imaginary part of what each
frequency of each channel is multiplied with, in the FFT's order of rows (0.., ..-1). It is the
DFT, without scaling, of the kernel of a circular convolution.
"""

import torch
import torch.nn.functional as F

from .spectral import irfft2, rfft2


def filter_grid(weight):
    """The grid ``(H, W)`` that a filter was made for.

    W = 2n and W = 2n + 1 give filters of one shape. W is taken as even, unless the odd one
    makes the grid square.
    """
    height, columns = weight.shape[:2]
    odd = 2 * columns - 1
    return height, odd if odd in (1, height) else odd - 1


def resize_bilinear(weight, grid, new_grid):
    """The stored array interpolated as an image, its corners kept (A.3 of the AFNO paper).

    Row i of the new array reads row ``i * (H - 1) / (H' - 1)`` of the old one in the FFT's
    order, where the same frequency would be at ``i * H / H'``. So row frequencies land
    beside their place, by up to a row at -1, and even a kernel of few tokens is changed.

    Args:
        weight (Tensor): Real ``(H, W//2+1, C, 2)``.
        grid (tuple[int, int]): ``(H, W)``.
        new_grid (tuple[int, int]): ``(H', W')``.

    Returns:
        Tensor: Real ``(H', W'//2+1, C, 2)``.
    """
    height, width = new_grid
    rows, columns = (
        _interpolation(old, new, weight) for old, new in zip(weight.shape, (height, width // 2 + 1))
    )
    weight = (rows @ weight.flatten(1)).unflatten(1, weight.shape[1:])  # (H', W//2+1, C, 2)
    weight = columns @ weight.permute(2, 1, 0, 3).flatten(2)  # (C, W'//2+1, H' * 2)
    return weight.unflatten(2, (height, 2)).permute(2, 1, 0, 3)


def _interpolation(old, new, like):
    """The matrix ``(new, old)`` that interpolates linearly between kept ends."""
    identity = torch.eye(old, dtype=like.dtype, device=like.device)[None]
    return F.interpolate(identity, size=new, mode='linear', align_corners=True)[0].T


def resize_exact(weight, grid, new_grid):
    """The same kernel on another grid: zeros around it, or its outer part cut off.

    The kernel lies around the origin, at offsets of -(n // 2)..(n - 1) // 2 tokens. If it is zero
    beyond those of the smaller grid, the convolution stays what it was, token for token.
    Arguments and result as in :func:`resize_bilinear`.
    """
    spectrum = torch.view_as_complex(weight.contiguous())[None]
    kernel = irfft2(spectrum, grid, 'backward')  # (1, H, W, C)
    padding = [0, 0]
    for old, new in zip(reversed(grid), reversed(new_grid)):
        before = new // 2 - old // 2
        padding += [before, new - old - before]
    kernel = F.pad(torch.fft.fftshift(kernel, dim=(1, 2)), padding)  # negative padding cuts
    kernel = torch.fft.ifftshift(kernel, dim=(1, 2))  # (1, H', W', C)
    return torch.view_as_real(rfft2(kernel, norm='backward')[0])


FILTER_RESIZES = {'bilinear': resize_bilinear, 'exact': resize_exact}
