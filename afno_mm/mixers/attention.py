"""Softmax attention: over all tokens, and with SegFormer's reduced keys and values."""

from torch import nn
from torch.nn import functional as F

from ..registry import MODELS
from .checks import check_divisor, check_dropout, check_grid, check_whole

# SA's parameters in the state of mmcv's MultiheadAttention, which MMSegmentation's ViT uses.
MMCV_KEYS = {
    'attn.in_proj_weight': 'qkv.weight',
    'attn.in_proj_bias': 'qkv.bias',
    'attn.out_proj.weight': 'proj.weight',
    'attn.out_proj.bias': 'proj.bias',
}


@MODELS.register_module()
class SA(nn.Module):
    """Multi-head self-attention over all H * W tokens (Definition 1 of the AFNO paper).

    Time grows with (H * W)^2, memory with H * W: the attention matrix is never stored,
    except with dropout of its weights on CPUs, for which PyTorch has no fused kernel.

    Parameters are those of MMPretrain's MultiheadAttention: ``qkv.weight (3C, C)``,
    ``qkv.bias (3C)``, ``proj.weight (C, C)``, ``proj.bias (C)``. The keys of mmcv's and
    MMSegmentation's (``attn.in_proj_weight`` and so on) load too. The mixer runs in their
    dtype, or autocast's; the output has the dtype of ``x``.

    ``needs_grid = False`` tells backbones that the order of the tokens has no meaning
    here, so that any set of them, with a class token or without, may come as
    ``(B, 1, N, C)``. A mixer without this attribute needs the full grid.

    Args:
        embed_dims (int): Channels C (the paper's d).
        num_heads (int): Attention heads. Must divide ``embed_dims``.
        qkv_bias (bool): Whether queries, keys and values have a bias.
        attn_drop (float): Dropout of the attention weights, in [0, 1).

    Raises:
        ValueError: If an argument is out of range, or tokens are not ``(B, H, W, C)``.
    """

    needs_grid = False

    def __init__(self, embed_dims, num_heads, qkv_bias=True, attn_drop=0.0):
        super().__init__()
        check_divisor('num_heads', num_heads, embed_dims)
        check_dropout('attn_drop', attn_drop)
        self.embed_dims = embed_dims
        self.num_heads = int(num_heads)
        self.attn_drop = attn_drop
        self.qkv = nn.Linear(embed_dims, 3 * embed_dims, bias=qkv_bias)
        self.proj = nn.Linear(embed_dims, embed_dims)
        self.register_load_state_dict_pre_hook(_rename_mmcv_keys)

    def forward(self, x):
        check_grid(x, self.embed_dims)
        tokens = x.flatten(1, 2).to(self.qkv.weight.dtype)  # (B, N, C)
        q, k, v = self.qkv(tokens).chunk(3, dim=-1)
        y = _attend(q, k, v, self.num_heads, self.attn_drop if self.training else 0.0)
        return self.proj(y).unflatten(1, x.shape[1:3]).to(x.dtype)

    def extra_repr(self):
        return (
            f'embed_dims={self.embed_dims}, num_heads={self.num_heads}, attn_drop={self.attn_drop}'
        )


@MODELS.register_module()
class ESA(nn.Module):
    """SegFormer's efficient self-attention: keys and values from a reduced grid.

    A convolution with kernel and stride R, then LayerNorm, leave (H // R) * (W // R) keys
    and values (Sec. 3.1 of https://arxiv.org/abs/2105.15203). Rows and columns that do not
    fill a window are dropped, as in MMSegmentation; a grid smaller than one window, which
    fails there, is filled up with zeros. No attention matrix is stored, see :class:`SA`.

    Parameters and result are those of MMSegmentation's EfficientMultiheadAttention, less
    its skip. The mixer runs in the dtype of its parameters, or autocast's; the output has
    the dtype of ``x``.

    Args:
        embed_dims (int): Channels C.
        num_heads (int): Attention heads. Must divide ``embed_dims``.
        sr_ratio (int): Reduction R of each axis. 1 is full attention, with neither
            convolution nor norm.
        qkv_bias (bool): Whether the projections, the last one too, have a bias.
        attn_drop (float): Dropout of the attention weights, in [0, 1).
        norm_eps (float): Epsilon of the norm.

    Raises:
        ValueError: If an argument is out of range, or tokens are not ``(B, H, W, C)``.
    """

    def __init__(
        self, embed_dims, num_heads, sr_ratio, qkv_bias=True, attn_drop=0.0, norm_eps=1e-6
    ):
        super().__init__()
        check_divisor('num_heads', num_heads, embed_dims)
        check_whole('sr_ratio', sr_ratio)
        check_dropout('attn_drop', attn_drop)
        self.embed_dims = embed_dims
        self.sr_ratio = int(sr_ratio)
        # For its parameters only: its forward transposes to (N, B, C) and back.
        self.attn = nn.MultiheadAttention(embed_dims, int(num_heads), attn_drop, bias=qkv_bias)
        if self.sr_ratio > 1:
            self.sr = nn.Conv2d(embed_dims, embed_dims, self.sr_ratio, self.sr_ratio)
            self.norm = nn.LayerNorm(embed_dims, norm_eps)

    def forward(self, x):
        check_grid(x, self.embed_dims)
        attn, sizes = self.attn, [self.embed_dims, 2 * self.embed_dims]
        w_q, w_kv = attn.in_proj_weight.split(sizes)
        b_q, b_kv = (None, None) if attn.in_proj_bias is None else attn.in_proj_bias.split(sizes)
        grid = x.to(w_q.dtype)
        q = F.linear(grid.flatten(1, 2), w_q, b_q)  # (B, N, C)
        k, v = F.linear(self._reduce(grid), w_kv, b_kv).chunk(2, dim=-1)  # (B, M, C)
        y = _attend(q, k, v, attn.num_heads, attn.dropout if self.training else 0.0)
        return attn.out_proj(y).unflatten(1, x.shape[1:3]).to(x.dtype)

    def _reduce(self, grid):
        """The tokens ``(B, M, C)`` of a grid ``(B, H, W, C)`` that keys and values are made of."""
        if self.sr_ratio == 1:
            return grid.flatten(1, 2)
        missing = [max(self.sr_ratio - size, 0) for size in grid.shape[1:3]]
        if any(missing):
            grid = F.pad(grid, (0, 0, 0, missing[1], 0, missing[0]))
        windows = self.sr(grid.permute(0, 3, 1, 2))  # (B, C, H // R, W // R)
        return self.norm(windows.flatten(2).transpose(1, 2))

    def extra_repr(self):
        return (
            f'embed_dims={self.embed_dims}, num_heads={self.attn.num_heads}, '
            f'sr_ratio={self.sr_ratio}, attn_drop={self.attn.dropout}'
        )


def _attend(q, k, v, num_heads, drop_rate):
    """Multi-head attention of queries ``(B, N, C)`` to keys and values ``(B, M, C)``."""
    q, k, v = (t.unflatten(-1, (num_heads, -1)).transpose(1, 2) for t in (q, k, v))
    y = F.scaled_dot_product_attention(q, k, v, dropout_p=drop_rate)  # (B, heads, N, C / heads)
    return y.transpose(1, 2).flatten(2)


def _rename_mmcv_keys(module, state_dict, prefix, *_):
    for theirs, ours in MMCV_KEYS.items():
        if prefix + theirs in state_dict and prefix + ours not in state_dict:
            state_dict[prefix + ours] = state_dict.pop(prefix + theirs)
