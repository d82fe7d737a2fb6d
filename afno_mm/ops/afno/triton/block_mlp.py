"""The block MLP on planar spectra and its gradients: which kernels run, and in which tiles.

Small blocks run fused: one kernel reads the spectrum once and never writes the hidden layer; its
backward recomputes that. Fused kernels hold all channels of a block at once, as operands and sums.
Above 128 channels in half precision, or 32 to 64 in float32, registers and shared memory do not
suffice. Such blocks run one product at a time: products take most of their time anyway, and their
tiles can follow the block size closely, while fused tiles are powers of two (a block of 208
channels padded to 256 by 256 takes 1.5 times the work).
"""

import math

import torch
from torch import Tensor

from ...block_mlp import Weights
from . import kernels

# By kind of product (:func:`_kind`). 'exact' takes three tf32 products for each product and is
# exact to about 1e-6. Triton's 'ieee' does not use tensor cores.
PRECISIONS = {'half': 'tf32', 'tf32': 'tf32', 'exact': 'tf32x3'}
# Programs that share a weight gradient, enough for the largest GPUs. The number is fixed, so that
# all GPUs add in the same order.
GRADIENT_PROGRAMS = 512

# Tiles by kind of product (:func:`_kind`). They come from what Triton 3.9 compiles for compute
# capabilities 8.0, 8.6 and 9.0, not from timings: less than 200 bytes of spilled registers a thread
# (450 for 'exact'), and less than the 99 KB of shared memory of capability 8.6.
# Fused kernels, by block size rounded up to a power of two: rows, hidden units, warps, stages. A
# size that is not here runs one product at a time.
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


def forward(z: Tensor, weights: Weights, threshold: float, keep: bool) -> tuple[Tensor, Tensor]:
    """Compute the MLP of a contiguous spectrum ``(B, 2, M, C)``; threshold 0 turns shrinkage off.

    Returns:
        The output, like ``z``; the mask of the shrinkage, uint8 ``(B, M, C)``, empty without
        shrinkage or ``keep``. Mask bits: 0 = real part kept, 1 = imaginary part kept.
    """
    w1, b1, w2, b2 = weights
    shrink = threshold != 0
    output = torch.empty_like(z)
    batch, _, modes, channels = z.shape
    mask = z.new_empty((batch, modes, channels) if keep and shrink else 0, dtype=torch.uint8)
    sizes = _fused_sizes(FUSED_FORWARD, z, w1)
    if sizes is None:
        hidden = _linear('hidden', z, w1, b1)
        _linear('output', hidden, w2, b2, threshold, shrink, keep, mask=mask, out=output)
    else:
        arguments = z, w1, b1, w2, b2, output, mask, threshold, *_counts(z)
        kernel = kernels.fused_forward_kernel[_grid(z, w1, sizes)]
        kernel(*arguments, SHRINK=shrink, SAVE_MASK=keep, **sizes)
    return output, mask


def backward(
    grad_output: Tensor,
    mask: Tensor,
    z: Tensor,
    weights: Weights,
    shrink: bool,
    for_tokens: bool,
    for_weights: bool,
) -> tuple[Tensor | None, Weights | None]:
    """Return the gradient of ``z``, and those of the weights in float32. None if not asked for."""
    w1, b1, w2, _ = weights
    blocks, hidden_size = w1.shape[1], w1.shape[3]
    sizes = _fused_sizes(FUSED_BACKWARD, z, w1)
    if sizes is None:
        hidden = _linear('hidden', z, w1, b1)
        grad_hidden = _linear(
            'grad_hidden', grad_output, w2, b1, shrink=shrink, mask=mask, hidden=hidden
        )
        grad_z = _linear('grad_input', grad_hidden, w1, b1) if for_tokens else None
    else:
        shape = (*z.shape[:3], blocks * hidden_size) if for_weights else 0
        hidden, grad_hidden = z.new_empty(shape), z.new_empty(shape)
        grad_z = torch.empty_like(z) if for_tokens else None
        saved = mask, z, w1, b1, w2
        results = hidden, grad_hidden, z if grad_z is None else grad_z
        kernel = kernels.fused_backward_kernel[_grid(z, w1, sizes)]
        asked = dict(SHRINK=shrink, FOR_WEIGHTS=for_weights, FOR_TOKENS=for_tokens)
        kernel(grad_output, *saved, *results, *_counts(z), **asked, **sizes)
    if not for_weights:
        return grad_z, None
    grad_w1, grad_b1 = _weight_gradient(z, grad_hidden, blocks)
    grad_w2, grad_b2 = _weight_gradient(hidden, grad_output, blocks, mask)
    return grad_z, (grad_w1, grad_b1, grad_w2, grad_b2)


def is_exact(dtype: torch.dtype) -> bool:
    """Return whether products of ``dtype`` must be full float32, without tensor cores in cuBLAS."""
    return dtype == torch.float32 and not _tf32_is_allowed()


