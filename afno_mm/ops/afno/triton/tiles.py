"""Operations on tiles that the kernels of :mod:`.kernels` share.

A tile is a pair of register tensors, the real and the imaginary part, of shape
``(rows, channels)``. Planar tensors ``(B, 2, M, C)`` hold the parts apart: the imaginary part of a
number is ``M * C`` values behind the real part. Weights ``(2, k, inputs, outputs)`` and biases
``(2, k, outputs)`` likewise. Offsets have 64 bits.
"""

import triton
import triton.language as tl


@triton.jit
def multiply_add(a_re, a_im, b_re, b_im, c_re, c_im, PRECISION: tl.constexpr):
    """Return ``c + a b``.

    Swapping the parts of a number z gives ``i conj(z)``. So with the parts of ``a`` and ``c``
    swapped, this returns ``c + a conj(b)``; with those of ``b`` and ``c`` swapped,
    ``c + conj(a) b``. The result is swapped like ``c``.
    """
    c_im = tl.dot(a_re, b_im, c_im, input_precision=PRECISION)
    c_im = tl.dot(a_im, b_re, c_im, input_precision=PRECISION)
    c_re = tl.dot(a_re, b_re, c_re, input_precision=PRECISION)
    c_re = tl.dot(-a_im, b_im, c_re, input_precision=PRECISION)
    return c_re, c_im


@triton.jit
def multiply(a_re, a_im, b_re, b_im, PRECISION: tl.constexpr):
    """Return ``a b``. It subtracts two products, while :func:`multiply_add` negates ``a_im``."""
    c_im = tl.dot(a_re, b_im, input_precision=PRECISION)
    c_im = tl.dot(a_im, b_re, c_im, input_precision=PRECISION)
    c_re = tl.dot(a_re, b_re, input_precision=PRECISION)
    c_re -= tl.dot(a_im, b_im, input_precision=PRECISION)
    return c_re, c_im


@triton.jit
def accumulate(a_re, a_im, b_re, b_im, plus, minus, im, PRECISION: tl.constexpr):
    """Add the products of ``a b`` to three sums. The result is ``plus - minus`` and ``im``.

    Operands go from memory to tensor cores as they are. :func:`multiply_add` negates ``a_im``,
    which takes it through registers. Swapped parts give conjugates in both functions.
    """
    plus = tl.dot(a_re, b_re, plus, input_precision=PRECISION)
    minus = tl.dot(a_im, b_im, minus, input_precision=PRECISION)
    im = tl.dot(a_re, b_im, im, input_precision=PRECISION)
    im = tl.dot(a_im, b_re, im, input_precision=PRECISION)
    return plus, minus, im


@triton.jit
def locate(row, rows, modes, CHANNELS: tl.constexpr):
    """Return the offset of ``row``, whether it exists, and the distance between its two parts.

    ``row`` counts the frequencies of all images. There are ``modes`` per image, ``rows`` in total.
    """
    image = (row // modes).to(tl.int64)
    distance = modes.to(tl.int64) * CHANNELS
    return ((row + image * modes) * CHANNELS)[:, None], (row < rows)[:, None], distance


@triton.jit
def load_parts(pointer, distance, exists):
    re = tl.load(pointer, mask=exists, other=0.0)
    return re, tl.load(pointer + distance, mask=exists, other=0.0)


@triton.jit
def store_parts(pointer, distance, exists, re, im):
    tl.store(pointer, re.to(pointer.dtype.element_ty), mask=exists)
    tl.store(pointer + distance, im.to(pointer.dtype.element_ty), mask=exists)


@triton.jit
def relu(x):
    return tl.where(x < 0, 0.0, x)  # tl.maximum would drop NaN


@triton.jit
def soft_shrink(x, threshold):
    return x - tl.minimum(tl.maximum(x, -threshold), threshold)  # NaN stays NaN


@triton.jit
def store_mask(mask, row, channel, exists, re, im, threshold, CHANNELS: tl.constexpr):
    """Store the mask of the shrinkage, uint8 ``(B, M, C)``.

    Bit 0 = real part kept, bit 1 = imaginary part kept.
    """
    bits = (tl.abs(re) > threshold).to(tl.uint8)
    bits += (tl.abs(im) > threshold).to(tl.uint8) * 2
    tl.store(mask + (row.to(tl.int64)[:, None] * CHANNELS + channel), bits, mask=exists)


@triton.jit
def apply_mask(mask, row, channel, exists, re, im, CHANNELS: tl.constexpr):
    """Set a gradient to 0 where the mask is 0: there the shrinkage set the output to 0."""
    at = row.to(tl.int64)[:, None] * CHANNELS + channel
    bits = tl.load(mask + at, mask=exists, other=0)
    return tl.where((bits & 1) != 0, re, 0.0), tl.where((bits & 2) != 0, im, 0.0)
