"""Triton kernels of the block MLP and its gradients on planar spectra.

A spectrum is real ``(B, 2, M, C)``: real and imaginary parts of M frequencies, ``C = k * b``;
the hidden layer likewise, with ``k * h`` channels. Weights are those of
:func:`afno_mm.ops.block_mlp`, ``w1`` and ``w2`` in the dtype of the spectrum, ``b1`` and
``b2`` in float32. The frequencies of all images are one list of ``rows = B * M``, cut into
tiles. Sums are in float32 and in one fixed order, so results repeat bit by bit; offsets are
64 bits wide. Sizes of channels are compile-time constants, without which Triton cannot know
that rows of 440 values are aligned, and loads them one by one.
"""

import triton
import triton.language as tl


@triton.jit
def _multiply(a_re, a_im, b_re, b_im, c_re, c_im, PRECISION: tl.constexpr):
    """c + a b.

    With the parts of a and of c in swapped places, c + a conj(b); of b and c, c + conj(a) b.
    """
    c_im = tl.dot(a_re, b_im, c_im, input_precision=PRECISION)
    c_im = tl.dot(a_im, b_re, c_im, input_precision=PRECISION)
    c_re = tl.dot(a_re, b_re, c_re, input_precision=PRECISION)
    c_re = tl.dot(-a_im, b_im, c_re, input_precision=PRECISION)
    return c_re, c_im


@triton.jit
def _product(a_re, a_im, b_re, b_im, PRECISION: tl.constexpr):
    """a b, as :func:`_multiply`, for an a larger than the result, which it does not negate."""
    c_im = tl.dot(a_re, b_im, input_precision=PRECISION)
    c_im = tl.dot(a_im, b_re, c_im, input_precision=PRECISION)
    c_re = tl.dot(a_re, b_re, input_precision=PRECISION)
    c_re -= tl.dot(a_im, b_im, input_precision=PRECISION)
    return c_re, c_im


