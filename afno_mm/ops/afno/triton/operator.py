"""AFNO with its MLP in Triton kernels, for CUDA GPUs of the Ampere generation and later.

Precision. Half-precision tokens are computed in their dtype; sums are in float32. Relative errors
are 5e-3 in bfloat16 and 6e-4 in float16. float32 tokens are computed in tf32 where PyTorch may use
it for matrix products, else in float32.

Range. The spectrum is scaled as with norm='forward', whatever ``norm`` is. It is never larger than
the largest token, so it fits in float16. For norm='ortho' the kernels get biases and threshold
times s = (H W)^-1/2 and give s times the result, as ReLU and shrinkage commute with scaling. The
gradient of the spectrum is scaled as with 'ortho', so it is about as large as the gradient of the
tokens. It overflows float16 to inf only if the loss scale is too high. A GradScaler then lowers it.

Memory. If a gradient is needed, forward saves the spectrum in the dtype of the computation, and the
mask, one byte per frequency and channel. Without truncation this is 1.25 times the tokens in half
precision.
"""

import importlib.util
import os
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ...frequency_filter import multiply
from ...spectral import kept_modes
from .. import planar
from ..custom_op import Settings, define, empty_gradients, needs_backward

_HAS_TRITON = importlib.util.find_spec('triton') is not None
# Triton's interpreter runs the kernels on CPUs, slowly, for tests. bfloat16 is wrong there.
_INTERPRETED = os.environ.get('TRITON_INTERPRET') == '1'
# Tests set this to let the dispatch take interpreted kernels.
ACCEPT_INTERPRETED = False


def refusal(x: Tensor) -> str | None:
    """Return why this backend cannot take x, or None."""
    if not _HAS_TRITON:
        return 'triton is not installed'
    if x.dtype not in (torch.float32, torch.float16, torch.bfloat16):
        return f'the tokens are {x.dtype}, which triton does not multiply'
    if _INTERPRETED:
        if not ACCEPT_INTERPRETED:
            return 'TRITON_INTERPRET=1 makes triton interpret the kernels, which is only for tests'
        if x.dtype == torch.bfloat16:
            return 'the interpreter of triton has no bfloat16'
    elif x.device.type != 'cuda':
        return f'the tokens are on {x.device.type}, not on a CUDA GPU'
    elif torch.version.hip is not None:
        return 'its tiles are for GPUs by NVIDIA'
    elif (found := torch.cuda.get_device_properties(x.device)).major < 8:
        return f'the GPU has compute capability {found.major}.{found.minor}, it needs 8.0 (Ampere)'
    return _self_test_failure(x.device, x.dtype)


@torch.compiler.assume_constant_result
def _self_test_failure(device, dtype):
    from . import self_test

    return self_test.failure(run, device, dtype)


def run(x: Tensor, weights: Sequence[Any], settings: Settings) -> Tensor:
    """Compute :func:`afno_mm.ops.afno_operator`."""
    return _afno(x, *weights, *settings, needs_backward((x, *weights)))[0]


def _forward(x, w1, b1, w2, b2, frequency_filter, *settings):
    """Return the output, the spectrum and the mask. Without ``keep`` the last two have size 0."""
    if x.numel() == 0:
        return x.new_empty(x.shape), *_empty_saved(x, w1, *settings)
    from . import block_mlp

    threshold, mode_fraction, norm, residual, keep = settings
    grid, dtype = x.shape[1:3], x.dtype
    rows, columns = kept_modes(grid, mode_fraction)
    scale = _scale(grid, norm)
    # Triton launches kernels on the current GPU.
    with torch.autocast(x.device.type, enabled=False), torch.cuda.device_of(x):
        x = x.contiguous()
        dense = planar.is_dense(grid, rows, columns, block_mlp.kind_of(dtype))
        z = planar.analyse(x, rows, columns, dense, power=1)
        weights = _kernel_weights((w1, b1, w2, b2), dtype)
        mixed, mask = block_mlp.forward(z.flatten(2, 3), weights, threshold * scale, scale, keep)
        if frequency_filter is not None:
            mixed += multiply(frequency_filter.flatten(1, 2).to(dtype), z.flatten(2, 3))
        last = dict(add=x if residual else None, along_w=_last_step(dtype))
        y = planar.synthesise(mixed.view_as(z), grid, dense, power=0, mirrored=True, **last)
    return y, z if keep else z.new_empty(0), mask


