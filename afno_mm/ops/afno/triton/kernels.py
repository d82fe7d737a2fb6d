"""Triton kernels of the block MLP and its gradients.

Formula: ``hidden = relu(z w1 + b1)``, ``output = S(hidden w2 + b2)`` for each frequency and block
of channels, with complex products. ReLU and soft shrinkage S act on each part separately.

Layout: ``z``, ``output`` and their gradients are planar spectra, real ``(B, 2, M, C)``: real, then
imaginary parts of M frequencies in ``C = k * b`` channels. The hidden layer has ``k * h`` channels.
Weights are those of :func:`afno_mm.ops.block_mlp`: ``w1`` and ``w2`` in the dtype of the spectrum,
``b1`` and ``b2`` in float32. :func:`.tiles.store_mask` describes the mask. The frequencies of all
images are one list of ``rows = B * M``, cut into tiles.

Sums are in float32 and in a fixed order, so results repeat bit by bit. Channel counts are
compile-time constants. Triton then knows the alignment of each row, also for counts such as 440.

To change the MLP, change the fused kernels and :func:`linear_kernel` alike: :mod:`.block_mlp` takes
one or the other by block size. In backward, :func:`bias_gradient_kernel` runs first and multiplies
``grad_output`` by the mask in place. The other kernels read the masked gradient, so keep this
order. The mask stores one bit per value, so the slope of S must be 0 or 1. :mod:`.operator` scales
z, the biases and the threshold by one factor s. So ``S(s x, s threshold) = s S(x, threshold)`` must
hold, and a new bias needs this factor too. ``tests/ops/test_afno_backends.py`` compares all
backends with :mod:`afno_mm.ops.naive`.
"""

import triton
import triton.language as tl

from .tiles import (
    accumulate,
    apply_mask,
    load_parts,
    locate,
    multiply,
    multiply_add,
    relu,
    soft_shrink,
    store_mask,
    store_parts,
)


@triton.jit(do_not_specialize=['rows', 'modes'])
def fused_forward_kernel(
    z,
    w1,
    b1,
    w2,
    b2,
    output,
    mask,
    threshold,
    bias_scale,
    rows,
    modes,
    BLOCKS: tl.constexpr,
    BLOCK: tl.constexpr,
    HIDDEN: tl.constexpr,
    SHRINK: tl.constexpr,
    SAVE_MASK: tl.constexpr,
    PRECISION: tl.constexpr,
    TILE: tl.constexpr,
    BLOCK_TILE: tl.constexpr,
    HIDDEN_TILE: tl.constexpr,
):
    """Compute ``output = S(relu(z w1 + b1) w2 + b2)`` and, if SAVE_MASK, the mask.

    A program computes TILE rows and all channels of one block. It loops over tiles of the hidden
    layer, which stay in registers. Grid: (row tiles, blocks).
    """
    block = tl.program_id(1)
    first = tl.program_id(0) * TILE
    row = first + tl.arange(0, TILE)
    start, offset, in_rows, distance = locate(first, row, rows, modes, BLOCKS * BLOCK)
    channel = tl.arange(0, BLOCK_TILE)
    in_block = channel < BLOCK
    own_channel = (block * BLOCK + channel)[None, :]
    exists = in_rows & in_block[None, :]
    z_re, z_im = load_parts(z + start, offset + own_channel, distance, exists)
    WEIGHT_SIZE: tl.constexpr = BLOCKS * BLOCK * HIDDEN
    w1 += block * BLOCK * HIDDEN
    w2 += block * HIDDEN * BLOCK
    out_re = tl.zeros([TILE, BLOCK_TILE], tl.float32)
    out_im = tl.zeros([TILE, BLOCK_TILE], tl.float32)
    for unit_start in range(0, HIDDEN, HIDDEN_TILE):
        unit = unit_start + tl.arange(0, HIDDEN_TILE)
        in_hidden = unit < HIDDEN
        at = channel[:, None] * HIDDEN + unit[None, :]
        w_re, w_im = load_parts(w1, at, WEIGHT_SIZE, in_block[:, None] & in_hidden[None, :])
        b_re, b_im = load_parts(b1, block * HIDDEN + unit, BLOCKS * HIDDEN, in_hidden)
        h_re, h_im = multiply(z_re, z_im, w_re, w_im, PRECISION)
        h_re = relu(h_re + bias_scale * b_re[None, :]).to(z_re.dtype)
        h_im = relu(h_im + bias_scale * b_im[None, :]).to(z_re.dtype)
        at = unit[:, None] * BLOCK + channel[None, :]
        w_re, w_im = load_parts(w2, at, WEIGHT_SIZE, in_hidden[:, None] & in_block[None, :])
        out_re, out_im = multiply_add(h_re, h_im, w_re, w_im, out_re, out_im, PRECISION)
    b_re, b_im = load_parts(b2, block * BLOCK + channel, BLOCKS * BLOCK, in_block)
    out_re, out_im = out_re + bias_scale * b_re[None, :], out_im + bias_scale * b_im[None, :]
    if SHRINK:
        if SAVE_MASK:
            store_mask(
                mask, first, row, own_channel, exists, out_re, out_im, threshold, BLOCKS * BLOCK
            )
        out_re, out_im = soft_shrink(out_re, threshold), soft_shrink(out_im, threshold)
    store_parts(output + start, offset + own_channel, distance, exists, out_re, out_im)


