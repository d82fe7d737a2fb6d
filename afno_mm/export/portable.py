"""Make OpenMMLab's modules exportable for images of any size.

Some upstream modules compare sizes in Python or turn them into constants. An exporter then freezes
the size, or the program is wrong at other sizes. During an export, the functions below replace the
methods listed in ``_forwards``: same parameters, same results.
"""

import contextlib
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@contextlib.contextmanager
def portable(model: nn.Module) -> Iterator[None]:
    """Replace methods of a model's modules inside a ``with``, so that it exports for any size."""
    from mmpretrain.models.backbones import swin_transformer, vision_transformer

    forwards, changed, hooks = _forwards(), [], []
    for module in model.modules():
        for kind, name, function in forwards:
            if isinstance(module, kind) and getattr(type(module), name) is getattr(kind, name):
                setattr(module, name, types.MethodType(function, module))
                changed.append((module, name))
        if isinstance(module, nn.Conv2d):
            # Channels-last strides would add comparisons of sizes to the program: remove them.
            hooks.append(module.register_forward_pre_hook(_contiguous))
    try:
        with (
            mock.patch.object(vision_transformer, 'resize_pos_embed', _resize_pos_embed),
            mock.patch.object(swin_transformer, 'resize_pos_embed', _resize_pos_embed),
        ):
            yield
    finally:
        for module, name in changed:
            delattr(module, name)
        for hook in hooks:
            hook.remove()


def _forwards() -> list[tuple[type, str, Callable]]:
    """Return tuples: upstream class, name of a method, function that replaces the method."""
    from mmcv.cnn.bricks import transformer as mmcv_transformer
    from mmpretrain.models.utils import attention as mmpretrain_attention
    from mmseg.models.backbones import swin as mmseg_swin
    from mmseg.models.backbones import vit as mmseg_vit
    from mmseg.models.utils import embed as mmseg_embed

    from ..backbones import SegViT

    return [
        (mmcv_transformer.AdaptivePadding, 'forward', _pad),
        (mmseg_embed.AdaptivePadding, 'forward', _pad),
        (mmpretrain_attention.ShiftWindowMSA, 'forward', _shifted_windows),
        (mmseg_swin.ShiftWindowMSA, 'forward', _shifted_windows),
        (mmseg_vit.VisionTransformer, '_pos_embeding', _embed_positions),
        (SegViT, '_pos_embeding', _embed_positions),
        (nn.MultiheadAttention, 'forward', _attend),
    ]


def _contiguous(module: nn.Module, inputs: tuple) -> tuple:
    return tuple(x.contiguous() if torch.is_tensor(x) else x for x in inputs)


