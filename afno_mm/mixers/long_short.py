"""Attention of the Long-Short Transformer."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from ..ops import (
    autocast_off,
    dynamic_projection,
    full_precision,
    is_exported,
    is_transformed,
    long_short,
)
from ..registry import MODELS
from .attention import dtype_of
from .checks import check_divisor, check_dropout, check_grid, check_whole, show_settings


@MODELS.register_module()
class LS(nn.Module):
    """Long-short attention (https://arxiv.org/abs/2107.02192), the AFNO paper's LS.

    Each window of w x w tokens attends to the tokens in and around it (short range) and to r
    landmarks (long range). A landmark is a weighted average of all keys or values. In each head, a
    linear map scores the tokens, and a softmax over all tokens turns scores into weights. Time is
    linear in the number of tokens. The grid is padded to whole windows, and no token attends to
    the padding.

    The AFNO paper reports LS as unstable in half precision. So the dynamic projection
    (scores, softmax and sums over tokens) and the norms run in float32 (float64 for float64
    tokens), whatever the dtype of the module and under any autocast. The rest runs in the dtype
    of the parameters, or in autocast's. A float16 module runs in float32 where gradients are
    recorded. Float16 autocast still needs loss scaling: the gradient of a mean loss is below the
    range of float16 (docs/mixers/ls.md).

    For backward the mixer keeps the tokens, queries, keys, values and the result of the attention:
    5 times the tokens. Backward recomputes the rest. To keep all would take 13 times the tokens.

    Parameters are those of the published layer: ``qkv (3C, C)``, ``proj (C, C)``,
    ``to_dynamic_projection (num_heads * r, C)``, and two norms, ``dual_ln_full`` for all keys
    and values and ``dual_ln_dp`` for the landmarks. As published, weights of the linear maps are
    drawn from N(0, 0.02^2) truncated to [-2, 2], and their biases are zero.

    Args:
        window_size: Side w of a window. Its queries attend to the window and to max(w // 2, 1) more
            rows and columns on each side.
        num_landmarks: Landmarks r, the rank of the dynamic projection.
    """

    def __init__(
        self,
        embed_dims: int,
        num_heads: int,
        window_size: int = 4,
        num_landmarks: int = 8,
        qkv_bias: bool = True,
        attn_drop: float = 0.0,
    ) -> None:
        super().__init__()
        check_divisor('num_heads', num_heads, embed_dims)
        check_whole('window_size', window_size)
        check_whole('num_landmarks', num_landmarks)
        check_dropout('attn_drop', attn_drop)
        self.embed_dims = embed_dims
        self.num_heads = int(num_heads)
        self.window_size = int(window_size)
        self.num_landmarks = int(num_landmarks)
        self.attn_drop = attn_drop
        self.qkv = nn.Linear(embed_dims, 3 * embed_dims, bias=qkv_bias)
        self.to_dynamic_projection = nn.Linear(embed_dims, self.num_heads * self.num_landmarks)
        self.dual_ln_full = nn.LayerNorm(embed_dims)
        self.dual_ln_dp = nn.LayerNorm(embed_dims)
        self.proj = nn.Linear(embed_dims, embed_dims)
        for layer in (self.qkv, self.to_dynamic_projection, self.proj):
            nn.init.trunc_normal_(layer.weight, std=0.02)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        check_grid(x, self.embed_dims)
        rate = self.attn_drop if self.training else 0.0
        # Train in float32: gradients of a mean loss, about 1 / (H * W), underflow in float16.
        dtype = dtype_of(self, x)
        training_in_half = dtype == torch.float16 and torch.is_grad_enabled()
        tokens = full_precision(x) if training_in_half else x.to(dtype)
        q, k, v = _apply(self.qkv, tokens).chunk(3, dim=-1)
        if is_exported() or is_transformed():
            y = self._attend(x, q, k, v, rate)
        else:
            y = checkpoint(
                self._attend, x, q, k, v, rate, use_reentrant=False, preserve_rng_state=rate > 0
            )
        return _apply(self.proj, y).to(x.dtype)

    def _attend(self, x: Tensor, q: Tensor, k: Tensor, v: Tensor, drop_rate: float) -> Tensor:
        """Compute everything between ``qkv`` and ``proj``. Backward computes it again."""
        with autocast_off(x):
            tokens = full_precision(x)
            scores = _apply(self.to_dynamic_projection, tokens)
            k, v = (_apply(self.dual_ln_full, t.to(tokens.dtype)) for t in (k, v))
            landmarks = dynamic_projection(scores, k, v, self.num_heads)  # (B, r, C) each
            k_landmarks, v_landmarks = (_apply(self.dual_ln_dp, t) for t in landmarks)
        k, v = k.to(q.dtype), v.to(q.dtype)
        sizes = self.num_heads, self.window_size
        return long_short(q, k, v, k_landmarks, v_landmarks, *sizes, drop_rate)

    extra_repr = show_settings


def _apply(layer: Any, x: Tensor) -> Tensor:
    """Call a Linear or LayerNorm, with its parameters in the dtype of ``x``."""
    weight = getattr(layer, 'weight', None)
    if not isinstance(weight, Tensor) or weight.dtype == x.dtype:
        return layer(x)
    bias = None if layer.bias is None else layer.bias.to(x.dtype)
    if isinstance(layer, nn.LayerNorm):
        return F.layer_norm(x, layer.normalized_shape, weight.to(x.dtype), bias, layer.eps)
    return F.linear(x, weight.to(x.dtype), bias)