@triton.jit(do_not_specialize=['rows', 'modes'])
def fused_backward_kernel(
    grad_output,
    z,
    w1,
    b1,
    w2,
    hidden,
    grad_hidden,
    grad_z,
    bias_scale,
    rows,
    modes,
    BLOCKS: tl.constexpr,
    BLOCK: tl.constexpr,
    HIDDEN: tl.constexpr,
    PRECISION: tl.constexpr,
    FOR_WEIGHTS: tl.constexpr,
    FOR_TOKENS: tl.constexpr,
    TILE: tl.constexpr,
    BLOCK_TILE: tl.constexpr,
    HIDDEN_TILE: tl.constexpr,
):
    """Recompute the hidden layer. Compute its gradient and the gradient of z.

    ``grad_hidden = (grad_output w2^H) [hidden > 0]`` and ``grad_z = grad_hidden w1^H``. Stores
    ``grad_z`` if FOR_TOKENS, ``hidden`` and ``grad_hidden`` if FOR_WEIGHTS. Grid: as in forward.
    """
    block = tl.program_id(1)
    first = tl.program_id(0) * TILE
    row = first + tl.arange(0, TILE)
    start, offset, in_rows, distance = locate(first, row, rows, modes, BLOCKS * BLOCK)
    of_hidden = locate(first, row, rows, modes, BLOCKS * HIDDEN)
    hidden_start, hidden_offset, _, hidden_distance = of_hidden
    channel = tl.arange(0, BLOCK_TILE)
    in_block = channel < BLOCK
    own_channel = (block * BLOCK + channel)[None, :]
    exists = in_rows & in_block[None, :]
    z_re, z_im = load_parts(z + start, offset + own_channel, distance, exists)
    g_re, g_im = load_parts(grad_output + start, offset + own_channel, distance, exists)
    WEIGHT_SIZE: tl.constexpr = BLOCKS * BLOCK * HIDDEN
    w1 += block * BLOCK * HIDDEN
    w2 += block * HIDDEN * BLOCK
    gz_re = tl.zeros([TILE, BLOCK_TILE], tl.float32)
    gz_im = tl.zeros([TILE, BLOCK_TILE], tl.float32)
    for unit_start in range(0, HIDDEN, HIDDEN_TILE):
        unit = unit_start + tl.arange(0, HIDDEN_TILE)
        in_hidden = unit < HIDDEN
        at = channel[:, None] * HIDDEN + unit[None, :]
        w1_re, w1_im = load_parts(w1, at, WEIGHT_SIZE, in_block[:, None] & in_hidden[None, :])
        b_re, b_im = load_parts(b1, block * HIDDEN + unit, BLOCKS * HIDDEN, in_hidden)
        h_re, h_im = multiply(z_re, z_im, w1_re, w1_im, PRECISION)
        h_re = relu(h_re + bias_scale * b_re[None, :])
        h_im = relu(h_im + bias_scale * b_im[None, :])
        at = unit[:, None] * BLOCK + channel[None, :]
        w2_re, w2_im = load_parts(w2, at, WEIGHT_SIZE, in_hidden[:, None] & in_block[None, :])
        # Swapped parts give the product with a conjugate, see multiply_add.
        gh_im, gh_re = multiply(g_im, g_re, tl.trans(w2_re), tl.trans(w2_im), PRECISION)
        gh_re = tl.where(h_re > 0, gh_re, 0.0).to(z_re.dtype)
        gh_im = tl.where(h_im > 0, gh_im, 0.0).to(z_re.dtype)
        if FOR_WEIGHTS:
            at = hidden_offset + (block * HIDDEN + unit)[None, :]
            hidden_exists = in_rows & in_hidden[None, :]
            to = hidden + hidden_start
            store_parts(to, at, hidden_distance, hidden_exists, h_re, h_im)
            to = grad_hidden + hidden_start
            store_parts(to, at, hidden_distance, hidden_exists, gh_re, gh_im)
        if FOR_TOKENS:
            w1_re, w1_im = tl.trans(w1_re), tl.trans(w1_im)
            gz_im, gz_re = multiply_add(gh_im, gh_re, w1_re, w1_im, gz_im, gz_re, PRECISION)
    if FOR_TOKENS:
        store_parts(grad_z + start, offset + own_channel, distance, exists, gz_re, gz_im)


