"""Operations on tiles that the kernels of :mod:`.kernels` share.

A tile is a pair of register tensors, the real and the imaginary part, of shape
``(rows, channels)``. Planar tensors ``(B, 2, M, C)`` hold the parts apart: the imaginary part of a
number is ``M * C`` values behind the real part. Weights ``(2, k, inputs, outputs)`` and biases
``(2, k, outputs)`` likewise.
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

    Unlike :func:`multiply_add`, it negates no operand: a negated ``a_im`` would go through
    registers on its way from memory to the tensor cores. With real and imaginary parts swapped,
    both functions conjugate.
    """
    plus = tl.dot(a_re, b_re, plus, input_precision=PRECISION)
    minus = tl.dot(a_im, b_im, minus, input_precision=PRECISION)
    im = tl.dot(a_re, b_im, im, input_precision=PRECISION)
    im = tl.dot(a_im, b_re, im, input_precision=PRECISION)
    return plus, minus, im


@triton.jit
def locate(first, row, rows, modes, CHANNELS: tl.constexpr):
    """Return where the numbers of the rows ``row`` are: ``first`` and those that follow it.

    Returns the offset of the first row, the offsets of all rows from it, whether each row exists,
    and the distance between the two parts of a number. ``row`` counts the frequencies of all
    images. There are ``modes`` per image, ``rows`` in total. Offsets from the first row have 32
    bits: they take half the registers of full offsets.
    """
    image = first // modes
    start = (first.to(tl.int64) + image.to(tl.int64) * modes) * CHANNELS
    offset = (row - first + (row // modes - image) * modes) * CHANNELS
    return start, offset[:, None], (row < rows)[:, None], modes.to(tl.int64) * CHANNELS


@triton.jit
def load_parts(pointer, offset, distance, exists):
    re = tl.load(pointer + offset, mask=exists, other=0.0)
    return re, tl.load((pointer + distance) + offset, mask=exists, other=0.0)


@triton.jit
def store_parts(pointer, offset, distance, exists, re, im):
    tl.store(pointer + offset, re.to(pointer.dtype.element_ty), mask=exists)
    tl.store((pointer + distance) + offset, im.to(pointer.dtype.element_ty), mask=exists)


@triton.jit
def relu(x):
    return tl.where(x < 0, 0.0, x)  # tl.maximum would drop NaN


@triton.jit
def soft_shrink(x, threshold):
    return x - tl.minimum(tl.maximum(x, -threshold), threshold)  # NaN stays NaN


@triton.jit
def store_mask(mask, first, row, channel, exists, re, im, threshold, CHANNELS: tl.constexpr):
    """Store the mask of the shrinkage, uint8 ``(B, M, C)``.

    Bit 0 = real part kept, bit 1 = imaginary part kept.
    """
    bits = (tl.abs(re) > threshold).to(tl.uint8)
    bits += (tl.abs(im) > threshold).to(tl.uint8) * 2
    mask += first.to(tl.int64) * CHANNELS
    tl.store(mask + ((row - first)[:, None] * CHANNELS + channel), bits, mask=exists)


@triton.jit
def apply_mask(mask, first, row, channel, exists, re, im, CHANNELS: tl.constexpr):
    """Set a gradient to 0 where the mask is 0: there the shrinkage set the output to 0."""
    mask += first.to(tl.int64) * CHANNELS
    bits = tl.load(mask + ((row - first)[:, None] * CHANNELS + channel), mask=exists, other=0)
    return tl.where((bits & 1) != 0, re, 0.0), tl.where((bits & 2) != 0, im, 0.0)
