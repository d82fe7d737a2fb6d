"""AFNO on CPUs in float32, by three passes over memory in compiled C (``afno.c``).

If a gradient is needed, forward saves the spectrum and the hidden layer. Each is about as large as
the tokens (with ``hidden_ratio=1``), or a quarter of this at ``mode_fraction=0.5``. The sign bits
of the hidden layer store the mask of the soft shrinkage.
"""

import ctypes
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ...precision import autocast_off
from ...spectral import kept_modes
from ..custom_op import Settings, convert, define, empty_gradients, needs_backward
from .library import build

SOURCE = Path(__file__).parent / 'afno.c'
# Measured limit: a transform of prime size n takes n^2 operations in fft.h, fewer in PyTorch.
LARGEST_PRIME = 512
SIZES = 'batch height width channels blocks hidden rows columns spectrum_rows rank residual threads'
SCALES = 'shrink forward_scale inverse_scale'


class Shape(ctypes.Structure):
    """The struct ``Shape`` of shape.h."""

    _fields_ = [(name, ctypes.c_int64) for name in SIZES.split()]
    _fields_ += [(name, ctypes.c_double) for name in SCALES.split()]


@torch.compiler.assume_constant_result
def _why_not_built():
    built = build(SOURCE)
    return built if isinstance(built, str) else None


def refusal(x: Tensor) -> str | None:
    """Return why this backend cannot take tokens ``x``, or None."""
    if x.device.type != 'cpu':
        return f'the tokens are on {x.device.type}'
    if x.dtype == torch.float64:
        return 'it computes in float32'
    # torch.compile skips this check: its loop over a size would need one program for each size.
    for size in () if torch.compiler.is_compiling() else x.shape[1:3]:
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


def run(x: Tensor, weights: Sequence[Any], settings: Settings) -> Tensor:
    """Compute :func:`afno_mm.ops.afno_operator`."""
    tensors = convert((x, *weights), torch.float32)
    keep = needs_backward(tensors)
    tokens, *of_mlp, factor, weight = tensors
    with autocast_off(x):
        tensors = [t.contiguous() for t in (tokens, *_padded(*of_mlp))]
        y, *_ = _afno(*tensors, factor, weight, *settings, keep)
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
    symmetric = 1 + 2 * (columns - 1) // width  # 1 or 2, without a branch on a symbolic size
    return columns * rows - symmetric * (rows - rows // 2 - 1)


def _shape(x, w1, factors, sparsity_threshold, mode_fraction, norm, residual):
    rows, columns = kept_modes(x.shape[1:3], mode_fraction)
    spectrum_rows = _spectrum_rows(x.shape[2], rows, columns)
    factor, weight = factors
    rank = 0 if weight is None else factor.shape[2]
    sizes = *x.shape, w1.shape[1], w1.shape[3], rows, columns, spectrum_rows, rank
    scale = 1 / max(1, x.shape[1] * x.shape[2])
    scales = {'ortho': (math.sqrt(scale), math.sqrt(scale)), 'forward': (scale, 1.0)}[norm]
    return Shape(*sizes, residual, torch.get_num_threads(), sparsity_threshold, *scales)


def _empty_saved(x, w1, sparsity_threshold, mode_fraction, norm, residual, keep):
    """Return buffers for the spectrum and the hidden layer, of size 0 without ``keep``.

    Their shapes are ``(B, k, rows, 2, C / k)``, with :func:`_spectrum_rows` rows, and
    ``(B, k, K2, K1, 2, h)``. The buffers are flat, because torch.compile would need one more
    program for each axis that may have length 1.
    """
    if not keep:
        return x.new_empty(0), x.new_empty(0)
    _, blocks, block_size, hidden = w1.shape
    rows, columns = kept_modes(x.shape[1:3], mode_fraction)
    spectrum = x.shape[0], blocks, _spectrum_rows(x.shape[2], rows, columns), 2, block_size
    hidden_layer = x.shape[0], blocks, columns, rows, 2, hidden
    return x.new_empty(math.prod(spectrum)), x.new_empty(math.prod(hidden_layer))


def _workspace(x, shape):
    """Return a buffer for the FFT along W of all rows of tokens, ``(B, H, K2, 2, C)``."""
    return x.new_empty(shape.batch, shape.height, shape.columns, 2, shape.channels)


def _call(function, shape, *tensors):
    addresses = (None if t is None else ctypes.c_void_p(t.data_ptr()) for t in tensors)
    getattr(build(SOURCE), function)(ctypes.byref(shape), *addresses)


def _forward(x, w1, b1, w2, b2, factor, weight, *settings):
    """Return the output for contiguous tokens ``(B, H, W, C)``, the spectrum and hidden layer."""
    *of_shape, keep = settings
    factors = _contiguous(factor, weight)
    shape = _shape(x, w1, factors, *of_shape)
    y, saved = torch.empty_like(x), _empty_saved(x, w1, *settings)
    if x.numel():
        buffers = _workspace(x, shape), *(saved if keep else [None] * 2)
        _call('afno_forward', shape, x, w1, b1, w2, b2, *factors, y, *buffers)
    return y, *saved


def _backward(grad_output, w1, b1, w2, b2, factor, weight, spectrum, hidden, *settings):
    """Return the gradients of x, the weights and the filter: size 0 for those not asked for."""
    *of_shape, for_input, for_weights, for_filter = settings
    *grads, of_factor, of_weight = empty_gradients(
        grad_output, (w1, b1, w2, b2), (factor, weight), for_input, for_weights, for_filter
    )
    factors = _contiguous(factor, weight)
    shape = _shape(grad_output, w1, factors, *of_shape)
    if grad_output.numel():
        if weight is not None and for_filter:
            of_factor = w1.new_empty(shape.blocks, *factor.shape)  # for each block
        addresses = [
            grads[0] if for_input else None,
            _workspace(grad_output, shape),
            *(grads[1:] if for_weights else [None] * 4),
            *((of_factor, of_weight) if for_filter else [None] * 2),
        ]
        saved = spectrum, hidden, w1, w2, *factors
        _call('afno_backward', shape, grad_output.contiguous(), *saved, *addresses)
        if weight is not None and for_filter:
            of_factor = of_factor.sum(0)
    return *grads, of_factor, of_weight


def _contiguous(*factors):
    return [None if t is None else t.contiguous() for t in factors]


_afno, _gradient = define(
    'cpu',
    _forward,
    _backward,
    _empty_saved,
    ('spectrum', 'hidden'),
    device_types='cpu',
    takes_factors=True,
)
