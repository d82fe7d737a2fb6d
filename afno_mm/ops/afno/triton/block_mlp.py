"""The block MLP on planar spectra and its gradients: which kernels run, and in which tiles.

Small blocks run fused: the forward kernel reads the spectrum once and never writes the hidden
layer, and the backward kernel recomputes it. Fused kernels hold all channels of a block at once.
Registers and shared memory do not suffice above 128 channels in half precision, above 64 in tf32
(32 in backward), and above 32 in exact float32; on Ampere the exact backward is never fused. Larger
blocks run one product at a time: products take most of the time anyway, and their tiles can follow
the block size closely. Fused tiles are powers of two: a block of 208 channels, padded to 256, takes
1.5 times the work.
"""

import functools
import math

import torch
from torch import Tensor

from ...block_mlp import Weights
from . import kernels

# By kind of product (:func:`kind_of`). 'exact' takes three tf32 products for each product and is
# exact to about 1e-6. Triton's 'ieee' does not use tensor cores.
PRECISIONS = {'half': 'tf32', 'tf32': 'tf32', 'exact': 'tf32x3'}
# About how many programs share a weight gradient: enough for the largest GPUs. The number is fixed,
# so that GPUs with the same tiles add in the same order.
GRADIENT_PROGRAMS = 512

# Tiles by step and kind of product (:func:`kind_of`). `benchmarks/kernel_resources.py` prints the
# registers and the shared memory that they use.
#   fused: by block size rounded up to a power of two: rows, hidden units, warps, stages. A size
#       that is not here runs one product at a time.
#   linear, weight gradient: rows, inputs, outputs, warps, stages.
# Timed with Triton 3.6, except 'exact': 'linear' and 'weight gradient' on an H100, the fused tiles
# on an H200. The fused tiles of 128 spill up to 16 bytes a thread, 'linear' in tf32 up to 32. Tiles
# without spills took 1.1 times as long.
HOPPER = {
    'fused forward': {
        'half': {32: (128, 32, 4, 2), 64: (128, 64, 8, 2), 128: (64, 32, 4, 2)},
        'tf32': {32: (64, 32, 4, 2), 64: (64, 32, 4, 2)},
        'exact': {32: (64, 16, 4, 2)},
    },
    'fused backward': {
        'half': {32: (128, 32, 4, 2), 64: (64, 32, 4, 2), 128: (32, 32, 4, 1)},
        'tf32': {32: (64, 32, 4, 2)},
        'exact': {32: (64, 16, 4, 2)},
    },
    'linear': {
        'half': (128, 32, 64, 8, 3),
        'tf32': (128, 16, 64, 4, 3),
        'exact': (128, 32, 32, 8, 3),
    },
    'weight gradient': {
        'half': (64, 64, 64, 4, 3),
        'tf32': (32, 64, 128, 4, 4),
        'exact': (16, 64, 64, 8, 2),
    },
}
# Other GPUs: compute capability 8, and 12 (GeForce RTX 50). Chosen without such a GPU: no kernel of
# 8 spills more than 24 bytes a thread, and all fit the 99 KB of shared memory of 8.6, 8.9 and 12.
AMPERE = {
    'fused forward': {
        'half': {32: (128, 32, 4, 2), 64: (128, 64, 8, 2), 128: (32, 32, 8, 2)},
        'tf32': {32: (64, 32, 4, 2), 64: (64, 32, 4, 2)},
        'exact': {32: (64, 16, 4, 2)},
    },
    'fused backward': {
        'half': {32: (64, 32, 4, 2), 64: (64, 32, 8, 2), 128: (32, 16, 8, 1)},
        'tf32': {32: (64, 32, 8, 2)},
        'exact': {},
    },
    'linear': {
        'half': (128, 32, 64, 8, 3),
        'tf32': (128, 16, 64, 8, 2),
        'exact': (128, 16, 32, 8, 2),
    },
    'weight gradient': {
        'half': (64, 64, 64, 8, 3),
        'tf32': (32, 64, 64, 8, 3),
        'exact': (16, 32, 32, 4, 2),
    },
}
# Tiles of bias_gradient_kernel: rows, channels, warps.
BIAS_GRADIENT = 32, 64, 4


