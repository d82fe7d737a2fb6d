"""AFNO with its MLP in fused Triton kernels, for CUDA GPUs of the Ampere generation and later.

Precision. Half-precision tokens, and all tokens under autocast, are computed in that dtype
with sums in float32, to a relative error of 5e-3 in bfloat16 and 6e-4 in float16; float32
tokens in tf32 where PyTorch may use it for matrix products, in float32 otherwise.

Range. The spectrum is that of norm='forward', which no token's magnitude exceeds, whatever
``norm``: with 'ortho', s = (H W)^-1/2 times as large a spectrum, biases and threshold give s
times as large a result, as ReLU and shrinkage commute with scaling. Its gradient is scaled as by
'ortho', so it is about as large as the gradient of the tokens. So both fit in float16,
save where loss scaling is too high, which gives inf and which a GradScaler mends.

Memory. Kept for backward are the spectrum, in the dtype it is computed in, and a byte per
frequency and channel on what survived the shrinkage: 1.25 times the tokens in half precision,
without truncation. Only where a gradient will be asked for.

Backward is not differentiable itself; the reference path is.
"""

import importlib.util
import os

import torch
from torch import Tensor

from ...spectral import kept_modes
from . import transforms

DTYPES = (torch.float32, torch.float16, torch.bfloat16)
_HAS_TRITON = importlib.util.find_spec('triton') is not None
# Triton's interpreter runs kernels on the CPU, slowly, for tests. bfloat16 is wrong there.
_INTERPRETED = os.environ.get('TRITON_INTERPRET') == '1'


def refusal(x):
    """Why this path cannot take tokens ``x``. None if it can."""
    if not _HAS_TRITON:
        return 'triton is not installed'
    if x.dtype not in DTYPES:
        return f'the tokens are {x.dtype}, which triton does not multiply'
    if _INTERPRETED:
        if x.dtype == torch.bfloat16:
            return 'the interpreter of triton has no bfloat16'
        return _trial(x.device, _computed_dtype(x))
    if x.device.type != 'cuda':
        return f'the tokens are on {x.device.type}, not on a CUDA GPU'
    if torch.version.hip is not None:
        return 'its tiles are for GPUs by NVIDIA'
    if torch.cuda.get_device_properties(x.device).major < 8:
        return 'the GPU is older than Ampere (compute capability 8.0)'
    return _trial(x.device, _computed_dtype(x))


@torch.compiler.assume_constant_result
def _trial(device, dtype):
    from . import self_test

    return self_test.failure(run, device, dtype)


def run(x, weights, sparsity_threshold, mode_fraction, norm, residual):
    rows, columns = kept_modes(x.shape[1:3], mode_fraction)
    # Inside an autograd function grad mode is always off.
    keep = torch.is_grad_enabled() and any(t.requires_grad for t in (x, *weights))
    y, _, _ = _forward(
        x,
        *weights,
        sparsity_threshold,
        rows,
        columns,
        norm == 'ortho',
        residual,
        _computed_dtype(x),
        keep,
    )
    return y


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
    """AFNO, and what backward needs if ``keep``: spectrum and survivors of the shrinkage."""
    if x.numel() == 0:
        return torch.empty_like(x, memory_format=torch.contiguous_format), *_kept(
            x, threshold, rows, columns, dtype, keep
        )
    from . import block_mlp

    grid = x.shape[1:3]
    scale = (grid[0] * grid[1]) ** -0.5 if ortho else 1.0
    with torch.autocast(x.device.type, enabled=False):
        x = x.contiguous()
        dense = transforms.is_dense(grid, rows, columns, block_mlp.is_exact(dtype))
        z = transforms.analyse(x, rows, columns, dtype, dense, power=1)
        out, survivors = block_mlp.forward(
            z.flatten(2, 3),
            _kernel_weights((w1, b1, w2, b2), scale, dtype),
            threshold * scale,
            keep,
        )
        y = transforms.synthesise(
            out.view_as(z), grid, dense, power=0, mirrored=True, add=x if residual else None
        )
    if not keep:
        z = z.new_empty(0)
    return y.to(x.dtype), z, survivors


