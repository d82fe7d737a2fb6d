"""Softmax attention: over all tokens (SA), and with SegFormer's reduced keys and values (ESA)."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..ops import attention, gather_tokens, is_exported, window_tokens
from ..registry import MODELS
from .checks import check_divisor, check_dropout, check_grid, check_whole, show_settings

# Key prefixes in mmcv's MultiheadAttention, which MMSegmentation's ViT uses, and in SA.
MMCV_NAMES = {'attn.in_proj_': 'qkv.', 'attn.out_proj.': 'proj.'}


@MODELS.register_module()
class SA(nn.Module):
    """Multi-head self-attention over all H * W tokens (Definition 1 of the AFNO paper).

    Time grows with (H * W)^2 and memory with H * W, because fused kernels do not store the
    attention matrix. Training with ``attn_drop`` on CPUs stores it: PyTorch has no fused kernel.

    Parameters are those of MMPretrain's MultiheadAttention: ``qkv.weight (3C, C)``,
    ``qkv.bias (3C)``, ``proj.weight (C, C)``, ``proj.bias (C)``. The keys of mmcv and
    MMSegmentation (``attn.in_proj_weight`` and so on) load too. The mixer runs in the dtype of
    its parameters, or in autocast's.

    ``needs_grid = False`` tells backbones that they may pass any tokens, also a class token, as
    ``(B, 1, N, C)``. A mixer without this attribute gets only full grids.
    """

    needs_grid = False

    def __init__(
        self, embed_dims: int, num_heads: int, qkv_bias: bool = True, attn_drop: float = 0.0
    ) -> None:
        super().__init__()
        check_divisor('num_heads', num_heads, embed_dims)
        check_dropout('attn_drop', attn_drop)
        self.embed_dims = embed_dims
        self.num_heads = int(num_heads)
        self.attn_drop = attn_drop
        self.qkv = nn.Linear(embed_dims, 3 * embed_dims, bias=qkv_bias)
        self.proj = nn.Linear(embed_dims, embed_dims)
        self.register_load_state_dict_pre_hook(_rename_mmcv_keys)

    def forward(self, x: Tensor) -> Tensor:
        check_grid(x, self.embed_dims)
        tokens = x.flatten(1, 2).to(dtype_of(self, x))  # (B, N, C)
        q, k, v = self.qkv(tokens).chunk(3, dim=-1)
        y = _attend(q, k, v, self.num_heads, self.attn_drop if self.training else 0.0)
        return self.proj(y).unflatten(1, x.shape[1:3]).to(x.dtype)

    extra_repr = show_settings


def dtype_of(mixer: nn.Module, x: Tensor) -> torch.dtype:
    """Return the dtype of a mixer's parameters, or of ``x`` if it has none, as after quantisation.

    Layers may be wrapped, for instance by LoRA, and then have no ``weight`` of their own.
    """
    for parameter in mixer.parameters():  # torch 2.6 compiles no next() with a default
        return parameter.dtype
    return x.dtype


@MODELS.register_module()
class ESA(nn.Module):
    """SegFormer's efficient self-attention: keys and values from a reduced grid.

    A convolution with kernel and stride R, then a LayerNorm, leave (H // R) * (W // R) keys
    and values (Sec. 3.1 of https://arxiv.org/abs/2105.15203). Rows and columns that do not
    fill a window are dropped, as in MMSegmentation. A grid smaller than one window, which
    MMSegmentation refuses, is padded with zeros.

    Parameters and results are those of MMSegmentation's EfficientMultiheadAttention without
    its skip. Memory and dtype are as in :class:`SA`.

    Args:
        sr_ratio: Reduction R of each axis. 1 is full attention, without convolution and norm.
        qkv_bias: Whether all projections, including the last one, have a bias.
    """

    def __init__(
        self,
        embed_dims: int,
        num_heads: int,
        sr_ratio: int,
        qkv_bias: bool = True,
        attn_drop: float = 0.0,
        norm_eps: float = 1e-6,
    ) -> None:
        super().__init__()
        check_divisor('num_heads', num_heads, embed_dims)
        check_whole('sr_ratio', sr_ratio)
        check_dropout('attn_drop', attn_drop)
        self.embed_dims = embed_dims
        self.num_heads = int(num_heads)
        self.sr_ratio = int(sr_ratio)
        self.attn_drop = attn_drop
        # Use only the parameters of this module: its forward would transpose to (N, B, C) and back.
        self.attn = nn.MultiheadAttention(embed_dims, self.num_heads, attn_drop, bias=qkv_bias)
        if self.sr_ratio > 1:
            self.sr = nn.Conv2d(embed_dims, embed_dims, self.sr_ratio, self.sr_ratio)
            self.norm = nn.LayerNorm(embed_dims, norm_eps)

    def forward(self, x: Tensor) -> Tensor:
        check_grid(x, self.embed_dims)
        attn, sizes = self.attn, [self.embed_dims, 2 * self.embed_dims]
        w_q, w_kv = attn.in_proj_weight.split(sizes)
        b_q, b_kv = (None, None) if attn.in_proj_bias is None else attn.in_proj_bias.split(sizes)
        grid = x.to(w_q.dtype)
        q = F.linear(grid.flatten(1, 2), w_q, b_q)  # (B, N, C)
        mask = None
        if self.sr_ratio > 1 and is_exported() and not all(type(n) is int for n in x.shape[1:3]):
            grid, mask = self._reduce_any(grid)
        else:
            grid = self._reduce(grid)
        k, v = F.linear(grid, w_kv, b_kv).chunk(2, dim=-1)  # (B, M, C)
        y = _attend(q, k, v, self.num_heads, self.attn_drop if self.training else 0.0, mask)
        return attn.out_proj(y).unflatten(1, x.shape[1:3]).to(x.dtype)

    def _reduce(self, grid: Tensor) -> Tensor:
        """Reduce a grid ``(B, H, W, C)`` to the tokens ``(B, M, C)`` of the keys and values."""
        if self.sr_ratio == 1:
            return grid.flatten(1, 2)
        below, right = (max(self.sr_ratio - size, 0) for size in grid.shape[1:3])
        if below or right:
            grid = F.pad(grid, (0, 0, 0, right, 0, below))
        windows = self.sr(grid.permute(0, 3, 1, 2))  # (B, C, H // R, W // R)
        return self.norm(windows.flatten(2).transpose(1, 2))

    def _reduce_any(self, grid: Tensor) -> tuple[Tensor, Tensor]:
        """Compute :meth:`_reduce` in an export, for a grid of symbolic size.

        Returns:
            Tokens ``(B, M, C)``, and a mask ``(1, M)`` that is False for tokens to ignore.
        """
        row, column = window_tokens(grid.shape[1:3], self.sr_ratio, 0, grid.device)
        tokens, in_grid = gather_tokens(grid, row, column)
        tokens = tokens * in_grid[..., None]  # (B, M, R^2, C)
        weight = self.sr.weight.flatten(2).transpose(1, 2).flatten(1)  # (C, R^2 * C)
        full_rows = (row[:, -1] < grid.shape[1]) | (row[:, 0] == 0)
        full_columns = (column[:, -1] < grid.shape[2]) | (column[:, 0] == 0)
        mask = (full_rows & full_columns)[None]
        return self.norm(F.linear(tokens.flatten(2), weight, self.sr.bias)), mask

    extra_repr = show_settings


def _attend(
    q: Tensor, k: Tensor, v: Tensor, num_heads: int, drop_rate: float, mask: Tensor | None = None
) -> Tensor:
    """Compute multi-head attention of queries ``(B, N, C)`` to keys and values ``(B, M, C)``.

    ``mask (1, M)`` is True for the keys to attend to.
    """
    q, k, v = (t.unflatten(-1, (num_heads, -1)).transpose(1, 2) for t in (q, k, v))
    y = attention(q, k, v, mask, drop_rate)  # (B, heads, N, C / heads)
    return y.transpose(1, 2).flatten(2)


def _rename_mmcv_keys(module: SA, state_dict: dict, prefix: str, *_: Any) -> None:
    for mmcv_name, name in MMCV_NAMES.items():
        for kind in ('weight', 'bias'):
            mmcv_key, key = prefix + mmcv_name + kind, prefix + name + kind
            if mmcv_key in state_dict and key not in state_dict:
                state_dict[key] = state_dict.pop(mmcv_key)
