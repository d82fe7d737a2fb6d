"""AFNO on CPUs in float32, by three sweeps over memory in compiled C (``afno.c``).

Forward saves the spectrum and the hidden layer for backward. Each is as large as the tokens, or a
quarter of them at ``mode_fraction=0.5``. The sign bits of the hidden layer store the mask of the
soft shrinkage.
"""

import ctypes
import math
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ...precision import autocast_off, full_precision
from ...spectral import kept_modes
from .library import NotBuilt, build

SOURCE = Path(__file__).parent / 'afno.c'
# Measured: the transform of a prime size n takes n^2 operations here, fewer in PyTorch.
LARGEST_PRIME = 512


class Shape(ctypes.Structure):
    """The struct ``Shape`` of sweep.h."""

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


def refusal(x: Tensor) -> str | None:
    """Return why this backend cannot take tokens ``x``, or None."""
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


def run(
    x: Tensor,
    weights: tuple[Tensor, Tensor, Tensor, Tensor],
    sparsity_threshold: float,
    mode_fraction: float,
    norm: str,
    residual: bool,
) -> Tensor:
    """Compute :func:`afno_mm.ops.afno_operator`."""
    tensors = [full_precision(t) for t in (x, *weights)]
    keep = torch.is_grad_enabled() and any(t.requires_grad for t in tensors)
    with autocast_off(x):
        tokens, *weights = (t.contiguous() for t in (tensors[0], *_padded(*tensors[1:])))
        y, *_ = _forward(tokens, *weights, sparsity_threshold, mode_fraction, norm, residual, keep)
    return y.to(x.dtype)


def _padded(w1, b1, w2, b2):
    """Pad the hidden layer to the block size: its sign bits store the shrinkage mask."""
    missing = w1.shape[2] - w1.shape[3]
    if missing <= 0:
        return w1, b1, w2, b2
    return F.pad(w1, (0, missing)), F.pad(b1, (0, missing)), F.pad(w2, (0, 0, 0, missing)), b2


def _spectrum_rows(width, rows, columns):
    """Return how many of the ``K1 * K2`` frequencies are independent for a real signal.

    The DC and Nyquist columns are Hermitian-symmetric: their frequencies are conjugate pairs.
    """
    symmetric = 1 + (2 * (columns - 1) == width)
    return columns * rows - symmetric * (rows - rows // 2 - 1)


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


def _empty_saved(x, w1, mode_fraction, keep):
    """Return empty ``(B, k, rows, 2, C / k)`` and ``(B, k, K2, K1, 2, h)``.

    The first is for the spectrum with its independent frequencies as rows, the second for the
    hidden layer. Both have size 0 if not ``keep``.
    """
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


def _workspace(x, shape):
    """Return an empty buffer for a half spectrum of all rows, ``(B, H, K2, 2, C)``."""
    return x.new_empty(shape.batch, shape.height, shape.columns, 2, shape.channels)


def _call(function, shape, *tensors):
    getattr(build(SOURCE), function)(
        ctypes.byref(shape),
        *(None if t is None else ctypes.c_void_p(t.data_ptr()) for t in tensors),
    )


@torch.library.custom_op('afno_mm::cpu_afno', mutates_args=(), device_types='cpu')
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
    """Return AFNO of contiguous tokens ``(B, H, W, C)``, spectrum and hidden layer."""
    shape = _shape(x, w1, sparsity_threshold, mode_fraction, norm, residual)
    y = torch.empty_like(x)
    saved = _empty_saved(x, w1, mode_fraction, keep)
    if x.numel():
        buffers = _workspace(x, shape), *(saved if keep else [None] * 2)
        _call('afno_forward', shape, x, w1, b1, w2, b2, y, *buffers)
    return y, *saved


@_forward.register_fake
def _(x, w1, b1, w2, b2, sparsity_threshold, mode_fraction, norm, residual, keep):
    return torch.empty_like(x), *_empty_saved(x, w1, mode_fraction, keep)


@torch.library.custom_op('afno_mm::cpu_afno_backward', mutates_args=(), device_types='cpu')
def _backward(
    grad_output: Tensor,
    spectrum: Tensor,
    hidden: Tensor,
    w1: Tensor,
    w2: Tensor,
    sparsity_threshold: float,
    mode_fraction: float,
    norm: str,
    residual: bool,
    for_input: bool,
    for_weights: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Return the gradients of x, w1, b1, w2 and b2. Those not asked for are empty."""
    grad_input, *grads = _empty_gradients(grad_output, w1, w2, for_input, for_weights)
    shape = _shape(grad_output, w1, sparsity_threshold, mode_fraction, norm, residual)
    if grad_output.numel():
        _call(
            'afno_backward',
            shape,
            grad_output,
            spectrum,
            hidden,
            w1,
            w2,
            grad_input if for_input else None,
            _workspace(grad_output, shape),
            *(grads if for_weights else [None] * 4),
        )
    return grad_input, *grads


@_backward.register_fake
def _(grad_output, spectrum, hidden, w1, w2, *settings):
    return _empty_gradients(grad_output, w1, w2, *settings[-2:])


def _empty_gradients(grad_output, w1, w2, for_input, for_weights):
    """Return buffers for the gradients of x, w1, b1, w2 and b2, empty if not asked for."""
    b1, b2 = (w.new_empty(2, w.shape[1], w.shape[3]) for w in (w1, w2))
    return (
        torch.empty_like(grad_output) if for_input else grad_output.new_empty(0),
        *(torch.zeros_like(w) if for_weights else w.new_empty(0) for w in (w1, b1, w2, b2)),
    )


def setup_context(ctx, inputs, output):
    _, w1, _, w2, _, *ctx.settings, _ = inputs
    _, *saved = output
    ctx.mark_non_differentiable(*saved)
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(*saved, w1, w2)


def backward(ctx, grad_output, *_):
    if grad_output is None:
        return (None,) * 10
    for_input, *for_weights = needed = ctx.needs_input_grad[:5]
    grads = _backward(
        grad_output.contiguous(), *ctx.saved_tensors, *ctx.settings, for_input, any(for_weights)
    )
    return *(grad if need else None for grad, need in zip(grads, needed)), *(None,) * 5


def refuse_second_derivative(ctx, *_):
    raise RuntimeError(
        "AFNO's backend 'cpu' has no second derivative; set AFNO_MM_BACKEND=composed to get one"
    )


_forward.register_autograd(backward, setup_context=setup_context)
_backward.register_autograd(refuse_second_derivative)
