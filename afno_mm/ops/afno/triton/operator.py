"""AFNO with its MLP in Triton kernels, for CUDA GPUs of the Ampere generation and later.

Precision. Half-precision tokens, and all tokens under autocast, are computed in that dtype with
sums in float32. Relative errors are 5e-3 in bfloat16 and 6e-4 in float16. float32 tokens are
computed in tf32 where PyTorch may use it for matrix products, else in float32.

Range. The spectrum is scaled as by norm='forward', whatever ``norm`` is. It is never larger than
the largest token, so it fits in float16. For norm='ortho' the kernels get biases and threshold
times s = (H W)^-1/2 and give s times the result, as ReLU and shrinkage commute with scaling. The
gradient of the spectrum is scaled as by 'ortho', so it is about as large as that of the tokens. It
overflows float16 only if the loss scale is too high. That gives inf, and a GradScaler lowers it.

Memory. If a gradient will be needed, forward saves the spectrum, in the dtype of the computation,
and the mask, one byte per frequency and channel: 1.25 times the tokens in half precision, without
truncation.

There is no second derivative. The backend 'composed' has one.
"""

import importlib.util
import os

import torch
from torch import Tensor

from ...spectral import kept_modes
from . import transforms

DTYPES = (torch.float32, torch.float16, torch.bfloat16)
_HAS_TRITON = importlib.util.find_spec('triton') is not None
# Triton's interpreter runs the kernels on CPUs, slowly, for tests. bfloat16 is wrong there.
_INTERPRETED = os.environ.get('TRITON_INTERPRET') == '1'
# Tests set this to let the dispatch take interpreted kernels.
ACCEPT_INTERPRETED = False


def refusal(x: Tensor) -> str | None:
    """Return why this backend cannot take x, or None."""
    if not _HAS_TRITON:
        return 'triton is not installed'
    if x.dtype not in DTYPES:
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
    elif torch.cuda.get_device_properties(x.device).major < 8:
        return 'the GPU is older than Ampere (compute capability 8.0)'
    return _self_test_failure(x.device, _computed_dtype(x))


@torch.compiler.assume_constant_result
def _self_test_failure(device, dtype):
    from . import self_test

    return self_test.failure(run, device, dtype)


def run(
    x: Tensor,
    weights: tuple[Tensor, Tensor, Tensor, Tensor],
    sparsity_threshold: float,
    mode_fraction: float,
    norm: str,
    residual: bool,
) -> Tensor:
    """Compute the operator; see :func:`afno_mm.ops.afno.afno_operator`."""
    rows, columns = kept_modes(x.shape[1:3], mode_fraction)
    # Inside an autograd function grad mode is always off, so decide here.
    keep = torch.is_grad_enabled() and any(t.requires_grad for t in (x, *weights))
    settings = (rows, columns, norm == 'ortho', residual, _computed_dtype(x), keep)
    return _forward(x, *weights, sparsity_threshold, *settings)[0]


def _computed_dtype(x):
    if x.dtype == torch.float32 and torch.is_autocast_enabled(x.device.type):
        return torch.get_autocast_dtype(x.device.type)
    return x.dtype