def forward(
    z: Tensor, weights: Weights, threshold: float, bias_scale: float, keep: bool
) -> tuple[Tensor, Tensor]:
    """Compute the MLP of a contiguous spectrum ``(B, 2, M, C)``; threshold 0 turns shrinkage off.

    The kernels multiply the biases by ``bias_scale``.

    Returns:
        The output, like ``z``; the mask of the shrinkage, uint8 ``(B, M, C)``, empty without
        shrinkage or ``keep``. Its bit 0 is set where the real part is kept, bit 1 the imaginary.
    """
    w1, b1, w2, b2 = weights
    shrink = threshold != 0
    output = torch.empty_like(z)
    batch, _, modes, channels = z.shape
    mask = z.new_empty((batch, modes, channels) if keep and shrink else 0, dtype=torch.uint8)
    sizes = _fused_sizes('fused forward', z, w1)
    if sizes is None:
        hidden = _linear('hidden', z, w1, b1, bias_scale)
        shrinkage = dict(threshold=threshold, shrink=shrink, keep=keep)
        _linear('output', hidden, w2, b2, bias_scale, mask=mask, out=output, **shrinkage)
    else:
        arguments = z, w1, b1, w2, b2, output, mask, threshold, bias_scale, *_counts(z)
        kernel = kernels.fused_forward_kernel[_grid(z, w1, sizes)]
        kernel(*arguments, SHRINK=shrink, SAVE_MASK=keep, **sizes)
    return output, mask


def backward(
    grad_output: Tensor,
    mask: Tensor,
    z: Tensor,
    weights: Weights,
    bias_scale: float,
    scale: float,
    for_tokens: bool,
    for_weights: bool,
) -> tuple[Tensor | None, Weights | None]:
    """Return the gradients of ``z`` and, in float32, of the weights. Each is None if not asked for.

    The gradients of all weights are multiplied by ``scale``, the gradients of the biases also by
    ``bias_scale``. Multiplies ``grad_output`` by the mask in place. An empty mask keeps everything.
    """
    w1, b1, w2, _ = weights
    blocks, hidden_size = w1.shape[1], w1.shape[3]
    grad_b2 = _bias_gradient(grad_output, scale * bias_scale, mask)
    sizes = _fused_sizes('fused backward', z, w1)
    if sizes is None:
        hidden = _linear('hidden', z, w1, b1, bias_scale)
        grad_hidden = _linear('grad_hidden', grad_output, w2, b1, hidden=hidden)
        grad_z = _linear('grad_input', grad_hidden, w1, b1) if for_tokens else None
    else:
        shape = (*z.shape[:3], blocks * hidden_size) if for_weights else 0
        hidden, grad_hidden = z.new_empty(shape), z.new_empty(shape)
        grad_z = torch.empty_like(z) if for_tokens else None
        results = hidden, grad_hidden, z if grad_z is None else grad_z
        kernel = kernels.fused_backward_kernel[_grid(z, w1, sizes)]
        asked = dict(FOR_WEIGHTS=for_weights, FOR_TOKENS=for_tokens)
        kernel(grad_output, z, w1, b1, w2, *results, bias_scale, *_counts(z), **asked, **sizes)
    if not for_weights:
        return grad_z, None
    grad_w1 = _weight_gradient(z, grad_hidden, blocks, scale)
    grad_b1 = _bias_gradient(grad_hidden, scale * bias_scale)
    grad_w2 = _weight_gradient(hidden, grad_output, blocks, scale)
    shape = 2, blocks, -1
    return grad_z, (grad_w1, grad_b1.view(shape), grad_w2, grad_b2.view(shape))


def kind_of(dtype: torch.dtype) -> str:
    """Return the kind of product: 'half', 'tf32', or 'exact' for float32 where tf32 is off.

    For 'exact', cuBLAS uses no tensor cores. The Triton kernels use them with three TF32 products
    in place of one, see ``PRECISIONS``.
    """
    if dtype != torch.float32:
        return 'half'
    return 'tf32' if _tf32_is_allowed() else 'exact'


def _linear(
    step,
    a,
    w,
    bias,
    bias_scale=1.0,
    threshold=0.0,
    shrink=False,
    keep=False,
    mask=None,
    hidden=None,
    out=None,
):
    """Run one step of :func:`.kernels.linear_kernel`. ``out`` replaces unused tensors."""
    _, blocks, inputs, outputs = w.shape
    if step in ('grad_hidden', 'grad_input'):
        inputs, outputs = outputs, inputs
    if out is None:
        out = a.new_empty(*a.shape[:3], blocks * outputs)
    sizes = _product_sizes('linear', a, blocks, inputs, outputs)
    rows, modes = _counts(a)
    tiles = math.ceil(rows / sizes['TILE']) * math.ceil(outputs / sizes['OUTPUT_TILE'])
    # With it, two sums in registers suffice in place of three. torch 2.6 asks the driver for w[1].
    minus_im = w.select(0, 1).neg()
    others = out if mask is None else mask, out if hidden is None else hidden
    arguments = a, w, minus_im, bias, out, *others, threshold, bias_scale, rows, modes
    kernel = kernels.linear_kernel[tiles, blocks]
    kernel(*arguments, STEP=step, SHRINK=shrink, SAVE_MASK=keep, **sizes)
    return out