@triton.jit
def _rows(row, rows, modes, CHANNELS: tl.constexpr):
    """Offsets of rows' real parts, their mask, and the distance to the imaginary parts."""
    image = (row // modes).to(tl.int64)
    apart = modes.to(tl.int64) * CHANNELS
    return ((row + image * modes) * CHANNELS)[:, None], (row < rows)[:, None], apart


@triton.jit
def _load(pointer, offset, apart, mask):
    return (
        tl.load(pointer + offset, mask=mask, other=0.0),
        tl.load(pointer + offset + apart, mask=mask, other=0.0),
    )


@triton.jit
def _store(pointer, offset, apart, mask, re, im):
    tl.store(pointer + offset, re.to(pointer.dtype.element_ty), mask=mask)
    tl.store(pointer + offset + apart, im.to(pointer.dtype.element_ty), mask=mask)


@triton.jit
def _load_survivors(
    pointer,
    survivors,
    row,
    offset,
    apart,
    channel,
    mask,
    CHANNELS: tl.constexpr,
    SHRINK: tl.constexpr,
):
    """A gradient behind the shrinkage: zero where that was."""
    re, im = _load(pointer, offset + channel, apart, mask)
    if SHRINK:
        bits = tl.load(
            survivors + row.to(tl.int64)[:, None] * CHANNELS + channel, mask=mask, other=0
        )
        re = tl.where((bits & 1) != 0, re, 0.0)
        im = tl.where((bits & 2) != 0, im, 0.0)
    return re, im


@triton.jit
def _relu(x):
    return tl.where(x < 0, 0.0, x)  # tl.maximum would drop NaN


@triton.jit
def _shrink(x, threshold):
    return x - tl.minimum(tl.maximum(x, -threshold), threshold)  # NaN stays NaN


@triton.jit
def _store_shrunk(
    out,
    survivors,
    threshold,
    row,
    offset,
    apart,
    channel,
    mask,
    re,
    im,
    CHANNELS: tl.constexpr,
    SHRINK: tl.constexpr,
    KEEP: tl.constexpr,
):
    if SHRINK:
        if KEEP:
            bits = (tl.abs(re) > threshold).to(tl.uint8)
            bits += (tl.abs(im) > threshold).to(tl.uint8) * 2
            tl.store(survivors + row.to(tl.int64)[:, None] * CHANNELS + channel, bits, mask=mask)
        re, im = _shrink(re, threshold), _shrink(im, threshold)
    _store(out, offset + channel, apart, mask, re, im)


@triton.jit(do_not_specialize=['rows', 'modes'])
def fused_forward_kernel(
    z,
    w1,
    b1,
    w2,
    b2,
    out,
    survivors,
    threshold,
    rows,
    modes,
    BLOCKS: tl.constexpr,
    BLOCK: tl.constexpr,
    HIDDEN: tl.constexpr,
    SHRINK: tl.constexpr,
    KEEP: tl.constexpr,
    PRECISION: tl.constexpr,
    TILE: tl.constexpr,
    BLOCK_TILE: tl.constexpr,
    HIDDEN_TILE: tl.constexpr,
):
    """out = S(relu(z w1 + b1) w2 + b2), a hidden tile at a time."""
    block = tl.program_id(1)
    row = tl.program_id(0) * TILE + tl.arange(0, TILE)
    offset, in_rows, apart = _rows(row, rows, modes, BLOCKS * BLOCK)
    channel = tl.arange(0, BLOCK_TILE)
    in_block = channel < BLOCK
    mask = in_rows & in_block[None, :]
    z_re, z_im = _load(z, offset + block * BLOCK + channel[None, :], apart, mask)
    SIZE: tl.constexpr = BLOCKS * BLOCK * HIDDEN
    w1 += block * BLOCK * HIDDEN
    w2 += block * HIDDEN * BLOCK
    o_re = tl.zeros([TILE, BLOCK_TILE], tl.float32)
    o_im = tl.zeros([TILE, BLOCK_TILE], tl.float32)
    for start in range(0, HIDDEN, HIDDEN_TILE):
        unit = start + tl.arange(0, HIDDEN_TILE)
        in_hidden = unit < HIDDEN
        w_re, w_im = _load(
            w1,
            channel[:, None] * HIDDEN + unit[None, :],
            SIZE,
            in_block[:, None] & in_hidden[None, :],
        )
        bias_re, bias_im = _load(b1, block * HIDDEN + unit, BLOCKS * HIDDEN, in_hidden)
        h_re, h_im = _product(z_re, z_im, w_re, w_im, PRECISION)
        h_re = _relu(h_re + bias_re[None, :]).to(z_re.dtype)
        h_im = _relu(h_im + bias_im[None, :]).to(z_re.dtype)
        w_re, w_im = _load(
            w2,
            unit[:, None] * BLOCK + channel[None, :],
            SIZE,
            in_hidden[:, None] & in_block[None, :],
        )
        o_re, o_im = _multiply(h_re, h_im, w_re, w_im, o_re, o_im, PRECISION)
    bias_re, bias_im = _load(b2, block * BLOCK + channel, BLOCKS * BLOCK, in_block)
    _store_shrunk(
        out,
        survivors,
        threshold,
        row,
        offset,
        apart,
        (block * BLOCK + channel)[None, :],
        mask,
        o_re + bias_re[None, :],
        o_im + bias_im[None, :],
        BLOCKS * BLOCK,
        SHRINK,
        KEEP,
    )


@triton.jit(do_not_specialize=['rows', 'modes'])
def fused_backward_kernel(
    g,
    survivors,
    z,
    w1,
    b1,
    w2,
    hidden,
    d_hidden,
    dz,
    rows,
    modes,
    BLOCKS: tl.constexpr,
    BLOCK: tl.constexpr,
    HIDDEN: tl.constexpr,
    SHRINK: tl.constexpr,
    FOR_WEIGHTS: tl.constexpr,
    FOR_TOKENS: tl.constexpr,
    PRECISION: tl.constexpr,
    TILE: tl.constexpr,
    BLOCK_TILE: tl.constexpr,
    HIDDEN_TILE: tl.constexpr,
):
    """dz; and for the weights the hidden layer and its gradient, both before its ReLU."""
    block = tl.program_id(1)
    row = tl.program_id(0) * TILE + tl.arange(0, TILE)
    offset, in_rows, apart = _rows(row, rows, modes, BLOCKS * BLOCK)
    hidden_offset, _, hidden_apart = _rows(row, rows, modes, BLOCKS * HIDDEN)
    channel = tl.arange(0, BLOCK_TILE)
    in_block = channel < BLOCK
    mask = in_rows & in_block[None, :]
    own = (block * BLOCK + channel)[None, :]
    z_re, z_im = _load(z, offset + own, apart, mask)
    g_re, g_im = _load_survivors(
        g, survivors, row, offset, apart, own, mask, BLOCKS * BLOCK, SHRINK
    )
    SIZE: tl.constexpr = BLOCKS * BLOCK * HIDDEN
    w1 += block * BLOCK * HIDDEN
    w2 += block * HIDDEN * BLOCK
    dz_re = tl.zeros([TILE, BLOCK_TILE], tl.float32)
    dz_im = tl.zeros([TILE, BLOCK_TILE], tl.float32)
    for start in range(0, HIDDEN, HIDDEN_TILE):
        unit = start + tl.arange(0, HIDDEN_TILE)
        in_hidden = unit < HIDDEN
        w_re, w_im = _load(
            w1,
            channel[:, None] * HIDDEN + unit[None, :],
            SIZE,
            in_block[:, None] & in_hidden[None, :],
        )
        bias_re, bias_im = _load(b1, block * HIDDEN + unit, BLOCKS * HIDDEN, in_hidden)
        h_re, h_im = _product(z_re, z_im, w_re, w_im, PRECISION)
        h_re, h_im = _relu(h_re + bias_re[None, :]), _relu(h_im + bias_im[None, :])
        v_re, v_im = _load(
            w2,
            unit[:, None] * BLOCK + channel[None, :],
            SIZE,
            in_hidden[:, None] & in_block[None, :],
        )
        dh_im, dh_re = _product(g_im, g_re, tl.trans(v_re), tl.trans(v_im), PRECISION)
        dh_re = tl.where(h_re > 0, dh_re, 0.0).to(z_re.dtype)
        dh_im = tl.where(h_im > 0, dh_im, 0.0).to(z_re.dtype)
        if FOR_WEIGHTS:
            at = hidden_offset + (block * HIDDEN + unit)[None, :]
            _store(hidden, at, hidden_apart, in_rows & in_hidden[None, :], h_re, h_im)
            _store(d_hidden, at, hidden_apart, in_rows & in_hidden[None, :], dh_re, dh_im)
        if FOR_TOKENS:
            dz_im, dz_re = _multiply(
                dh_im, dh_re, tl.trans(w_re), tl.trans(w_im), dz_im, dz_re, PRECISION
            )
    if FOR_TOKENS:
        _store(dz, offset + own, apart, mask, dz_re, dz_im)


@triton.jit(do_not_specialize=['rows', 'modes'])
def linear_kernel(
    a,
    w,
    bias,
    out,
    survivors,
    gate,
    threshold,
    rows,
    modes,
    BLOCKS: tl.constexpr,
    INPUTS: tl.constexpr,
    OUTPUTS: tl.constexpr,
    STEP: tl.constexpr,
    SHRINK: tl.constexpr,
    KEEP: tl.constexpr,
    PRECISION: tl.constexpr,
    TILE: tl.constexpr,
    INPUT_TILE: tl.constexpr,
    OUTPUT_TILE: tl.constexpr,
):
    """One product of the MLP, for blocks too large to fuse.

    By STEP, 'hidden': relu(a w + bias); 'output': S(a w + bias);
    'd_hidden': (a, zero where shrunk) w^H, zero where the ReLU of ``gate`` was;
    'd_input': a w^H.
    """
    ADJOINT: tl.constexpr = (STEP == 'd_hidden') or (STEP == 'd_input')
    COLUMNS: tl.constexpr = (OUTPUTS + OUTPUT_TILE - 1) // OUTPUT_TILE
    block = tl.program_id(1)
    row = (tl.program_id(0) // COLUMNS) * TILE + tl.arange(0, TILE)
    column = (tl.program_id(0) % COLUMNS) * OUTPUT_TILE + tl.arange(0, OUTPUT_TILE)
    offset, in_rows, apart = _rows(row, rows, modes, BLOCKS * INPUTS)
    out_offset, _, out_apart = _rows(row, rows, modes, BLOCKS * OUTPUTS)
    in_columns = column < OUTPUTS
    SIZE: tl.constexpr = BLOCKS * INPUTS * OUTPUTS
    w += block * INPUTS * OUTPUTS
    re = tl.zeros([TILE, OUTPUT_TILE], tl.float32)
    im = tl.zeros([TILE, OUTPUT_TILE], tl.float32)
    for start in range(0, INPUTS, INPUT_TILE):
        channel = start + tl.arange(0, INPUT_TILE)
        in_block = channel < INPUTS
        mask = in_rows & in_block[None, :]
        own = (block * INPUTS + channel)[None, :]
        a_re, a_im = _load_survivors(
            a,
            survivors,
            row,
            offset,
            apart,
            own,
            mask,
            BLOCKS * INPUTS,
            SHRINK and STEP == 'd_hidden',
        )
        in_both = in_block[:, None] & in_columns[None, :]
        if ADJOINT:
            w_re, w_im = _load(w, column[None, :] * INPUTS + channel[:, None], SIZE, in_both)
            im, re = _multiply(a_im, a_re, w_re, w_im, im, re, PRECISION)
        else:
            w_re, w_im = _load(w, channel[:, None] * OUTPUTS + column[None, :], SIZE, in_both)
            re, im = _multiply(a_re, a_im, w_re, w_im, re, im, PRECISION)
    mask = in_rows & in_columns[None, :]
    own = (block * OUTPUTS + column)[None, :]
    if not ADJOINT:
        bias_re, bias_im = _load(bias, block * OUTPUTS + column, BLOCKS * OUTPUTS, in_columns)
        re, im = re + bias_re[None, :], im + bias_im[None, :]
    if STEP == 'hidden':
        re, im = _relu(re), _relu(im)
    if STEP == 'd_hidden':
        gate_re, gate_im = _load(gate, out_offset + own, out_apart, mask)
        re, im = tl.where(gate_re > 0, re, 0.0), tl.where(gate_im > 0, im, 0.0)
    _store_shrunk(
        out,
        survivors,
        threshold,
        row,
        out_offset,
        out_apart,
        own,
        mask,
        re,
        im,
        BLOCKS * OUTPUTS,
        SHRINK and STEP == 'output',
        KEEP,
    )


@triton.jit(do_not_specialize=['rows', 'modes', 'rows_per_part'])
def weight_gradient_kernel(
    a,
    g,
    survivors,
    dw,
    db,
    rows,
    modes,
    rows_per_part,
    BLOCKS: tl.constexpr,
    INPUTS: tl.constexpr,
    OUTPUTS: tl.constexpr,
    SHRINK: tl.constexpr,
    PRECISION: tl.constexpr,
    TILE: tl.constexpr,
    INPUT_TILE: tl.constexpr,
    OUTPUT_TILE: tl.constexpr,
):
    """One part of dw = a^H g and db = sum of g, over ``rows_per_part`` rows."""
    COLUMNS: tl.constexpr = (OUTPUTS + OUTPUT_TILE - 1) // OUTPUT_TILE
    block = tl.program_id(1)
    part = tl.program_id(2)
    channel = (tl.program_id(0) // COLUMNS) * INPUT_TILE + tl.arange(0, INPUT_TILE)
    column = (tl.program_id(0) % COLUMNS) * OUTPUT_TILE + tl.arange(0, OUTPUT_TILE)
    in_block, in_columns = channel < INPUTS, column < OUTPUTS
    dw_re = tl.zeros([INPUT_TILE, OUTPUT_TILE], tl.float32)
    dw_im = tl.zeros([INPUT_TILE, OUTPUT_TILE], tl.float32)
    db_re = tl.zeros([OUTPUT_TILE], tl.float32)
    db_im = tl.zeros([OUTPUT_TILE], tl.float32)
    for start in range(part * rows_per_part, tl.minimum((part + 1) * rows_per_part, rows), TILE):
        row = start + tl.arange(0, TILE)
        offset, in_rows, apart = _rows(row, rows, modes, BLOCKS * INPUTS)
        a_re, a_im = _load(
            a, offset + (block * INPUTS + channel)[None, :], apart, in_rows & in_block[None, :]
        )
        offset, _, apart = _rows(row, rows, modes, BLOCKS * OUTPUTS)
        g_re, g_im = _load_survivors(
            g,
            survivors,
            row,
            offset,
            apart,
            (block * OUTPUTS + column)[None, :],
            in_rows & in_columns[None, :],
            BLOCKS * OUTPUTS,
            SHRINK,
        )
        dw_im, dw_re = _multiply(
            tl.trans(a_re), tl.trans(a_im), g_im, g_re, dw_im, dw_re, PRECISION
        )
        db_re += tl.sum(g_re.to(tl.float32), 0)
        db_im += tl.sum(g_im.to(tl.float32), 0)
    SIZE: tl.constexpr = BLOCKS * INPUTS * OUTPUTS
    at = block * INPUTS * OUTPUTS + channel[:, None] * OUTPUTS + column[None, :]
    _store(
        dw + part.to(tl.int64) * (2 * SIZE),
        at,
        SIZE,
        in_block[:, None] & in_columns[None, :],
        dw_re,
        dw_im,
    )
    if tl.program_id(0) < COLUMNS:
        _store(
            db + part.to(tl.int64) * (2 * BLOCKS * OUTPUTS),
            block * OUTPUTS + column,
            BLOCKS * OUTPUTS,
            in_columns,
            db_re,
            db_im,
        )
