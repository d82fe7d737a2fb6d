"""Long-short attention: windows of tokens attend to their surroundings and a few landmarks.

This is the form for images of the Long-Short Transformer (https://arxiv.org/abs/2107.02192). Grids
are ``(B, H, W, C)`` of any size. Heads are consecutive groups of channels.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def dynamic_projection(
    scores: Tensor, k: Tensor, v: Tensor, num_heads: int
) -> tuple[Tensor, Tensor]:
    """Average the keys and values ``(B, H, W, C)`` of each head to r landmarks ``(B, r, C)``.

    They are ``P^T k`` and ``P^T v``, with P the softmax over all tokens of the scores
    ``(B, H, W, num_heads * r)``, with the r scores of a head next to each other. A probability is
    about 1 / (H * W), and so is the gradient of a score. On 65 536 tokens both are below the
    smallest normal number of float16, so call this in full precision.
    """
    p, k, v = (t.flatten(1, 2).unflatten(2, (num_heads, -1)) for t in (scores, k, v))
    p = p.permute(0, 2, 3, 1).softmax(dim=-1)  # (B, heads, r, N)
    k, v = ((p @ t.transpose(1, 2)).transpose(1, 2).flatten(2) for t in (k, v))
    return k, v


def long_short(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    k_landmarks: Tensor,
    v_landmarks: Tensor,
    num_heads: int,
    window_size: int,
    drop_rate: float = 0.0,
) -> Tensor:
    """Let w x w windows attend to the tokens in and around them, and to all landmarks.

    The windows start at the first token of the grid. Their queries see the window,
    ``max(w // 2, 1)`` rows and columns on each side of it within the grid, and all landmarks. One
    softmax covers them all.

    The keys and values of each window are copied: ``(w + 2 * max(w // 2, 1))^2 + r`` per ``w^2``
    tokens, 4.5 times the grid for w = 4 and r = 8. Fused kernels store no attention weights.

    Queries, keys and values are ``(B, H, W, C)``, landmarks ``(B, r, C)``. The gradient of a
    landmark is a sum over all windows in its dtype, which may be wider than that of ``k``. Scores
    are scaled by ``(C / num_heads)^-1/2``. ``drop_rate`` is the dropout of the attention weights.
    """
    batch, height, width, channels = q.shape
    rank = k_landmarks.shape[1]
    margin = max(window_size // 2, 1)
    in_grid = q.new_ones(1, height, width, 1, dtype=torch.bool)
    mask = F.pad(_flat(_windows(in_grid, 1, window_size, margin)), (0, 0, rank, 0), value=True)
    y = F.scaled_dot_product_attention(
        _flat(_windows(q, num_heads, window_size)),
        _Keys.apply(k, k_landmarks, num_heads, window_size, margin),
        _Keys.apply(v, v_landmarks, num_heads, window_size, margin),
        mask.transpose(2, 3),  # (1, windows, 1, keys), the same for all queries of a window
        drop_rate,
    )  # (B * heads, windows, w^2, C / heads)
    rows, columns = -(-height // window_size), -(-width // window_size)
    y = y.view(batch, num_heads, rows, columns, window_size, window_size, channels // num_heads)
    y = y.permute(0, 2, 4, 3, 5, 1, 6).flatten(5).flatten(3, 4).flatten(1, 2)
    return y[:, :height, :width]


class _Keys(torch.autograd.Function):
    """Concatenate the landmarks and the tokens in and around each window.

    The result is ``(B * heads, windows, r + (w + 2 * margin)^2, C / heads)`` in the dtype of the
    tokens. Forward writes it once, without intermediate copies. A token is in several windows;
    backward adds their gradients tile by tile.
    """

    @staticmethod
    def forward(x, landmarks, num_heads, window_size, margin):
        windows, rank = _windows(x, num_heads, window_size, margin), landmarks.shape[1]
        landmarks = landmarks.unflatten(2, (num_heads, -1)).transpose(1, 2)
        size, channels = windows.shape[5:]
        keys = x.new_empty(*windows.shape[:4], rank + size**2, channels)
        keys[..., :rank, :] = landmarks[:, :, None, None]
        keys[..., rank:, :].unflatten(-2, (size, size)).copy_(windows)
        return keys.flatten(2, 3).flatten(0, 1)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, landmarks, ctx.num_heads, ctx.window_size, ctx.margin = inputs
        ctx.shape, ctx.rank, ctx.dtype = x.shape, landmarks.shape[1], landmarks.dtype

    @staticmethod
    def backward(ctx, grad_output):
        batch, height, width, channels = ctx.shape
        w, margin, heads = ctx.window_size, ctx.margin, ctx.num_heads
        rows, columns, size = -(-height // w), -(-width // w), w + 2 * margin
        grad = grad_output.view(batch, heads, rows, columns, ctx.rank + size**2, channels // heads)
        # Sum over the windows in the landmarks' dtype: the sum may leave the range of float16.
        grad_landmarks = grad[..., : ctx.rank, :].sum((2, 3), dtype=ctx.dtype)
        windows = grad[..., ctx.rank :, :].unflatten(-2, (size, size)).permute(0, 2, 4, 3, 5, 1, 6)
        extra = -(-size // w) - 1
        tiles = grad.new_zeros(batch, rows + extra, w, columns + extra, w, heads, channels // heads)
        for i in range(extra + 1):
            for j in range(extra + 1):
                part = windows[:, :, i * w : (i + 1) * w, :, j * w : (j + 1) * w]
                tiles[:, i : i + rows, : part.shape[2], j : j + columns, : part.shape[4]] += part
        grad_x = tiles.flatten(5).flatten(3, 4).flatten(1, 2)
        grad_x = grad_x[:, margin : margin + height, margin : margin + width]
        return grad_x, grad_landmarks.transpose(1, 2).flatten(2), None, None, None


def _windows(x: Tensor, num_heads: int, window_size: int, margin: int = 0) -> Tensor:
    """View a grid as windows with a margin around each. Outside the grid the margin is zero.

    The shape is ``(B, heads, rows, columns, w + 2 * margin, w + 2 * margin, C / heads)``.
    """
    below, right = (margin + -size % window_size for size in x.shape[1:3])
    x = F.pad(x, (0, 0, margin, right, margin, below))
    size = window_size + 2 * margin
    x = x.unfold(1, size, window_size).unfold(2, size, window_size)
    x = x.unflatten(3, (num_heads, -1))  # (B, rows, columns, heads, C / heads, size, size)
    return x.permute(0, 3, 1, 2, 5, 6, 4)


def _flat(windows: Tensor) -> Tensor:
    """Flatten windows for SDPA to ``(B * heads, windows, tokens, C / heads)``.

    CUDA kernels take at most 65 535 on each of the first two axes (pytorch#142228). 16 images of
    256 x 256 have 65 536 windows of 4 x 4.
    """
    return windows.flatten(4, 5).flatten(2, 3).flatten(0, 1)
