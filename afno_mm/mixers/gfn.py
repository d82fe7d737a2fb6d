"""Global filter network."""

import torch
from mmengine.logging import print_log
from torch import nn

from ..ops import FILTER_RESIZES, autocast_off, filter_grid, full_precision, irfft2, rfft2
from ..registry import MODELS
from .checks import check_choice, check_grid, whole_pair


@MODELS.register_module()
class GFN(nn.Module):
    """Global filter (Rao et al., 2021; a baseline of the AFNO paper).

    ``y = IRFFT2(K * RFFT2(x))``, a circular convolution of each channel with a kernel as
    large as ``grid_size``. Tokens may come on any grid: on another than ``grid_size`` the filter
    is resized in each forward pass (A.3), with gradients. The transforms run in float32 (float64
    for float64 tokens) under any autocast; the output has the dtype of ``x``.

    The one parameter is that of the published layer, ``complex_weight (H, W//2+1, C, 2)`` with
    real and imaginary part last, drawn from ``0.02 * N(0, 1)``. One of another grid in a
    checkpoint is resized as it is loaded, which is logged. Its grid is read off its shape, which
    fits W = 2n and W = 2n + 1: W is taken as even, unless the odd one makes the grid square.

    Args:
        embed_dims (int): Channels C (the paper's d).
        grid_size (int | tuple[int, int]): Grid of the pre-training (H, W), which sizes the
            filter: 56, 28, 14 and 7 for the stages of a MiT at 224 pixels.
        resize (str): How a filter gets to another grid. 'bilinear' interpolates the stored
            array (A.3), 'exact' keeps the kernel, see :mod:`afno_mm.ops.global_filter`.

    Raises:
        ValueError: If an argument is out of range, or tokens are not ``(B, H, W, C)``.
    """

    def __init__(self, embed_dims, grid_size, resize='bilinear'):
        super().__init__()
        check_choice('resize', resize, FILTER_RESIZES)
        self.embed_dims = embed_dims
        self.grid_size = height, width = whole_pair('grid_size', grid_size)
        self.resize = resize
        self.complex_weight = nn.Parameter(
            0.02 * torch.randn(height, width // 2 + 1, embed_dims, 2)
        )
        self.register_load_state_dict_pre_hook(_resize_loaded_filter)

    def forward(self, x):
        check_grid(x, self.embed_dims)
        grid = tuple(x.shape[1:3])
        with autocast_off(x):
            tokens = full_precision(x)
            weight = self.complex_weight.to(tokens.dtype)
            if grid != self.grid_size:
                weight = FILTER_RESIZES[self.resize](weight, self.grid_size, grid)
            # In the memory order that FFTs leave, where products are several times as fast.
            weight = torch.view_as_complex(weight.permute(2, 1, 0, 3).contiguous())
            weight = weight.permute(2, 1, 0)[None]  # (1, H, W//2+1, C)
            z = rfft2(tokens)  # (B, H, W//2+1, C)
            z = z * weight if torch.is_grad_enabled() else z.mul_(weight)
            y = irfft2(z, grid)  # (B, H, W, C)
        return y.to(x.dtype)

    def extra_repr(self):
        return f'embed_dims={self.embed_dims}, grid_size={self.grid_size}, resize={self.resize!r}'


def _resize_loaded_filter(module, state_dict, prefix, *args):
    """Bring a filter of another grid to the module's; other shapes are left to fail."""
    key = f'{prefix}complex_weight'
    loaded, own = state_dict.get(key), module.complex_weight
    if (
        loaded is None
        or loaded.ndim != 4
        or loaded.shape[2:] != own.shape[2:]
        or loaded.shape == own.shape
    ):
        return
    grid = filter_grid(loaded)
    with autocast_off(loaded):
        weight = full_precision(loaded.detach())
        resized = FILTER_RESIZES[module.resize](weight, grid, module.grid_size)
    state_dict[key] = resized.to(loaded.dtype)
    print_log(
        f'{key}: filter of grid {grid} resized to {module.grid_size} ({module.resize})',
        logger='current',
    )
