"""Global filter network."""
import torch
from mmengine.logging import print_log
from torch import nn

from ..ops import FILTER_RESIZES, filter_grid, full_precision, irfft2, rfft2
from ..registry import MODELS
from .checks import check_choice, check_grid, whole_pair


@MODELS.register_module()
class GFN(nn.Module):
    """Global filter (Rao et al., 2021; a baseline of the AFNO paper).

    ``y = IRFFT2(K * RFFT2(x))``, a circular convolution of each channel with a kernel as
    large as ``grid_size``. Tokens may come on any grid: on another than ``grid_size`` the filter
    is resized in each forward pass (A.3), with gradients. In evaluation the resized filter of
    the latest grid is kept, at the cost of its memory. The transforms run in float32 (float64 for
    float64 tokens) under any autocast; the output has the dtype of ``x``.

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
            0.02 * torch.randn(height, width // 2 + 1, embed_dims, 2))
        self._kept = None
        self.register_load_state_dict_pre_hook(_resize_loaded_filter)

    def forward(self, x):
        check_grid(x, self.embed_dims)
        with full_precision(x) as tokens:
            z = rfft2(tokens)  # (B, H, W//2+1, C)
            z = z * torch.view_as_complex(self._filter(tuple(x.shape[1:3]), tokens.dtype))
            y = irfft2(z, x.shape[1:3])  # (B, H, W, C)
        return y.to(x.dtype)

    def _filter(self, grid, dtype):
        """The filter for a grid, ``(H, W//2+1, C, 2)``."""
        weight = self.complex_weight
        if grid == self.grid_size:
            return weight.to(dtype)
        needs_grad = torch.is_grad_enabled() and weight.requires_grad
        if self.training or needs_grad or weight.is_inference() or torch.compiler.is_compiling():
            return self._resized(weight, grid, dtype)
        key = grid, dtype, weight._version
        if self._kept is None or self._kept[0] is not weight or self._kept[1] != key:
            # A tensor of inference mode could not take part in a later training.
            with torch.inference_mode(False), torch.no_grad():
                self._kept = weight, key, self._resized(weight, grid, dtype)
        return self._kept[2]

    def _resized(self, weight, grid, dtype):
        return FILTER_RESIZES[self.resize](weight.to(dtype), self.grid_size, grid)

    def train(self, mode=True):
        # Writes through .data, as by MMEngine's EMAHook, leave no trace, but eval() follows them.
        self._kept = None
        return super().train(mode)

    def _apply(self, *args, **kwargs):
        self._kept = None  # another device or dtype, and perhaps back again
        return super()._apply(*args, **kwargs)

    def __getstate__(self):
        return {**self.__dict__, '_kept': None}

    def extra_repr(self):
        return (f'embed_dims={self.embed_dims}, grid_size={self.grid_size}, '
                f'resize={self.resize!r}')


def _resize_loaded_filter(module, state_dict, prefix, *args):
    """Bring a filter of another grid to the module's; other shapes are left to fail."""
    key = f'{prefix}complex_weight'
    loaded, own = state_dict.get(key), module.complex_weight
    if (loaded is None or loaded.ndim != 4 or loaded.shape[2:] != own.shape[2:]
            or loaded.shape == own.shape):
        return
    grid = filter_grid(loaded)
    with full_precision(loaded.detach()) as weight:
        resized = FILTER_RESIZES[module.resize](weight, grid, module.grid_size)
    state_dict[key] = resized.to(loaded.dtype)
    print_log(f'{key}: filter of grid {grid} resized to {module.grid_size} ({module.resize})',
              logger='current')