def _empty_saved(x, w1, threshold, mode_fraction, norm, residual, keep):
    """Return buffers for spectrum and mask, of size 0 if :func:`_forward` does not save them."""
    batch, _, _, channels = x.shape
    rows, columns = kept_modes(x.shape[1:3], mode_fraction)
    shrunk = keep and threshold != 0
    return (
        x.new_empty((batch, 2, rows, columns, channels) if keep else 0),
        x.new_empty((batch, rows * columns, channels) if shrunk else 0, dtype=torch.uint8),
    )


def _backward(grad_output, w1, b1, w2, b2, frequency_filter, z, mask, *settings):
    """Return the gradients of x, the weights and the filter: size 0 for those not asked for."""
    _, _, norm, residual, *asked = settings
    for_input, for_weights, for_filter = asked
    weights = w1, b1, w2, b2
    if grad_output.numel() == 0:
        return empty_gradients(grad_output, weights, [frequency_filter], *asked)
    from . import block_mlp

    _, _, rows, columns, _ = z.shape
    grid, dtype = grad_output.shape[1:3], z.dtype
    scale = _scale(grid, norm)
    with torch.autocast(grad_output.device.type, enabled=False), torch.cuda.device_of(grad_output):
        grad_output = grad_output.contiguous()
        dense = planar.is_dense(grid, rows, columns, block_mlp.kind_of(dtype))
        kept = rows, columns, dense
        grad_mixed = planar.analyse(grad_output, *kept, power=0.5, mirrored=True).flatten(2, 3)
        like = grad_output, *weights, w1 if frequency_filter is None else frequency_filter
        grad_input, *grads, grad_filter = (t.new_empty(0) for t in like)
        if for_filter:  # conj(z) times the gradient; for the scales see the module docstring
            products = multiply(z.flatten(2, 3).float(), grad_mixed.float(), conjugate=True)
            products = products.sum(0).view_as(frequency_filter) * (grid[0] * grid[1]) ** 0.5
            grad_filter = products.to(frequency_filter.dtype)
        past_filter = None
        if frequency_filter is not None and for_input:
            past_filter = multiply(frequency_filter.flatten(1, 2).to(dtype), grad_mixed, True)
        saved = mask, z.flatten(2, 3), _kernel_weights(weights, dtype)
        scales = scale, float(grid[0] * grid[1]) ** 0.5
        grad_z, gradients = block_mlp.backward(grad_mixed, *saved, *scales, *asked[:2])
        if past_filter is not None:
            grad_z += past_filter
        del grad_mixed
        if for_input:
            last = dict(add=grad_output if residual else None, along_w=_last_step(dtype))
            grad_input = planar.synthesise(grad_z.view_as(z), grid, dense, power=0.5, **last)
        if for_weights:
            grads = [g.to(w.dtype) for g, w in zip(gradients, weights)]
    return grad_input, *grads, grad_filter


def _last_step(dtype):
    """Return the kernel for the last step in half precision, or None for PyTorch's product."""
    from . import transforms

    return None if dtype == torch.float32 else transforms.inverse_along_w


def _scale(grid, norm):
    """Return the scale s of the module docstring: (H W)^-1/2 for 'ortho', 1 for 'forward'."""
    return (grid[0] * grid[1]) ** -0.5 if norm == 'ortho' else 1.0


def _kernel_weights(weights, dtype):
    """Return contiguous weights for the kernels: w1 and w2 in ``dtype``, b1 and b2 in float32."""
    w1, b1, w2, b2 = weights
    weights = w1.to(dtype), b1.float(), w2.to(dtype), b2.float()
    return tuple(w.contiguous() for w in weights)


_afno, _gradient = define('triton', _forward, _backward, _empty_saved, ('z', 'mask'))
