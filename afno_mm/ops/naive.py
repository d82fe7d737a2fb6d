"""Naive float64 definitions of the ops, written from the papers. For tests only.

They share no code with the fast ops: sums over frequencies in place of FFTs, complex numbers in
place of pairs, and loops over blocks, heads and tokens in place of batched products.
"""

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor


def kept_frequencies(size: int, mode_fraction: float) -> list[int]:
    """Return the signed frequencies of an axis whose magnitude is not above the cut."""
    signed = [f if f <= (size - 1) // 2 else f - size for f in range(size)]
    return [f for f in signed if abs(f) <= mode_fraction * (size // 2) + 1e-9]


def afno(
    x: Tensor,
    w1: Tensor,
    b1: Tensor,
    w2: Tensor,
    b2: Tensor,
    sparsity_threshold: float = 0.0,
    mode_fraction: float = 1.0,
    norm: str = 'ortho',
    frequency_filter: Tensor | None = None,
) -> Tensor:
    """Define :func:`afno_mm.ops.afno_operator` without residual. The result is float64.

    The paper has no ``frequency_filter (2, K1, K2, C)``.
    """
    w1, b1, w2, b2 = (torch.complex(*t.double()) for t in (w1, b1, w2, b2))

    def mlp(z, u, v):
        blocks = enumerate(z.chunk(len(w1), dim=-1))
        hidden = [_on_parts(torch.relu, block @ w1[k] + b1[k]) for k, block in blocks]
        out = [h @ w2[k] + b2[k] for k, h in enumerate(hidden)]
        out = _shrink(torch.cat(out, dim=-1), sparsity_threshold)
        if frequency_filter is None:
            return out
        # Rows are in FFT order, so a row frequency u < 0 counts from the end.
        return out + torch.complex(*frequency_filter[:, u, v].double()) * z

    _, height, width, _ = x.shape
    rows, columns = (kept_frequencies(size, mode_fraction) for size in (height, width))
    return _per_frequency(x, rows, set(map(abs, columns)), norm, mlp)


def global_filter(x: Tensor, weight: Tensor) -> Tensor:
    """Define GFN: multiply every frequency of ``x`` by ``weight (H, W//2+1, C, 2)``."""
    weight = torch.complex(*weight.double().unbind(-1))
    rows, columns = weight.shape[:2]
    return _per_frequency(x, range(rows), range(columns), 'ortho', lambda z, u, v: z * weight[u, v])


def mode_product(
    x: Tensor,
    weights1: Tensor,
    weights2: Tensor,
    sparsity_threshold: float = 0.0,
    norm: str = 'backward',
) -> Tensor:
    """Define FNO, and static AFNO without its bias term, on tokens ``(B, H, W, C)``.

    Weights are those of :func:`afno_mm.ops.mode_product`.
    """
    _, height, width, _ = x.shape
    m1, m2 = weights1.shape[3:5]
    weight = {u: weights1[:, :, :, u] for u in range(m1)}
    weight |= {u: weights2[:, :, :, u] for u in range(-m1, 0)}  # The last row is u = -1.

    def product(z, u, v):
        matrices = torch.complex(*weight[u][:, :, :, v].double().unbind(-1))  # (k, i, o)
        blocks = z.chunk(len(matrices), dim=-1)
        out = [block @ matrix for block, matrix in zip(blocks, matrices)]
        return _shrink(torch.cat(out, dim=-1), sparsity_threshold)

    rows = [u for u in kept_frequencies(height, 1) if u in weight]
    return _per_frequency(x, rows, range(min(m2, width // 2 + 1)), norm, product)


def _per_frequency(
    x: Tensor,
    rows: Iterable[int],
    columns: Iterable[int],
    norm: str,
    channel_map: Callable[[Tensor, int, int], Tensor],
) -> Tensor:
    """Transform ``x``, apply ``channel_map(z, u, v)`` to each coefficient z, transform back.

    ``rows`` are the frequencies u. ``columns`` are the frequencies v >= 0; each also stands for -v.
    """
    x = x.double()
    _, height, width, _ = x.shape
    down, across = torch.arange(height).double()[:, None], torch.arange(width).double()[None, :]
    size = height * width
    analysis = {'ortho': size**-0.5, 'forward': 1 / size, 'backward': 1.0}[norm]
    synthesis = 1 / size / analysis
    y = torch.zeros_like(x)
    for u in rows:
        for v in columns:
            angle = 2 * math.pi * (u * down / height + v * across / width)
            wave = torch.polar(torch.ones_like(angle), angle)  # (H, W)
            coefficient = analysis * torch.einsum('bhwc,hw->bc', x.to(wave.dtype), wave.conj())
            weight = synthesis * (1 if 2 * v in (0, width) else 2)  # 1 for DC and Nyquist
            y = y + weight * torch.einsum('bc,hw->bhwc', channel_map(coefficient, u, v), wave).real
    return y


def _on_parts(function, z):
    return torch.complex(function(z.real), function(z.imag))


def _shrink(z, threshold):
    return _on_parts(lambda part: part.sign() * (part.abs() - threshold).clamp(min=0), z)


def long_short(x: Tensor, weights: dict[str, Tensor], num_heads: int, window_size: int) -> Tensor:
    """Define the whole mixer LS on tokens ``(B, H, W, C)``, with its projections and norms.

    ``weights`` are the parameters of :class:`afno_mm.mixers.LS` by name.
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

    of_head = [slice(h * size, (h + 1) * size) for h in range(num_heads)]

    def landmark(t, i):
        """Average t over all tokens, with the i-th probabilities of each head, and normalise."""
        weighted = [p[..., [h * rank + i]] * t[..., head] for h, head in enumerate(of_head)]
        return norm('dual_ln_dp', torch.cat(weighted, -1).sum((1, 2)))  # (B, C)

    far_keys, far_values = ([landmark(t, i) for i in range(rank)] for t in (k, v))
    margin = max(window_size // 2, 1)

    def seen(query, size):
        """Return the positions on an axis that a query sees in and around its window."""
        first = query - query % window_size
        return [key for key in range(size) if -margin <= key - first < window_size + margin]

    y = []
    for row in range(height):
        for column in range(width):
            near = [(i, j) for i in seen(row, height) for j in seen(column, width)]
            keys = torch.stack(far_keys + [k[:, i, j] for i, j in near], 1)  # (B, keys, C)
            values = torch.stack(far_values + [v[:, i, j] for i, j in near], 1)
            heads = []
            for head in of_head:
                query = q[:, row, column, None, head]
                a = ((query * keys[..., head]).sum(-1) / size**0.5).exp()  # (B, keys)
                a = a / a.sum(-1, keepdim=True)
                heads.append((a[..., None] * values[..., head]).sum(1))
            y.append(torch.cat(heads, -1))
    return linear('proj', torch.stack(y, 1)).view_as(x)
