"""AFNO on CPUs by three sweeps of compiled code (``cpu/afno.c``), float32.

Kept for backward are the spectrum and the hidden layer, each as large as the tokens (a
quarter of them for a quarter of the modes). What survived the shrinkage is in the signs of the
hidden layer.
"""

import ctypes
import math
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ...precision import full_precision
from ...spectral import kept_modes
from .library import NotBuilt, build

SOURCE = Path(__file__).parent / 'afno.c'
# Measured: its transform takes n^2 operations for a prime n, PyTorch's does not.
LARGEST_PRIME = 512


class Shape(ctypes.Structure):
    """``Shape`` of cpu/sweep.h."""

    _fields_ = [
        (name, ctypes.c_int64)
        for name in (
            'batch',
            'height',
            'width',
            'channels',
            'blocks',
            'hidden',
            'rows',
            'columns',
            'spectrum_rows',
            'residual',
            'threads',
        )
    ] + [(name, ctypes.c_double) for name in ('shrink', 'forward_scale', 'inverse_scale')]


@torch.compiler.assume_constant_result
def _why_not_built():
    try:
        build(SOURCE)
    except NotBuilt as reason:
        return str(reason)
    return None


def refusal(x):
    if x.device.type != 'cpu':
        return f'the tokens are on {x.device.type}'
    if x.dtype == torch.float64:
        return 'it computes in float32'
    for size in x.shape[1:3]:
        if _largest_prime(size) > LARGEST_PRIME:
            return f'a side of {size} tokens has a prime factor above {LARGEST_PRIME}'
    return _why_not_built()


def _largest_prime(n):
    factor = 2
    while factor * factor <= n:
        if n % factor:
            factor += 1
        else:
            n //= factor
    return n


def run(x, weights, sparsity_threshold, mode_fraction, norm, residual):
    with full_precision(x) as tokens:
        weights = _at_least_square([w.to(tokens.dtype) for w in weights])
        differentiated = torch.is_grad_enabled() and any(
            t.requires_grad for t in (tokens, *weights)
        )
        y, *_ = _forward(
            tokens.contiguous(),
            *(w.contiguous() for w in weights),
            sparsity_threshold,
            mode_fraction,
            norm,
            residual,
            differentiated,
        )
    return y.to(x.dtype)


def _at_least_square(weights):
    """With units added to a hidden layer that is narrower than its block: signs for all."""
    lack = weights[0].shape[2] - weights[0].shape[3]
    if lack <= 0:
        return weights
    w1, b1, w2, b2 = weights
    return F.pad(w1, (0, lack)), F.pad(b1, (0, lack)), F.pad(w2, (0, 0, 0, lack)), b2


def _spectrum_rows(width, rows, columns):
    """How many of ``K1 * K2`` frequencies a real signal leaves free.

    Those of a column that is its own mirror image, 0 or Nyquist, come in conjugate pairs.
    """
    mirrors = 1 + (2 * (columns - 1) == width)
    return columns * rows - mirrors * (rows - rows // 2 - 1)


def _shape(x, w1, sparsity_threshold, mode_fraction, norm, residual):
    batch, height, width, channels = x.shape
    rows, columns = kept_modes((height, width), mode_fraction)
    scale = 1 / max(1, height * width)
    scales = {'ortho': (math.sqrt(scale), math.sqrt(scale)), 'forward': (scale, 1.0)}
    return Shape(
        batch,
        height,
        width,
        channels,
        w1.shape[1],
        w1.shape[3],
        rows,
        columns,
        _spectrum_rows(width, rows, columns),
        residual,
        torch.get_num_threads(),
        sparsity_threshold,
        *scales[norm],
    )


def _kept(x, w1, mode_fraction, keep):
    """Empty spectrum ``(B, k, rows, 2, C / k)`` and hidden layer ``(B, k, K2, K1, 2, h)``."""
    if not keep:
        return x.new_empty(0), x.new_empty(0)
    batch, height, width, _ = x.shape
    _, blocks, block_size, hidden = w1.shape
    rows, columns = kept_modes((height, width), mode_fraction)
    spectrum_rows = _spectrum_rows(width, rows, columns)
    return (
        x.new_empty(batch, blocks, spectrum_rows, 2, block_size),
        x.new_empty(batch, blocks, columns, rows, 2, hidden),
    )


def _scratch(x, shape):
    """Memory for a half-spectrum ``(B, H, K2, 2, C)``."""
    return x.new_empty(shape.batch, shape.height, shape.columns, 2, shape.channels)


def _call(function, shape, *tensors):
    getattr(build(SOURCE), function)(
        ctypes.byref(shape),
        *(None if t is None else ctypes.c_void_p(t.data_ptr()) for t in tensors),
    )


@torch.library.custom_op('afno_mm::compiled_afno', mutates_args=(), device_types='cpu')
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
) -> tuple[Tensor, Tensor, Tensor]:
    """AFNO of contiguous tokens ``(B, H, W, C)``, and what :func:`_kept` describes."""
    shape = _shape(x, w1, sparsity_threshold, mode_fraction, norm, residual)
    y = torch.empty_like(x)
    kept = _kept(x, w1, mode_fraction, keep)
    if x.numel():
        _call(
            'afno_forward',
            shape,
            x,
            w1,
            b1,
            w2,
            b2,
            y,
            _scratch(x, shape),
            *(kept if keep else [None] * 2),
        )
    return y, *kept