def _pad(self: Any, x: Tensor) -> Tensor:
    """Pad images ``(B, C, H, W)`` so that kernels cover them, without a branch on the size."""
    settings = zip((2, 3), self.kernel_size, self.stride, self.dilation)
    for dim, kernel, stride, dilation in settings:
        size = x.shape[dim]
        end = ((size + stride - 1) // stride - 1) * stride + (kernel - 1) * dilation + 1
        if kernel < stride:  # Only then can the last kernel end inside the image.
            end = torch.sym_max(end, size)
        before = (end - size) // 2 if self.padding == 'same' else 0
        x = _take(x, dim, torch.arange(end, device=x.device) - before)
    return x


def _take(x: Tensor, dim: int, positions: Tensor) -> Tensor:
    """Index ``x`` on axis ``dim``. Positions outside the axis give zeros.

    ``F.pad`` would add a comparison of sizes to the program.
    """
    inside = (positions >= 0) & (positions < torch.full_like(positions[:1], x.shape[dim]))
    taken = x.index_select(dim, torch.where(inside, positions, 0))
    return taken * inside.to(x.dtype).reshape(-1, *[1] * (x.ndim - 1 - dim))


def _resize_pos_embed(
    pos_embed: Tensor,
    src_shape: Sequence[int],
    dst_shape: Sequence[int],
    mode: str = 'bicubic',
    num_extra_tokens: int = 1,
) -> Tensor:
    """Resize position embeddings ``(1, N, C)``, also if source and target grid are equal."""
    extra, tokens = pos_embed.tensor_split([num_extra_tokens], 1)
    image = tokens.unflatten(1, tuple(src_shape)).permute(0, 3, 1, 2).float()
    image = F.interpolate(image, size=tuple(dst_shape), mode=mode, align_corners=False)
    return torch.cat([extra, image.flatten(2).transpose(1, 2).to(extra.dtype)], dim=1)


def _embed_positions(self: Any, x: Tensor, hw_shape: Sequence[int], pos_embed: Tensor) -> Tensor:
    """Add position embeddings, resized to the grid without asking whether it is another one."""
    grid = tuple(size // self.patch_size for size in self.img_size)
    return self.drop_after_pos(
        x + _resize_pos_embed(pos_embed, grid, hw_shape, self.interpolate_mode)
    )


def _attend(
    self: Any, query: Tensor, key: Tensor, value: Tensor, **options: Any
) -> tuple[Tensor, None]:
    """Compute the attention of inputs ``(N, B, C)``, or ``(B, N, C)`` if ``batch_first``."""
    masks = [name for name in ('attn_mask', 'key_padding_mask') if options.get(name) is not None]
    if masks or not self._qkv_same_embed_dim:
        raise ValueError(f'cannot export attention with {masks or "kdim or vdim"}')
    biases = (None,) * 3 if self.in_proj_bias is None else self.in_proj_bias.chunk(3)
    heads = []
    for x, weight, bias in zip((query, key, value), self.in_proj_weight.chunk(3), biases):
        x = F.linear(x if self.batch_first else x.transpose(0, 1), weight, bias)
        heads.append(x.unflatten(2, (self.num_heads, -1)).transpose(1, 2))
    y = F.scaled_dot_product_attention(*heads)  # (B, heads, N, C / heads)
    y = self.out_proj(y.transpose(1, 2).flatten(2))
    return y if self.batch_first else y.transpose(0, 1), None


def _shifted_windows(self: Any, query: Tensor, hw_shape: Sequence[int]) -> Tensor:
    """Run Swin's shifted-window attention on tokens ``(B, H*W, C)``, without a branch on H, W."""
    size, (height, width) = self.window_size, hw_shape
    counts = [(n + size - 1) // size for n in hw_shape]
    axes = [torch.arange(count * size, device=query.device) for count in counts]
    ends = [torch.full_like(axis[:1], count * size) for axis, count in zip(axes, counts)]
    shift = torch.full_like(ends[0], self.shift_size)
    if not getattr(self, 'pad_small_map', True):
        # MMPretrain does not shift a map that is one window high or wide.
        shortest = torch.minimum(*(torch.full_like(shift, n) for n in hw_shape))
        shift = torch.where(shortest == size, 0, shift)
    x = query.unflatten(1, (height, width))
    for dim, (axis, end) in enumerate(zip(axes, ends), 1):
        x = _take(x, dim, (axis + shift) % end)  # pads and shifts
    mask = None
    if self.shift_size:
        # Number the regions of a shifted window 0, 1, 2 on each axis. The mask separates them.
        rows, columns = (
            (axis >= end - size).long() + (axis >= end - shift) for axis, end in zip(axes, ends)
        )
        regions = _windows((3 * rows[:, None] + columns)[None, :, :, None], counts, size)[..., 0]
        mask = (regions[:, None] != regions[:, :, None]) * -100.0  # (windows, size^2, size^2)
        mask = mask.to(x.dtype)
    y = self.w_msa(_windows(x, counts, size), mask=mask)
    y = y.unflatten(0, (-1, *counts)).unflatten(3, (size, size)).transpose(2, 3)
    y = y.flatten(3, 4).flatten(1, 2)  # (B, rows, columns, C)
    for dim, (n, end) in enumerate(zip(hw_shape, ends), 1):
        positions = torch.arange(n, device=y.device)
        y = y.index_select(dim, (positions + end - shift) % end)  # shifts back and crops
    return self.drop(y.flatten(1, 2))


def _windows(x: Tensor, counts: Sequence[int], size: int) -> Tensor:
    """Cut ``(B, H, W, C)`` into windows ``(B * windows, size^2, C)``."""
    rows, columns = counts
    x = x.unflatten(2, (columns, size)).unflatten(1, (rows, size))
    return x.transpose(2, 3).flatten(3, 4).flatten(0, 2)
