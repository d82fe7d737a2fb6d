"""Slow float64 definitions of the ops, written from the paper. For tests only.

They share nothing with the fast code: explicit sums over frequencies in place of
FFTs, complex numbers in place of pairs, a loop over blocks in place of batched products.
"""

import math

import torch


def kept_frequencies(size, mode_fraction):
    """All signed frequencies of an axis whose magnitude is within the share to keep."""
    signed = [f if f <= (size - 1) // 2 else f - size for f in range(size)]
    return [f for f in signed if abs(f) <= mode_fraction * (size // 2) + 1e-9]


def afno(x, w1, b1, w2, b2, sparsity_threshold=0.0, mode_fraction=1.0, norm='ortho'):
    """AFNO without its bias term, by definition.

    Args:
        x (Tensor): Real ``(B, H, W, C)``.
        w1, b1, w2, b2 (Tensor): As in :func:`afno_mm.ops.block_mlp`.
        sparsity_threshold (float): lambda.
        mode_fraction (float): Share of the frequencies kept per axis.
        norm (str): 'ortho' or 'forward'.

    Returns:
        Tensor: float64 ``(B, H, W, C)``.
    """
    w1, b1, w2, b2 = (t.double() for t in (w1, b1, w2, b2))
    _, height, width, _ = x.shape
    # Nyquist is the one frequency that FFTs name by its negative value.
    columns = [abs(v) for v in kept_frequencies(width, mode_fraction) if v >= 0 or 2 * v == -width]
    return _per_frequency(
        x,
        kept_frequencies(height, mode_fraction),
        columns,
        norm,
        lambda z, u, v: _block_mlp(z, w1, b1, w2, b2, sparsity_threshold),
    )


def global_filter(x, weight):
    """GFN by definition: every frequency of every channel times its own complex number.

    Args:
        x (Tensor): Real ``(B, H, W, C)``.
        weight (Tensor): Real ``(H, W//2+1, C, 2)``.

    Returns:
        Tensor: float64 ``(B, H, W, C)``.
    """
    real, imag = weight.double().unbind(-1)
    return _per_frequency(
        x,
        range(weight.shape[0]),
        range(weight.shape[1]),
        'ortho',
        lambda z, u, v: z * torch.complex(real[u, v], imag[u, v]),
    )


def mode_product(x, weights1, weights2, sparsity_threshold=0.0, norm='backward'):
    """FNO and static AFNO without its bias term, by definition.

    Args:
        x (Tensor): Real ``(B, H, W, C)``.
        weights1, weights2 (Tensor): As in :func:`afno_mm.ops.mode_product`.
        sparsity_threshold (float): lambda.
        norm (str): 'backward' or 'ortho'.

    Returns:
        Tensor: float64 ``(B, H, W, C)``.
    """
    _, height, width, _ = x.shape
    m1, m2 = weights1.shape[3:5]
    weight = {u: weights1[:, :, :, u] for u in range(m1)}
    weight |= {u: weights2[:, :, :, u] for u in range(-m1, 0)}  # -1 is the last row

    def product(z, u, v):
        blocks = []
        for k, block in enumerate(z.chunk(len(weights1), dim=-1)):
            real, imag = weight[u][k, :, :, v].double().unbind(-1)  # (i, o)
            blocks.append(block @ torch.complex(real, imag))
        return _shrink(torch.cat(blocks, dim=-1), sparsity_threshold)

    rows = [u for u in kept_frequencies(height, 1) if u in weight]
    return _per_frequency(x, rows, range(min(m2, width // 2 + 1)), norm, product)


def _per_frequency(x, rows, columns, norm, channel_map):
    """Waves of ``x``, the coefficients of each mapped by ``channel_map(z, u, v)``, summed up.

    ``rows`` are frequencies u, ``columns`` frequencies v >= 0, which stand for -v as well.
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
            own_mirror = v == 0 or 2 * v == width
            angle = 2 * math.pi * (u * down / height + v * across / width)
            wave = torch.polar(torch.ones_like(angle), angle)  # (H, W)
            coefficient = analysis * torch.einsum('bhwc,hw->bc', x.to(wave.dtype), wave.conj())
            weight = synthesis * (1 if own_mirror else 2)
            y = y + weight * torch.einsum('bc,hw->bhwc', channel_map(coefficient, u, v), wave).real
    return y


def _parts(f, a):
    return torch.complex(f(a.real), f(a.imag))


def _shrink(a, threshold):
    return _parts(lambda r: r.sign() * (r.abs() - threshold).clamp(min=0), a)


def _block_mlp(z, w1, b1, w2, b2, sparsity_threshold):
    out = []
    for k, block in enumerate(z.chunk(w1.shape[1], dim=-1)):
        first, second = torch.complex(*w1[:, k]), torch.complex(*w2[:, k])
        hidden = _parts(torch.relu, block @ first + torch.complex(*b1[:, k]))
        out.append(_shrink(hidden @ second + torch.complex(*b2[:, k]), sparsity_threshold))
    return torch.cat(out, dim=-1)


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
