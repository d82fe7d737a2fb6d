"""The block MLP on planar spectra by Triton: which kernels run, and in what tiles.

Small blocks run fused: one kernel reads the spectrum once and never writes the hidden layer,
and its backward recomputes it. The fused kernels hold all channels of a block at once, as
operands, sums, or both. Above 128 channels in half precision, 32 to 64 in float32, that takes
more registers and shared memory than there are. Such blocks run one product at a time: their
time goes into products anyway, and their tiles can follow the block's size closely, where
fused ones are powers of two (208 channels padded to 256 by 256 are half as many again).
"""

import math

import torch

from . import kernels

# float32 where tf32 is not allowed: three tf32 products for each, exact to about 1e-6.
# Triton's own 'ieee' does without tensor cores.
EXACT = 'tf32x3'
# Programs to split a weight gradient into, for the largest GPUs; fixed, so that sums are
# ordered alike on all.
GRADIENT_PROGRAMS = 512

# Tiles by kind of product (:func:`_kind`). Chosen by what Triton 3.9 compiles them to for
# compute capabilities 8.0, 8.6 and 9.0, not by timing: spilled registers stay below 200 bytes a
# thread (450 in 'exact'), shared memory below the 99 KB that 8.6 has.
# Of the fused kernels, by block size rounded up to a power of two: rows, hidden units, warps,
# stages. A block that is not here runs one product at a time.
FUSED_FORWARD = {
    'half': {32: (128, 32, 4, 2), 64: (128, 64, 8, 2), 128: (64, 32, 4, 2)},
    'tf32': {32: (64, 32, 4, 2), 64: (64, 32, 4, 2)},
    'exact': {32: (64, 32, 4, 2)},
}
FUSED_BACKWARD = {
    'half': {32: (128, 32, 4, 2), 64: (64, 32, 4, 2), 128: (32, 32, 4, 1)},
    'tf32': {32: (64, 32, 4, 2)},
    'exact': {32: (64, 32, 4, 2)},
}
# Rows, inputs, outputs, warps, stages.
LINEAR = {'half': (128, 32, 64, 8, 3), 'tf32': (64, 32, 64, 4, 2), 'exact': (128, 32, 32, 8, 3)}
WEIGHT_GRADIENT = {
    'half': (32, 64, 64, 8, 4),
    'tf32': (32, 64, 64, 8, 2),
    'exact': (32, 32, 64, 8, 3),
}


def forward(z, weights, threshold, keep):
    """The MLP of a spectrum.

    Args:
        z (Tensor): Contiguous ``(B, 2, M, C)``, float32, float16 or bfloat16.
        weights (tuple[Tensor]): ``w1, b1, w2, b2`` as the kernels take them.
        threshold (float): lambda. 0 means no shrinkage.
        keep (bool): Whether :func:`backward` will follow.

    Returns:
        tuple[Tensor, Tensor]: The result, as ``z``; what survives the shrinkage, uint8
        ``(B, M, C)`` with bit 0 for real and bit 1 for imaginary parts, or nothing.
    """
    w1, b1, w2, b2 = weights
    _, k, b, h = w1.shape
    out = torch.empty_like(z)
    shrink = threshold != 0
    survivors = z.new_empty((z.shape[0], *z.shape[2:]) if keep and shrink else 0, dtype=torch.uint8)
    flags = dict(SHRINK=shrink, KEEP=keep, PRECISION=_precision(z))
    tile = _fused_tile(FUSED_FORWARD, z, b)
    if tile is None:
        hidden = _linear('hidden', z, w1, b1, 0.0, flags | dict(SHRINK=False))
        _linear('output', hidden, w2, b2, threshold, flags, survivors=survivors, out=out)
    else:
        rows, hidden_tile, warps, stages = tile
        _launch(kernels.fused_forward_kernel, z, rows, k)(
            z,
            w1,
            b1,
            w2,
            b2,
            out,
            survivors,
            threshold,
            *_counts(z),
            BLOCKS=k,
            BLOCK=b,
            HIDDEN=h,
            **flags,
            TILE=rows,
            BLOCK_TILE=_power_of_2(b),
            HIDDEN_TILE=min(hidden_tile, _power_of_2(h)),
            num_warps=warps,
            num_stages=stages,
        )
    return out, survivors