def _linear(
    step, a, w, bias, threshold=0.0, shrink=False, keep=False, mask=None, hidden=None, out=None
):
    """Run one step of :func:`.kernels.linear_kernel`. Unused tensors are replaced by ``out``."""
    _, blocks, inputs, outputs = w.shape
    if step in ('grad_hidden', 'grad_input'):
        inputs, outputs = outputs, inputs
    if out is None:
        out = a.new_empty(*a.shape[:3], blocks * outputs)
    sizes = _product_sizes(LINEAR, a, blocks, inputs, outputs)
    rows, modes = _counts(a)
    tiles = math.ceil(rows / sizes['TILE']) * math.ceil(outputs / sizes['OUTPUT_TILE'])
    arguments = a, w, bias, out, out if mask is None else mask, out if hidden is None else hidden
    arguments += threshold, rows, modes
    kernel = kernels.linear_kernel[tiles, blocks]
    kernel(*arguments, STEP=step, SHRINK=shrink, SAVE_MASK=keep, **sizes)
    return out


def _weight_gradient(a, grad, blocks, mask=None):
    """Return ``dW = a^H grad`` and ``db = sum(grad)`` per block, with ``grad`` masked."""
    inputs, outputs = a.shape[-1] // blocks, grad.shape[-1] // blocks
    sizes = _product_sizes(WEIGHT_GRADIENT, a, blocks, inputs, outputs)
    tiles = math.ceil(inputs / sizes['INPUT_TILE']) * math.ceil(outputs / sizes['OUTPUT_TILE'])
    rows, modes = _counts(a)
    row_tiles = math.ceil(rows * tiles * blocks / GRADIENT_PROGRAMS / sizes['TILE'])
    rows_per_part = row_tiles * sizes['TILE']
    parts = math.ceil(rows / rows_per_part)
    grad_w = a.new_empty(parts, 2, blocks, inputs, outputs, dtype=torch.float32)
    grad_b = a.new_empty(parts, 2, blocks, outputs, dtype=torch.float32)
    shrink = mask is not None and mask.numel() > 0
    arguments = a, grad, mask if shrink else a, grad_w, grad_b, rows, modes, rows_per_part
    kernels.weight_gradient_kernel[tiles, blocks, parts](*arguments, SHRINK=shrink, **sizes)
    return grad_w.sum(0), grad_b.sum(0)


def _counts(z):
    """Return the number of rows ``B * M`` and of modes ``M``."""
    batch, _, modes, _ = z.shape
    return batch * modes, modes


def _grid(z, w1, sizes):
    return math.ceil(_counts(z)[0] / sizes['TILE']), w1.shape[1]


def _fused_sizes(table, z, w1):
    """Return a fused kernel's constants and launch options, or None if the block is too large."""
    _, blocks, block_size, hidden_size = w1.shape
    tiles = table[_kind(z)].get(max(32, _power_of_2(block_size)))
    if tiles is None:
        return None
    rows, hidden_tile, warps, stages = tiles
    hidden_tile = min(hidden_tile, _power_of_2(hidden_size))
    sizes = dict(BLOCKS=blocks, BLOCK=block_size, HIDDEN=hidden_size, TILE=rows)
    tiles = dict(BLOCK_TILE=_power_of_2(block_size), HIDDEN_TILE=hidden_tile)
    return sizes | tiles | _options(z, warps, stages)


def _product_sizes(table, a, blocks, inputs, outputs):
    """Return the constants and launch options of a kernel for one product."""
    rows, input_tile, output_tile, warps, stages = table[_kind(a)]
    sizes = dict(BLOCKS=blocks, INPUTS=inputs, OUTPUTS=outputs, TILE=rows)
    tiles = dict(
        INPUT_TILE=_fitting(inputs, input_tile), OUTPUT_TILE=_fitting(outputs, output_tile)
    )
    return sizes | tiles | _options(a, warps, stages)


def _options(z, warps, stages):
    return dict(PRECISION=PRECISIONS[_kind(z)], num_warps=warps, num_stages=stages)


def _fitting(size, most):
    """Return the largest tile that pads ``size`` by at most a quarter, or 32 if none does."""
    while most > 32 and math.ceil(size / most) * most > 1.25 * size:
        most //= 2
    return min(most, _power_of_2(size))


def _power_of_2(size):
    """Return the next power of two, at least 16. ``tl.dot`` takes no smaller tiles."""
    return max(16, 1 << (size - 1).bit_length())


def _kind(z):
    if z.dtype != torch.float32:
        return 'half'
    return 'exact' if is_exact(z.dtype) else 'tf32'


def _tf32_is_allowed():
    try:
        return torch.backends.cuda.matmul.allow_tf32
    except RuntimeError:  # The program has set it by PyTorch's newer name.
        return torch.backends.cuda.matmul.fp32_precision == 'tf32'