@triton.jit(do_not_specialize=['rows', 'modes'])
def linear_kernel(
    a,
    w,
    minus_im,
    bias,
    out,
    mask,
    hidden,
    threshold,
    bias_scale,
    rows,
    modes,
    BLOCKS: tl.constexpr,
    INPUTS: tl.constexpr,
    OUTPUTS: tl.constexpr,
    STEP: tl.constexpr,
    SHRINK: tl.constexpr,
    SAVE_MASK: tl.constexpr,
    PRECISION: tl.constexpr,
    TILE: tl.constexpr,
    INPUT_TILE: tl.constexpr,
    OUTPUT_TILE: tl.constexpr,
):
    """Compute one product of the MLP or of its gradient, for blocks too large to fuse.

    STEP 'hidden':      ``out = relu(a w + bias)``
    STEP 'output':      ``out = S(a w + bias)``, and the mask if SAVE_MASK
    STEP 'grad_hidden': ``out = (a w^H) [hidden > 0]``
    STEP 'grad_input':  ``out = a w^H``

    ``minus_im`` is minus the imaginary part of w. A program computes TILE rows by OUTPUT_TILE
    channels. Grid: (row tiles * output tiles, blocks).
    """
    ADJOINT: tl.constexpr = (STEP == 'grad_hidden') or (STEP == 'grad_input')
    OUTPUT_TILES: tl.constexpr = (OUTPUTS + OUTPUT_TILE - 1) // OUTPUT_TILE
    block = tl.program_id(1)
    first = (tl.program_id(0) // OUTPUT_TILES) * TILE
    row = first + tl.arange(0, TILE)
    column = (tl.program_id(0) % OUTPUT_TILES) * OUTPUT_TILE + tl.arange(0, OUTPUT_TILE)
    start, offset, in_rows, distance = locate(first, row, rows, modes, BLOCKS * INPUTS)
    a += start
    start, out_offset, _, out_distance = locate(first, row, rows, modes, BLOCKS * OUTPUTS)
    in_outputs = column < OUTPUTS
    WEIGHT_SIZE: tl.constexpr = BLOCKS * INPUTS * OUTPUTS
    w += block * INPUTS * OUTPUTS
    minus_im += block * INPUTS * OUTPUTS
    re = tl.zeros([TILE, OUTPUT_TILE], tl.float32)
    im = tl.zeros([TILE, OUTPUT_TILE], tl.float32)
    for input_start in range(0, INPUTS, INPUT_TILE):
        channel = input_start + tl.arange(0, INPUT_TILE)
        in_inputs = channel < INPUTS
        exists = in_rows & in_inputs[None, :]
        own_channel = (block * INPUTS + channel)[None, :]
        a_re, a_im = load_parts(a, offset + own_channel, distance, exists)
        in_weight = in_inputs[:, None] & in_outputs[None, :]
        if ADJOINT:
            # Swapped parts give the product with a conjugate, see multiply_add.
            a_re, a_im = a_im, a_re
            at = column[None, :] * INPUTS + channel[:, None]
        else:
            at = channel[:, None] * OUTPUTS + column[None, :]
        w_re, w_im = load_parts(w, at, WEIGHT_SIZE, in_weight)
        w_minus = tl.load(minus_im + at, mask=in_weight, other=0.0)
        re = tl.dot(a_re, w_re, re, input_precision=PRECISION)
        re = tl.dot(a_im, w_minus, re, input_precision=PRECISION)
        im = tl.dot(a_re, w_im, im, input_precision=PRECISION)
        im = tl.dot(a_im, w_re, im, input_precision=PRECISION)
    exists = in_rows & in_outputs[None, :]
    own_column = (block * OUTPUTS + column)[None, :]
    if ADJOINT:
        re, im = im, re
    else:
        b_re, b_im = load_parts(bias, block * OUTPUTS + column, BLOCKS * OUTPUTS, in_outputs)
        re, im = re + bias_scale * b_re[None, :], im + bias_scale * b_im[None, :]
    if STEP == 'hidden':
        re, im = relu(re), relu(im)
    if STEP == 'grad_hidden':
        h_re, h_im = load_parts(hidden + start, out_offset + own_column, out_distance, exists)
        re, im = tl.where(h_re > 0, re, 0.0), tl.where(h_im > 0, im, 0.0)
    if SHRINK and STEP == 'output':
        if SAVE_MASK:
            store_mask(mask, first, row, own_column, exists, re, im, threshold, BLOCKS * OUTPUTS)
        re, im = soft_shrink(re, threshold), soft_shrink(im, threshold)
    store_parts(out + start, out_offset + own_column, out_distance, exists, re, im)


@triton.jit(do_not_specialize=['rows', 'modes', 'rows_per_part'])
def weight_gradient_kernel(
    a,
    grad,
    grad_w,
    scale,
    rows,
    modes,
    rows_per_part,
    BLOCKS: tl.constexpr,
    INPUTS: tl.constexpr,
    OUTPUTS: tl.constexpr,
    PRECISION: tl.constexpr,
    TILE: tl.constexpr,
    INPUT_TILE: tl.constexpr,
    OUTPUT_TILE: tl.constexpr,
):
    """Compute one part of ``grad_w = scale * a^H grad``: the sum over ``rows_per_part`` rows.

    The caller adds the parts. A program computes one tile of ``grad_w`` for one block and one part.
    Grid: (input tiles * output tiles, blocks, parts).
    """
    OUTPUT_TILES: tl.constexpr = (OUTPUTS + OUTPUT_TILE - 1) // OUTPUT_TILE
    block, part = tl.program_id(1), tl.program_id(2)
    channel = (tl.program_id(0) // OUTPUT_TILES) * INPUT_TILE + tl.arange(0, INPUT_TILE)
    column = (tl.program_id(0) % OUTPUT_TILES) * OUTPUT_TILE + tl.arange(0, OUTPUT_TILE)
    own_channel = (block * INPUTS + channel)[None, :]
    own_column = (block * OUTPUTS + column)[None, :]
    in_inputs, in_outputs = channel < INPUTS, column < OUTPUTS
    plus = tl.zeros([INPUT_TILE, OUTPUT_TILE], tl.float32)
    minus = tl.zeros([INPUT_TILE, OUTPUT_TILE], tl.float32)
    w_re = tl.zeros([INPUT_TILE, OUTPUT_TILE], tl.float32)
    for step in range(0, tl.minimum(rows_per_part, rows - part * rows_per_part), TILE):
        first = part * rows_per_part + step
        row = first + tl.arange(0, TILE)
        start, offset, in_rows, distance = locate(first, row, rows, modes, BLOCKS * INPUTS)
        exists = in_rows & in_inputs[None, :]
        a_re, a_im = load_parts(a + start, offset + own_channel, distance, exists)
        start, offset, in_rows, distance = locate(first, row, rows, modes, BLOCKS * OUTPUTS)
        exists = in_rows & in_outputs[None, :]
        g_re, g_im = load_parts(grad + start, offset + own_column, distance, exists)
        # Swapped parts give the product with a conjugate, see multiply_add.
        a_re, a_im = tl.trans(a_re), tl.trans(a_im)
        plus, minus, w_re = accumulate(a_re, a_im, g_im, g_re, plus, minus, w_re, PRECISION)
    w_re, w_im = scale * w_re, scale * (plus - minus)
    WEIGHT_SIZE: tl.constexpr = BLOCKS * INPUTS * OUTPUTS
    grad_w += part.to(tl.int64) * (2 * WEIGHT_SIZE) + block * INPUTS * OUTPUTS
    at = channel[:, None] * OUTPUTS + column[None, :]
    store_parts(grad_w, at, WEIGHT_SIZE, in_inputs[:, None] & in_outputs[None, :], w_re, w_im)


@triton.jit(do_not_specialize=['rows', 'modes', 'rows_per_part'])
def bias_gradient_kernel(
    grad,
    mask,
    grad_b,
    scale,
    rows,
    modes,
    rows_per_part,
    CHANNELS: tl.constexpr,
    SHRINK: tl.constexpr,
    TILE: tl.constexpr,
    CHANNEL_TILE: tl.constexpr,
):
    """Compute one part of ``grad_b = scale * sum(grad)``: the sum over ``rows_per_part`` rows.

    If SHRINK, first multiply ``grad`` by the mask in place. Grid: (channel tiles, parts).
    """
    part = tl.program_id(1)
    channel = tl.program_id(0) * CHANNEL_TILE + tl.arange(0, CHANNEL_TILE)
    in_channels = channel < CHANNELS
    b_re = tl.zeros([CHANNEL_TILE], tl.float32)
    b_im = tl.zeros([CHANNEL_TILE], tl.float32)
    for step in range(0, tl.minimum(rows_per_part, rows - part * rows_per_part), TILE):
        first = part * rows_per_part + step
        row = first + tl.arange(0, TILE)
        start, offset, in_rows, distance = locate(first, row, rows, modes, CHANNELS)
        exists = in_rows & in_channels[None, :]
        offset += channel[None, :]
        g_re, g_im = load_parts(grad + start, offset, distance, exists)
        if SHRINK:
            g_re, g_im = apply_mask(
                mask, first, row, channel[None, :], exists, g_re, g_im, CHANNELS
            )
            store_parts(grad + start, offset, distance, exists, g_re, g_im)
        b_re += tl.sum(g_re.to(tl.float32), 0)
        b_im += tl.sum(g_im.to(tl.float32), 0)
    grad_b += part.to(tl.int64) * (2 * CHANNELS)
    store_parts(grad_b, channel, CHANNELS, in_channels, scale * b_re, scale * b_im)