@_forward.register_fake
def _(x, w1, b1, w2, b2, sparsity_threshold, mode_fraction, norm, residual, keep):
    return torch.empty_like(x), *_kept(x, w1, mode_fraction, keep)


@torch.library.custom_op('afno_mm::compiled_afno_backward', mutates_args=(), device_types='cpu')
def _backward(
    dy: Tensor,
    spectrum: Tensor,
    hidden: Tensor,
    w1: Tensor,
    w2: Tensor,
    sparsity_threshold: float,
    mode_fraction: float,
    norm: str,
    residual: bool,
    to_tokens: bool,
    to_weights: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients of x, w1, b1, w2 and b2, of their shapes; empty ones where not asked for."""
    dx, *dw = _gradients(dy, w1, w2, to_tokens, to_weights)
    shape = _shape(dy, w1, sparsity_threshold, mode_fraction, norm, residual)
    if dy.numel():
        _call(
            'afno_backward',
            shape,
            dy,
            spectrum,
            hidden,
            w1,
            w2,
            dx if to_tokens else None,
            _scratch(dy, shape),
            *(dw if to_weights else [None] * 4),
        )
    return dx, *dw


@_backward.register_fake
def _(
    dy,
    spectrum,
    hidden,
    w1,
    w2,
    sparsity_threshold,
    mode_fraction,
    norm,
    residual,
    to_tokens,
    to_weights,
):
    return _gradients(dy, w1, w2, to_tokens, to_weights)


def _gradients(dy, w1, w2, to_tokens, to_weights):
    """What the gradients are written to, empty where they are not wanted."""
    b1, b2 = (w.new_empty(2, w.shape[1], w.shape[3]) for w in (w1, w2))
    return (
        torch.empty_like(dy) if to_tokens else dy.new_empty(0),
        *(torch.zeros_like(w) if to_weights else w.new_empty(0) for w in (w1, b1, w2, b2)),
    )


def _keep(ctx, inputs, output):
    _, w1, _, w2, _, *ctx.settings, _ = inputs
    _, *kept = output
    ctx.mark_non_differentiable(*kept)
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(*kept, w1, w2)


def _differentiate(ctx, dy, *_):
    if dy is None:
        return (None,) * 10
    to_tokens, *to_weights = ctx.needs_input_grad[:5]
    gradients = _backward(
        dy.contiguous(), *ctx.saved_tensors, *ctx.settings, to_tokens, any(to_weights)
    )
    gradients = [g if needed else None for g, needed in zip(gradients, ctx.needs_input_grad)]
    return *gradients, *(None,) * 5


def _refuse(ctx, *_):
    raise RuntimeError(
        "AFNO's backend 'cpu' has no second derivative; set AFNO_MM_BACKEND=composed, whose path has"
    )


_forward.register_autograd(_differentiate, setup_context=_keep)
_backward.register_autograd(_refuse)