def _weight_gradient(a, grad, blocks, scale):
    """Return ``dW = scale * a^H grad`` per block."""
    inputs, outputs = a.shape[-1] // blocks, grad.shape[-1] // blocks
    sizes = _product_sizes('weight gradient', a, blocks, inputs, outputs)
    tiles = math.ceil(inputs / sizes['INPUT_TILE']) * math.ceil(outputs / sizes['OUTPUT_TILE'])
    rows, modes = _counts(a)
    rows_per_part, parts = _parts(rows, tiles * blocks, sizes['TILE'])
    grad_w = a.new_empty(parts, 2, blocks, inputs, outputs, dtype=torch.float32)
    arguments = a, grad, grad_w, scale, rows, modes, rows_per_part
    kernels.weight_gradient_kernel[tiles, blocks, parts](*arguments, **sizes)
    return grad_w.sum(0)


def _bias_gradient(grad, scale, mask=None):
    """Return ``db = scale * sum(grad)``. A non-empty mask first multiplies ``grad`` in place."""
    channels = grad.shape[-1]
    tile, channel_tile, warps = BIAS_GRADIENT
    channel_tile = min(channel_tile, _power_of_2(channels))
    tiles = math.ceil(channels / channel_tile)
    rows, modes = _counts(grad)
    rows_per_part, parts = _parts(rows, tiles, tile)
    grad_b = grad.new_empty(parts, 2, channels, dtype=torch.float32)
    shrink = mask is not None and mask.numel() > 0
    arguments = grad, mask if shrink else grad, grad_b, scale, rows, modes, rows_per_part
    sizes = dict(CHANNELS=channels, TILE=tile, CHANNEL_TILE=channel_tile, num_warps=warps)
    kernels.bias_gradient_kernel[tiles, parts](*arguments, SHRINK=shrink, num_stages=2, **sizes)
    return grad_b.sum(0)


def _parts(rows, programs, tile):
    """Return the rows per part, a multiple of ``tile``, and the number of parts.

    ``programs`` programs sum each part.
    """
    rows_per_part = math.ceil(rows * programs / GRADIENT_PROGRAMS / tile) * tile
    return rows_per_part, math.ceil(rows / rows_per_part)


def _counts(z):
    """Return the number of rows ``B * M`` and of modes ``M``."""
    batch, _, modes, _ = z.shape
    return batch * modes, modes


def _grid(z, w1, sizes):
    return math.ceil(_counts(z)[0] / sizes['TILE']), w1.shape[1]


def _tiles(step, z):
    """Return the tiles of a step for the GPU and the kind of product of ``z``."""
    return (HOPPER if 9 <= _capability(z.device) < 12 else AMPERE)[step][kind_of(z.dtype)]


@functools.lru_cache(maxsize=64)
def _capability(device):
    """Return the major compute capability. The interpreter of Triton counts as 9."""
    return torch.cuda.get_device_capability(device)[0] if device.type == 'cuda' else 9


def _fused_sizes(step, z, w1):
    """Return a fused kernel's constants and launch options, or None if the block is too large."""
    _, blocks, block_size, hidden_size = w1.shape
    tiles = _tiles(step, z).get(max(32, _power_of_2(block_size)))
    if tiles is None:
        return None
    rows, hidden_tile, warps, stages = tiles
    hidden_tile = min(hidden_tile, _power_of_2(hidden_size))
    sizes = dict(BLOCKS=blocks, BLOCK=block_size, HIDDEN=hidden_size, TILE=rows)
    tiles = dict(BLOCK_TILE=_power_of_2(block_size), HIDDEN_TILE=hidden_tile)
    return sizes | tiles | _options(z, warps, stages)


def _product_sizes(step, a, blocks, inputs, outputs):
    """Return the constants and launch options of a kernel for one product."""
    rows, input_tile, output_tile, warps, stages = _tiles(step, a)
    sizes = dict(BLOCKS=blocks, INPUTS=inputs, OUTPUTS=outputs, TILE=rows)
    tiles = dict(
        INPUT_TILE=_fitting(inputs, input_tile), OUTPUT_TILE=_fitting(outputs, output_tile)
    )
    return sizes | tiles | _options(a, warps, stages)


def _options(z, warps, stages):
    return dict(PRECISION=PRECISIONS[kind_of(z.dtype)], num_warps=warps, num_stages=stages)


def _fitting(size, most):
    """Return the largest tile that pads ``size`` by at most a third, or 32 if none does."""
    while most > 32 and math.ceil(size / most) * most * 3 > 4 * size:
        most //= 2
    return min(most, _power_of_2(size))


def _power_of_2(size):
    """Return the next power of two, at least 16. ``tl.dot`` takes no smaller tiles."""
    return max(16, 1 << (size - 1).bit_length())


def _tf32_is_allowed():
    try:
        return torch.backends.cuda.matmul.allow_tf32
    except RuntimeError:  # The program has set it by PyTorch's newer API.
        return torch.backends.cuda.matmul.fp32_precision == 'tf32'
