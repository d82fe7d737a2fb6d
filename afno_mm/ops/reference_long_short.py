"""Slow float64 definition of long-short attention, for tests only.

It shares nothing with the fast code: no windows are cut, a query asks of each token how
far it lies from the window's first row and column.
"""

import torch


def long_short(x, weights, num_heads, window_size):
    """The whole mixer, from tokens to tokens.

    Args:
        x (Tensor): ``(B, H, W, C)``.
        weights (dict[str, Tensor]): Parameters of :class:`afno_mm.mixers.LS` by name.
        num_heads (int): Heads.
        window_size (int): w.

    Returns:
        Tensor: float64 ``(B, H, W, C)``.
    """
    x, weights = x.double(), {name: w.double() for name, w in weights.items()}

    def linear(name, t):
        return t @ weights[f'{name}.weight'].T + weights.get(f'{name}.bias', 0)

    def norm(name, t):
        t = t - t.mean(-1, keepdim=True)
        t = t / (t.square().mean(-1, keepdim=True) + 1e-5).sqrt()
        return t * weights[f'{name}.weight'] + weights[f'{name}.bias']

    _, height, width, channels = x.shape
    q, k, v = linear('qkv', x).split(channels, dim=-1)
    k, v = norm('dual_ln_full', k), norm('dual_ln_full', v)
    e = linear('to_dynamic_projection', x).exp()
    p = e / e.sum((1, 2), keepdim=True)  # (B, H, W, heads * r)
    rank, size = p.shape[-1] // num_heads, channels // num_heads

    def of_head(h):
        return slice(h * size, (h + 1) * size)

    def landmark(t, i):
        """Each head's mean of its channels of t, with that head's i-th weights."""
        means = [
            (p[..., [h * rank + i]] * t[..., of_head(h)]).sum((1, 2)) for h in range(num_heads)
        ]
        return norm('dual_ln_dp', torch.cat(means, -1))  # (B, C)

    far_keys, far_values = ([landmark(t, i) for i in range(rank)] for t in (k, v))
    margin = max(window_size // 2, 1)

    def seen(query, size):
        first = query - query % window_size
        return [key for key in range(size) if -margin <= key - first < window_size + margin]

    y = []
    for row in range(height):
        for column in range(width):
            near = [(i, j) for i in seen(row, height) for j in seen(column, width)]
            keys = torch.stack(far_keys + [k[:, i, j] for i, j in near], 1)  # (B, keys, C)
            values = torch.stack(far_values + [v[:, i, j] for i, j in near], 1)
            heads = []
            for h in range(num_heads):
                query = q[:, row, column, None, of_head(h)]
                a = ((query * keys[..., of_head(h)]).sum(-1) / size**0.5).exp()  # (B, keys)
                a = a / a.sum(-1, keepdim=True)
                heads.append((a[..., None] * values[..., of_head(h)]).sum(1))
            y.append(torch.cat(heads, -1))
    return linear('proj', torch.stack(y, 1)).view_as(x)