@torch.library.custom_op('afno_mm::triton_afno', mutates_args=())
def _forward(
    x: Tensor,
    w1: Tensor,
    b1: Tensor,
    w2: Tensor,
    b2: Tensor,
    threshold: float,
    rows: int,
    columns: int,
    ortho: bool,
    residual: bool,
    dtype: torch.dtype,
    keep: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the output, and the spectrum and mask for backward if ``keep``."""
    if x.numel() == 0:
        return torch.empty_like(x, memory_format=torch.contiguous_format), *_new_saved(
            x, threshold, rows, columns, dtype, keep
        )
    from . import block_mlp

    grid = x.shape[1:3]
    scale = (grid[0] * grid[1]) ** -0.5 if ortho else 1.0
    with torch.autocast(x.device.type, enabled=False):
        x = x.contiguous()
        dense = transforms.is_dense(grid, rows, columns, block_mlp.is_exact(dtype))
        z = transforms.analyse(x, rows, columns, dtype, dense, power=1)
        weights = _kernel_weights((w1, b1, w2, b2), scale, dtype)
        mixed, mask = block_mlp.forward(z.flatten(2, 3), weights, threshold * scale, keep)
        y = transforms.synthesise(
            mixed.view_as(z), grid, dense, power=0, mirrored=True, add=x if residual else None
        )
    return y.to(x.dtype), z if keep else z.new_empty(0), mask


@_forward.register_fake
def _(x, w1, b1, w2, b2, threshold, rows, columns, ortho, residual, dtype, keep):
    return x.new_empty(x.shape), *_new_saved(x, threshold, rows, columns, dtype, keep)


def _new_saved(x, threshold, rows, columns, dtype, keep):
    """Return an empty spectrum and an empty mask."""
    batch, _, _, channels = x.shape
    shrunk = keep and threshold != 0
    return (
        x.new_empty((batch, 2, rows, columns, channels) if keep else 0, dtype=dtype),
        x.new_empty((batch, rows * columns, channels) if shrunk else 0, dtype=torch.uint8),
    )


@torch.library.custom_op('afno_mm::triton_afno_backward', mutates_args=())
def _backward(
    grad_output: Tensor,
    z: Tensor,
    mask: Tensor,
    w1: Tensor,
    b1: Tensor,
    w2: Tensor,
    b2: Tensor,
    ortho: bool,
    residual: bool,
    for_tokens: bool,
    for_weights: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Return the gradients of x, w1, b1, w2 and b2. Those not asked for are empty."""
    weights = w1, b1, w2, b2
    if grad_output.numel() == 0:
        return (
            grad_output.new_empty(grad_output.shape if for_tokens else 0),
            *(w.new_zeros(w.shape if for_weights else 0) for w in weights),
        )
    from . import block_mlp

    _, _, rows, columns, _ = z.shape
    grid = grad_output.shape[1:3]
    size = grid[0] * grid[1]
    scale = size**-0.5 if ortho else 1.0
    with torch.autocast(grad_output.device.type, enabled=False):
        grad_output = grad_output.contiguous()
        dense = transforms.is_dense(grid, rows, columns, block_mlp.is_exact(z.dtype))
        grad_mixed = transforms.analyse(
            grad_output, rows, columns, z.dtype, dense, power=0.5, mirrored=True
        ).flatten(2, 3)
        grad_z, gradients = block_mlp.backward(
            grad_mixed,
            mask,
            z.flatten(2, 3),
            _kernel_weights(weights, scale, z.dtype),
            mask.numel() > 0,
            for_tokens,
            for_weights,
        )
        del grad_mixed
        grad_input = grad_output.new_empty(0)
        if for_tokens:
            add = grad_output if residual else None
            grad_input = transforms.synthesise(grad_z.view_as(z), grid, dense, power=0.5, add=add)
        grad_input = grad_input.to(grad_output.dtype)
        if not for_weights:
            return grad_input, *(w.new_empty(0) for w in weights)
        scales = (size**0.5, size**0.5 * scale) * 2
        return grad_input, *((g * s).to(w.dtype) for g, s, w in zip(gradients, scales, weights))


@_backward.register_fake
def _(grad_output, z, mask, w1, b1, w2, b2, ortho, residual, for_tokens, for_weights):
    return (
        grad_output.new_empty(grad_output.shape if for_tokens else 0),
        *(w.new_empty(w.shape if for_weights else 0) for w in (w1, b1, w2, b2)),
    )


def _kernel_weights(weights, scale, dtype):
    """Return the weights as the kernels take them, with biases times ``scale``."""
    w1, b1, w2, b2 = weights
    return (
        w1.to(dtype).contiguous(),
        (b1.float() * scale).contiguous(),
        w2.to(dtype).contiguous(),
        (b2.float() * scale).contiguous(),
    )


def setup_context(ctx, inputs, output):
    _, w1, b1, w2, b2, _, _, _, ctx.ortho, ctx.residual, _, _ = inputs
    _, z, mask = output
    ctx.mark_non_differentiable(z, mask)
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(z, mask, w1, b1, w2, b2)


def backward(ctx, grad_output, *_):
    needs = ctx.needs_input_grad[:5]
    gradients = _backward(
        grad_output, *ctx.saved_tensors, ctx.ortho, ctx.residual, needs[0], any(needs[1:])
    )
    return *(g if need else None for g, need in zip(gradients, needs)), *[None] * 7


def refuse_second_derivative(ctx, *_):
    raise RuntimeError(
        "AFNO's backend 'triton' has no second derivative; set AFNO_MM_BACKEND=composed"
    )


_forward.register_autograd(backward, setup_context=setup_context)
_backward.register_autograd(refuse_second_derivative)