@_forward.register_fake
def _(x, w1, b1, w2, b2, threshold, rows, columns, ortho, residual, dtype, keep):
    return x.new_empty(x.shape), *_kept(x, threshold, rows, columns, dtype, keep)


def _kept(x, threshold, rows, columns, dtype, keep):
    batch, _, _, channels = x.shape
    shrunk = keep and threshold != 0
    return (
        x.new_empty((batch, 2, rows, columns, channels) if keep else 0, dtype=dtype),
        x.new_empty((batch, rows * columns, channels) if shrunk else 0, dtype=torch.uint8),
    )


@torch.library.custom_op('afno_mm::triton_afno_backward', mutates_args=())
def _backward(
    dy: Tensor,
    z: Tensor,
    survivors: Tensor,
    w1: Tensor,
    b1: Tensor,
    w2: Tensor,
    b2: Tensor,
    ortho: bool,
    residual: bool,
    for_tokens: bool,
    for_weights: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients of x, w1, b1, w2 and b2; empty ones where not asked for."""
    weights = w1, b1, w2, b2
    if dy.numel() == 0:
        return (
            dy.new_empty(dy.shape if for_tokens else 0),
            *(w.new_zeros(w.shape if for_weights else 0) for w in weights),
        )
    from . import block_mlp

    _, _, rows, columns, _ = z.shape
    grid = dy.shape[1:3]
    size = grid[0] * grid[1]
    scale = size**-0.5 if ortho else 1.0
    with torch.autocast(dy.device.type, enabled=False):
        dy = dy.contiguous()
        dense = transforms.is_dense(grid, rows, columns, block_mlp.is_exact(z.dtype))
        g = transforms.analyse(dy, rows, columns, z.dtype, dense, power=0.5, mirrored=True)
        dz, gradients = block_mlp.backward(
            g.flatten(2, 3),
            survivors,
            z.flatten(2, 3),
            _kernel_weights(weights, scale, z.dtype),
            survivors.numel() > 0,
            for_tokens,
            for_weights,
        )
        del g
        dx = dy.new_empty(0)
        if for_tokens:
            dx = transforms.synthesise(
                dz.view_as(z), grid, dense, power=0.5, add=dy if residual else None
            ).to(dy.dtype)
        if not for_weights:
            return dx, *(w.new_empty(0) for w in weights)
        scales = (size**0.5, size**0.5 * scale) * 2
        return dx, *((d * s).to(w.dtype) for d, s, w in zip(gradients, scales, weights))


@_backward.register_fake
def _(dy, z, survivors, w1, b1, w2, b2, ortho, residual, for_tokens, for_weights):
    return (
        dy.new_empty(dy.shape if for_tokens else 0),
        *(w.new_empty(w.shape if for_weights else 0) for w in (w1, b1, w2, b2)),
    )


def _kernel_weights(weights, scale, dtype):
    """Weights as the kernels take them, biases for a spectrum ``scale`` times as large."""
    w1, b1, w2, b2 = weights
    return (
        w1.to(dtype).contiguous(),
        (b1.float() * scale).contiguous(),
        w2.to(dtype).contiguous(),
        (b2.float() * scale).contiguous(),
    )


def _save(ctx, inputs, output):
    _, w1, b1, w2, b2, _, _, _, ctx.ortho, ctx.residual, _, _ = inputs
    _, z, survivors = output
    ctx.mark_non_differentiable(z, survivors)
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(z, survivors, w1, b1, w2, b2)


def _differentiate(ctx, dy, *_):
    needs = ctx.needs_input_grad[:5]
    gradients = _backward(dy, *ctx.saved_tensors, ctx.ortho, ctx.residual, needs[0], any(needs[1:]))
    return *(d if need else None for d, need in zip(gradients, needs)), *[None] * 7


def _refuse_twice(ctx, *_):
    raise RuntimeError(
        "AFNO's backend 'triton' is differentiable once; for second derivatives "
        'set AFNO_MM_BACKEND=composed'
    )


_forward.register_autograd(_differentiate, setup_context=_save)
_backward.register_autograd(_refuse_twice)