def backward(g, survivors, z, weights, shrink, for_tokens, for_weights):
    """Gradients of :func:`forward`, given that of its result.

    Returns:
        tuple[Tensor | None, tuple[Tensor] | None]: The gradient of ``z``, if ``for_tokens``;
        those of ``w1, b1, w2, b2`` in float32, if ``for_weights``.
    """
    w1, b1, w2, _ = weights
    _, k, b, h = w1.shape
    flags = dict(SHRINK=shrink, PRECISION=_precision(z))
    tile = _fused_tile(FUSED_BACKWARD, z, b)
    if tile is None:
        flags |= dict(KEEP=False)
        hidden = _linear('hidden', z, w1, b1, 0.0, flags)
        d_hidden = _linear('d_hidden', g, w2, b1, 0.0, flags, survivors=survivors, gate=hidden)
        dz = _linear('d_input', d_hidden, w1, b1, 0.0, flags) if for_tokens else None
    else:
        shape = (*z.shape[:3], k * h)
        hidden, d_hidden = (z.new_empty(shape if for_weights else 0) for _ in range(2))
        dz = torch.empty_like(z) if for_tokens else None
        rows, hidden_tile, warps, stages = tile
        _launch(kernels.fused_backward_kernel, z, rows, k)(
            g,
            survivors,
            z,
            w1,
            b1,
            w2,
            hidden,
            d_hidden,
            dz if for_tokens else z,
            *_counts(z),
            BLOCKS=k,
            BLOCK=b,
            HIDDEN=h,
            **flags,
            FOR_WEIGHTS=for_weights,
            FOR_TOKENS=for_tokens,
            TILE=rows,
            BLOCK_TILE=_power_of_2(b),
            HIDDEN_TILE=min(hidden_tile, _power_of_2(h)),
            num_warps=warps,
            num_stages=stages,
        )
    if not for_weights:
        return dz, None
    return dz, (*_weight_gradient(z, d_hidden, k), *_weight_gradient(hidden, g, k, survivors))


def is_exact(dtype):
    """Whether products of ``dtype`` are to be exact, for which cuBLAS leaves the tensor cores."""
    return dtype == torch.float32 and not _tf32_is_allowed()


def _linear(step, a, w, bias, threshold, flags, survivors=None, gate=None, out=None):
    _, k, *sizes = w.shape
    inputs, outputs = sizes if step in ('hidden', 'output') else sizes[::-1]
    if out is None:
        out = a.new_empty(*a.shape[:3], k * outputs)
    rows, input_tile, output_tile, warps, stages = LINEAR[_kind(a)]
    output_tile = _fitting(outputs, output_tile)
    _launch(kernels.linear_kernel, a, rows, k, math.ceil(outputs / output_tile))(
        a,
        w,
        bias,
        out,
        out if survivors is None else survivors,
        out if gate is None else gate,
        threshold,
        *_counts(a),
        BLOCKS=k,
        INPUTS=inputs,
        OUTPUTS=outputs,
        STEP=step,
        **flags,
        TILE=rows,
        INPUT_TILE=_fitting(inputs, input_tile),
        OUTPUT_TILE=output_tile,
        num_warps=warps,
        num_stages=stages,
    )
    return out


def _weight_gradient(a, g, num_blocks, survivors=None):
    """``a^H g`` and the sum of ``g`` per block, of ``g`` only what survives."""
    inputs, outputs = a.shape[-1] // num_blocks, g.shape[-1] // num_blocks
    tile, input_tile, output_tile, warps, stages = WEIGHT_GRADIENT[_kind(a)]
    input_tile = _fitting(inputs, input_tile)
    output_tile = _fitting(outputs, output_tile)
    tiles = math.ceil(inputs / input_tile) * math.ceil(outputs / output_tile)
    rows, modes = _counts(a)
    per_part = math.ceil(rows * tiles * num_blocks / GRADIENT_PROGRAMS / tile) * tile
    parts = math.ceil(rows / per_part)
    dw = a.new_empty(parts, 2, num_blocks, inputs, outputs, dtype=torch.float32)
    db = a.new_empty(parts, 2, num_blocks, outputs, dtype=torch.float32)
    shrink = survivors is not None and survivors.numel() > 0
    kernels.weight_gradient_kernel[tiles, num_blocks, parts](
        a,
        g,
        survivors if shrink else a,
        dw,
        db,
        rows,
        modes,
        per_part,
        BLOCKS=num_blocks,
        INPUTS=inputs,
        OUTPUTS=outputs,
        SHRINK=shrink,
        PRECISION=_precision(a),
        TILE=tile,
        INPUT_TILE=input_tile,
        OUTPUT_TILE=output_tile,
        num_warps=warps,
        num_stages=stages,
    )
    return dw.sum(0), db.sum(0)


def _launch(kernel, a, tile, num_blocks, columns=1):
    rows, _ = _counts(a)
    return kernel[math.ceil(rows / tile) * columns, num_blocks]


def _counts(z):
    batch, _, modes, _ = z.shape
    return batch * modes, modes


def _fused_tile(table, z, block_size):
    return table[_kind(z)].get(max(32, _power_of_2(block_size)))


def _fitting(size, most):
    """The largest tile that pads ``size`` by no more than a quarter; 32 if none does."""
    while most > 32 and math.ceil(size / most) * most > 1.25 * size:
        most //= 2
    return min(most, _power_of_2(size))


def _power_of_2(size):
    """The next one from 16 on, below which ``tl.dot`` takes no tiles."""
    return max(16, 1 << (size - 1).bit_length())


def _kind(z):
    if z.dtype != torch.float32:
        return 'half'
    return 'exact' if is_exact(z.dtype) else 'tf32'


def _precision(z):
    return EXACT if is_exact(z.dtype) else 'tf32'


def _tf32_is_allowed():
    try:
        return torch.backends.cuda.matmul.allow_tf32
    except RuntimeError:  # it was set by the newer name
        return torch.backends.cuda.matmul.fp32_precision == 'tf32'
