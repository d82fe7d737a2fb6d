"""Attention of the Long-Short Transformer."""

from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from ..ops import autocast_off, dynamic_projection, full_precision, long_short
from ..registry import MODELS
from .checks import check_divisor, check_dropout, check_grid, check_whole


@MODELS.register_module()
class LS(nn.Module):
    """Long-short attention (https://arxiv.org/abs/2107.02192), the AFNO paper's LS.

    Each window of w x w tokens attends the tokens in and around it (short range) and r
    landmarks (long range): averages of all keys and values, with weights that a linear
    map of the tokens and a softmax over them give, per head. Linear in the number of
    tokens. Any grid; one that windows do not fill is filled up with tokens that nothing
    sees.

    The AFNO paper reports LS as unstable in half precision. So the dynamic projection
    (scores, softmax and sums over tokens) and the norms run in float32 (float64 for float64
    tokens), whatever the dtype of the module and under any autocast. The rest runs in the
    parameters' dtype, or autocast's; the output has the dtype of ``x``. Float16 needs loss
    scaling all the same: what a mean loss sends back to a window is below its range.

    Kept for backward are the tokens, queries, keys, values and the result of the attention, 5
    times the tokens; the rest is computed again.

    Parameters are those of the published layer: ``qkv (3C, C)``, ``proj (C, C)``,
    ``to_dynamic_projection (num_heads * r, C)``, and the norms ``dual_ln_full`` of all keys
    and values and ``dual_ln_dp`` of the landmarks'. As there, weights of the linear maps are
    drawn from N(0, 0.02^2) truncated to [-2, 2] and their biases are zero.

    Args:
        embed_dims (int): Channels C (the paper's d).
        num_heads (int): Attention heads. Must divide ``embed_dims``.
        window_size (int): Side w of a window. Its queries see max(w // 2, 1) more rows and
            columns on each side.
        num_landmarks (int): Landmarks r, the rank of the dynamic projection.
        qkv_bias (bool): Whether queries, keys and values have a bias.
        attn_drop (float): Dropout of the attention weights, in [0, 1).

    Raises:
        ValueError: If an argument is out of range, or tokens are not ``(B, H, W, C)``.
    """

    def __init__(
        self, embed_dims, num_heads, window_size=4, num_landmarks=8, qkv_bias=True, attn_drop=0.0
    ):
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

    def forward(self, x):
        check_grid(x, self.embed_dims)
        drop_rate = self.attn_drop if self.training else 0.0
        q, k, v = self.qkv(x.to(self.qkv.weight.dtype)).chunk(3, dim=-1)
        y = checkpoint(
            self._attend,
            x,
            q,
            k,
            v,
            drop_rate,
            use_reentrant=False,
            preserve_rng_state=drop_rate > 0,
        )
        return self.proj(y).to(x.dtype)

    def _attend(self, x, q, k, v, drop_rate):
        """All between the two projections, computed again in backward.

        Kept, it would be 13 times the tokens, 9 of them keys and values copied for windows.
        """
        with autocast_off(x):
            tokens = full_precision(x)
            scores = _linear(self.to_dynamic_projection, tokens)
            k, v = (_norm(self.dual_ln_full, t.to(tokens.dtype)) for t in (k, v))
            landmarks = [
                _norm(self.dual_ln_dp, t)  # (B, r, C)
                for t in dynamic_projection(scores, k, v, self.num_heads)
            ]
        return long_short(
            q, k.to(q.dtype), v.to(q.dtype), *landmarks, self.num_heads, self.window_size, drop_rate
        )

    def extra_repr(self):
        return (
            f'embed_dims={self.embed_dims}, num_heads={self.num_heads}, '
            f'window_size={self.window_size}, num_landmarks={self.num_landmarks}, '
            f'attn_drop={self.attn_drop}'
        )


# A layer applied in the dtype of x, whatever the dtype of its parameters.
def _linear(layer, x):
    return F.linear(x, layer.weight.to(x.dtype), layer.bias.to(x.dtype))


def _norm(layer, x):
    weight, bias = layer.weight.to(x.dtype), layer.bias.to(x.dtype)
    return F.layer_norm(x, layer.normalized_shape, weight, bias, layer.eps)
