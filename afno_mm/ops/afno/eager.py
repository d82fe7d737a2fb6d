"""AFNO with PyTorch alone, in float32: an adjoint by hand, and temporaries that stay in cache.

Forward and backward are opaque operators, so that they run as they are when compiled too.

Half of the spectrum of real tokens determines it, so all columns but two stand for two
frequencies. The factors of 2 and 1/2 which that brings to the adjoints of the two transforms
cancel in the gradient of the tokens: it is transformed just as the tokens are. The
gradients of the weights, which lie between, see them.
"""

import torch
from torch import Tensor

from ..precision import full_precision
from .eager_transforms import pieces, real_transform


def refusal(x):
    """What the reference path is for."""
    if x.dtype == torch.float64:
        return 'the tokens are float64, where exactness counts'
    if x.device.type == 'meta' or x.layout != torch.strided or x.numel() == 0:
        return 'the tokens have no values to work on'
    return None


def run(x, weights, sparsity_threshold, mode_fraction, norm, residual):
    with full_precision(x) as tokens:
        weights = [w.to(tokens.dtype) for w in weights]
        keep = torch.is_grad_enabled() and any(t.requires_grad for t in (tokens, *weights))
        y, *_ = _forward(tokens, *weights, sparsity_threshold, mode_fraction, norm, residual, keep)
    return y.to(x.dtype)


