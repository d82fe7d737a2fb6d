"""Global filter network."""

from typing import Any

import torch
from torch import Tensor, nn

from ..ops import (
    FILTER_RESIZES,
    autocast_off,
    filter_grid,
    full_precision,
    irfft2,
    is_exported,
    is_transformed,
    portable_filter,
    rfft2,
)
from ..registry import MODELS, print_log
from .checks import check_choice, check_grid, show_settings, whole_pair


@MODELS.register_module()
class GFN(nn.Module):
    """Global filter (Rao et al., 2021; a baseline of the AFNO paper).

    ``y = IRFFT2(K * RFFT2(x))`` with a learned filter K: a circular convolution of each channel
    with a kernel of size ``grid_size``. For tokens on another grid each forward pass resizes K
    (A.3), and gradients flow through the resizing. The transforms run in float32 (float64 for
    float64 tokens) under any autocast.

    The only parameter is that of the published layer, ``complex_weight (H, W//2+1, C, 2)`` with
    the real and imaginary part last, drawn from ``0.02 * N(0, 1)``. A checkpoint may hold a
    filter of another grid: it is resized when it is loaded, and a log line says so.
    :func:`afno_mm.ops.filter_grid` reads the grid from the shape.

    Args:
        grid_size: Grid (H, W) of the pre-training, for which the filter is made. At 224 pixels
            the stages of a MiT have 56, 28, 14 and 7 tokens per side.
        resize: How to resize the filter. 'bilinear' interpolates the stored array (A.3),
            'exact' keeps the kernel, see :mod:`afno_mm.ops.global_filter`.
    """

    def __init__(
        self, embed_dims: int, grid_size: int | tuple[int, int], resize: str = 'bilinear'
    ) -> None:
        super().__init__()
        check_choice('resize', resize, FILTER_RESIZES)
        self.embed_dims = embed_dims
        self.grid_size = height, width = whole_pair('grid_size', grid_size)
        self.resize = resize
        shape = height, width // 2 + 1, embed_dims, 2
        self.complex_weight = nn.Parameter(0.02 * torch.randn(shape))
        self.register_load_state_dict_pre_hook(_resize_loaded_filter)

    def forward(self, x: Tensor) -> Tensor:
        check_grid(x, self.embed_dims)
        grid = x.shape[1], x.shape[2]
        with autocast_off(x):
            tokens = full_precision(x)
            weight = self.complex_weight.to(tokens.dtype)
            if is_exported():
                settings = self.grid_size, self.resize
                return portable_filter(tokens, weight, *settings).to(x.dtype)
            if grid != self.grid_size:
                weight = FILTER_RESIZES[self.resize](weight, self.grid_size, grid)
            # Copy to the memory order of the spectrum: the product is several times as fast.
            weight = torch.view_as_complex(weight.permute(2, 1, 0, 3).contiguous())
            weight = weight.permute(2, 1, 0)[None]  # (1, H, W//2+1, C)
            z = rfft2(tokens)  # (B, H, W//2+1, C)
            # vmap refuses to multiply in place by one filter per model.
            in_place = not (torch.is_grad_enabled() or is_transformed())
            z = z.mul_(weight) if in_place else z * weight
            y = irfft2(z, grid)  # (B, H, W, C)
        return y.to(x.dtype)

    extra_repr = show_settings


def _resize_loaded_filter(module: GFN, state_dict: dict, prefix: str, *_: Any) -> None:
    """Resize a loaded filter of another grid. Leave other shapes alone: loading refuses them."""
    key = f'{prefix}complex_weight'
    loaded, own = state_dict.get(key), module.complex_weight
    if loaded is None or loaded.shape == own.shape or loaded.shape[2:] != own.shape[2:]:
        return
    grid = filter_grid(loaded)
    with autocast_off(loaded):
        weight = full_precision(loaded.detach())
        resized = FILTER_RESIZES[module.resize](weight, grid, module.grid_size)
    state_dict[key] = resized.to(loaded.dtype)
    change = f'{grid} resized to {module.grid_size} ({module.resize})'
    print_log(f'{key}: filter of grid {change}', logger='current')
