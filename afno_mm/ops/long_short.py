"""Long-short attention: windows of tokens attend to their surroundings and a few landmarks.

This is the Long-Short Transformer's attention for images (https://arxiv.org/abs/2107.02192). Grids
are ``(B, H, W, C)`` of any size. Heads are consecutive groups of channels.
"""

from collections.abc import Sequence
from contextlib import nullcontext

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from .exporting import is_exported, is_transformed


def dynamic_projection(
    scores: Tensor, k: Tensor, v: Tensor, num_heads: int
) -> tuple[Tensor, Tensor]:
    """Average the keys and values ``(B, H, W, C)`` of each head to r landmarks ``(B, r, C)``.

    The landmarks are ``P^T k`` and ``P^T v``, where P is the softmax of the scores over all tokens.
    Scores are ``(B, H, W, num_heads * r)``; the r scores of a head are adjacent. A probability is
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

    Queries, keys and values are ``(B, H, W, C)``, landmarks ``(B, r, C)``. The gradient of the
    landmarks is summed over all windows in their dtype, which may be wider than the dtype of ``k``.
    Scores are scaled by ``(C / num_heads)^-1/2``. ``drop_rate`` drops attention weights.
    """
    if is_exported() or is_transformed():
        return _by_index(q, k, v, k_landmarks, v_landmarks, num_heads, window_size, drop_rate)
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
    if torch.compiler.is_compiling():
        # A slice would need one program for grids of whole windows and one for all others.
        index = [torch.arange(size, device=q.device) for size in (height, width)]
        return y.index_select(1, index[0]).index_select(2, index[1])
    return y[:, :height, :width]


def attention(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, drop_rate: float = 0.0
) -> Tensor:
    """Compute attention. Transforms need MATH: fused kernels have no forward-mode derivative."""
    plain = sdpa_kernel(SDPBackend.MATH) if is_transformed() else nullcontext()
    with plain:
        return F.scaled_dot_product_attention(q, k, v, mask, drop_rate)


def window_tokens(
    grid: Sequence[int], window_size: int, margin: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Return the row and the column of each token in each window, ``(windows, size^2)`` each.

    ``size`` is ``window_size + 2 * margin``. Tokens may lie outside the grid. One extra window
    follows the windows of the grid, because exporters would take a count of 1 for a constant.
    """
    rows, columns = ((size + window_size - 1) // window_size for size in grid)
    window = torch.arange(rows * columns + 1, device=device)[:, None]
    divisor = torch.full_like(window[:1], columns)  # ONNX takes no remainder by a symbol.
    size = window_size + 2 * margin
    offsets = torch.arange(size, device=device) - margin
    row = window // divisor * window_size + offsets.repeat_interleave(size)
    column = window % divisor * window_size + offsets.repeat(size)
    return row, column


def gather_tokens(x: Tensor, row: Tensor, column: Tensor) -> tuple[Tensor, Tensor]:
    """Return the tokens ``(B, windows, size^2, C)`` at given places, and which are in the grid."""
    height, width = x.shape[1:3]
    in_grid = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    index = torch.where(in_grid, row * width + column, 0)
    tokens = x.flatten(1, 2).index_select(1, index.flatten())
    return tokens.unflatten(1, (-1, index.shape[1])), in_grid


def _by_index(q, k, v, k_landmarks, v_landmarks, num_heads, window_size, drop_rate):
    """Compute :func:`long_short` by index_select, which exports for any size of the grid."""
    grid, w = q.shape[1:3], window_size
    own = window_tokens(grid, w, 0, q.device)
    seen = window_tokens(grid, w, max(w // 2, 1), q.device)

    def by_head(x):  # (B, .., C) to (B * heads, .., C / heads)
        return x.unflatten(-1, (num_heads, -1)).movedim(x.ndim - 1, 1).flatten(0, 1)

    # Adding these zeros repeats the landmarks for each window. expand() needs the window count.
    of_windows = torch.zeros_like(own[0][:, :1, None])

    def keys(x, landmarks):
        x, in_grid = gather_tokens(x, *seen)
        x, landmarks = by_head(x), by_head(landmarks)[:, None].to(x.dtype)
        return torch.cat([landmarks + of_windows.to(x.dtype), x], 2), in_grid

    (k, in_grid), (v, _) = keys(k, k_landmarks), keys(v, v_landmarks)
    mask = F.pad(in_grid, (k_landmarks.shape[1], 0), value=True)[:, None]
    y = attention(by_head(gather_tokens(q, *own)[0]), k, v, mask, drop_rate)
    y = y.unflatten(0, (-1, num_heads)).movedim(1, 3).flatten(3).flatten(1, 2)
    row, column = (torch.arange(size, device=q.device) for size in grid)
    row, columns = row[:, None], (grid[1] + w - 1) // w
    index = (row // w * columns + column // w) * w**2 + row % w * w + column % w  # (H, W)
    return y.index_select(1, index.flatten()).unflatten(1, grid)


class _Keys(torch.autograd.Function):
    """Concatenate the landmarks and the tokens in and around each window.

    The result is ``(B * heads, windows, r + (w + 2 * margin)^2, C / heads)`` in the dtype of the
    tokens. Forward writes the result without intermediate copies. A token is in several windows, so
    backward sums its gradients, tile by tile.
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
    """View a grid as windows with a margin around each. Tokens outside the grid are zero.

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