@torch.library.custom_op('afno_mm::torch_afno', mutates_args=())
def _forward(
    x: Tensor,
    w1: Tensor,
    b1: Tensor,
    w2: Tensor,
    b2: Tensor,
    sparsity_threshold: float,
    mode_fraction: float,
    norm: str,
    residual: bool,
    keep: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The output and, if ``keep``, what backward needs: spectrum, hidden layer, survivors."""
    _, k, b, h = w1.shape
    with full_precision(x):
        transform = real_transform(x.shape, mode_fraction, norm)
        z = transform.spectrum(x)
        hidden, alive = _kept(transform, x, w1, sparsity_threshold, keep)
        out = torch.empty_like(z) if keep else z
        first, second = _three(w1), _three(w2)
        for f in pieces(z, 1):
            a = _blocks(hidden[:, f] if keep else transform.empty(x, k * h, z[:, f].shape[1]), k)
            a = _product(_blocks(z[:, f], k), first, a).add_(b1[:, :, None]).relu_()
            o = _product(a, second, _blocks(out[:, f], k)).add_(b2[:, :, None])
            if sparsity_threshold > 0:
                torch.ops.aten.softshrink.out(o, sparsity_threshold, out=o)
                if keep:
                    real, imag = torch.ne(o, 0).view(torch.uint8)
                    torch.add(real, imag, alpha=2, out=_blocks(alive[:, f], k)[0])
        y = transform.grid(out, x if residual else None)
    return y, z if keep else x.new_empty(0), hidden, alive


@torch.library.custom_op('afno_mm::torch_afno_backward', mutates_args=())
def _backward(
    g: Tensor,
    z: Tensor,
    hidden: Tensor,
    alive: Tensor,
    w1: Tensor,
    w2: Tensor,
    mode_fraction: float,
    norm: str,
    residual: bool,
    for_tokens: bool,
    for_weights: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The gradients of tokens and weights; without values if they are not asked for."""
    _, k, b, h = w1.shape
    with full_precision(g):
        transform = real_transform(g.shape, mode_fraction, norm)
        u = transform.spectrum(g)
        for column in transform.single_columns(u):
            column /= 2
        first, second = _three(_adjoint(w1)), _three(_adjoint(w2))
        sums1, sums2 = g.new_zeros(3, k, b, h), g.new_zeros(3, k, h, b)
        gb1, gb2 = g.new_zeros(2, k, h), g.new_zeros(2, k, b)
        for f in pieces(z, 1):
            a, o = _blocks(hidden[:, f], k), _blocks(u[:, f], k)
            if alive.numel():
                survived = _blocks(alive[:, f], k)[0]
                o[0] *= survived & 1
                o[1] *= survived >> 1
            s = _blocks(transform.empty(g, k * h, a.shape[2]), k)
            _product(o, second, s)
            torch.ops.aten.threshold_backward.grad_input(s, a, 0, grad_input=s)
            if for_weights:
                _add_outer(sums1, _blocks(z[:, f], k), s)
                _add_outer(sums2, a, o)
                gb1 += s.sum(2)
                gb2 += o.sum(2)
            if for_tokens:
                _product(s, first, o)
        gx = g.new_empty(0)
        if for_tokens:
            for column in transform.single_columns(u):
                column *= 2
            gx = transform.grid(u, g if residual else None)
        scale = 2 * (g.shape[1] * g.shape[2] if norm == 'forward' else 1)
        return gx, _from_sums(sums1, scale), gb1 * scale, _from_sums(sums2, scale), gb2 * scale


def _kept(transform, x, w1, sparsity_threshold, keep):
    """Memory for the hidden layer, and for what survives the shrinkage if there is one.

    Of the latter bit 0 tells of the real part and bit 1 of the imaginary one.
    """
    _, k, b, h = w1.shape
    hidden = transform.empty(x, k * h) if keep else x.new_empty(0)
    alive = (
        transform.empty(x, k * b, dtype=torch.uint8, parts=1)
        if (keep and sparsity_threshold > 0)
        else x.new_empty(0, dtype=torch.uint8)
    )
    return hidden, alive


@_forward.register_fake
def _(x, w1, b1, w2, b2, sparsity_threshold, mode_fraction, norm, residual, keep):
    transform = real_transform(x.shape, mode_fraction, norm)
    z = transform.empty(x, x.shape[3]) if keep else x.new_empty(0)
    return x.new_empty(x.shape), z, *_kept(transform, x, w1, sparsity_threshold, keep)


@_backward.register_fake
def _(g, z, hidden, alive, w1, w2, mode_fraction, norm, residual, for_tokens, for_weights):
    _, k, b, h = w1.shape
    shapes = g.shape if for_tokens else (0,), w1.shape, (2, k, h), w2.shape, (2, k, b)
    return tuple(g.new_empty(shape) for shape in shapes)


def _remember(ctx, inputs, output):
    _, w1, _, w2, _, _, ctx.mode_fraction, ctx.norm, ctx.residual, _ = inputs
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(*output[1:], w1, w2)


def _gradients(ctx, g, *_):
    for_tokens, *for_weights = ctx.needs_input_grad[:5]
    gx, *gw = _backward(
        g,
        *ctx.saved_tensors,
        ctx.mode_fraction,
        ctx.norm,
        ctx.residual,
        for_tokens,
        any(for_weights),
    )
    return gx if for_tokens else None, *gw, None, None, None, None, None


def _no_second_gradients(ctx, *_):
    raise RuntimeError(
        "AFNO's backend 'eager' is differentiable once only; set "
        'AFNO_MM_BACKEND=composed to differentiate its gradients'
    )


_forward.register_autograd(_gradients, setup_context=_remember)
_backward.register_autograd(_no_second_gradients)


def _blocks(z, k):
    """``(2, M, C)`` as ``(2, k, M, b)``."""
    return z.unflatten(2, (k, -1)).transpose(1, 2)


def _adjoint(w):
    """``(2, k, h, b)`` of ``(2, k, b, h)``."""
    return torch.stack([w[0], -w[1]]).transpose(2, 3)


def _three(w):
    """The factors ``(3, k, b, h)`` of :func:`_product`, of weights ``(2, k, b, h)``."""
    return torch.stack([w[0], w[1] - w[0], -w[0] - w[1]])


def _product(z, three, out):
    """``z w``, ``(2, k, M, h)`` of ``(2, k, M, b)``, by Gauss' three real products, not four."""
    torch.bmm(z[0] + z[1], three[0], out=out[0])
    torch.baddbmm(out[0], z[0], three[1], out=out[1])
    out[0].baddbmm_(z[1], three[2])
    return out


def _add_outer(sums, z, g):
    """Add the parts of ``z* g``, summed over frequencies, for :func:`_from_sums`.

    ``(3, k, b, h)`` of ``(2, k, M, b)`` and ``(2, k, M, h)``.
    """
    real, imag = z.transpose(2, 3)
    sums[0].baddbmm_(real - imag, g[0])
    sums[1].baddbmm_(real, g[1] - g[0])
    sums[2].baddbmm_(imag, g[0] + g[1])


def _from_sums(sums, scale):
    """The gradient ``(2, k, b, h)`` of weights."""
    return torch.stack([sums[0] + sums[2], sums[0] + sums[1]]) * scale
