"""A self-test of the Triton backend on a GPU, before AFNO uses it there.

Kernels are compiled on the machine that runs them, possibly for a GPU on which nobody has tested
them. If the compiler fails or results are wrong, AFNO takes another backend. The self-test cannot
help if a kernel makes the GPU unusable for the process.
"""

import functools
import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from .. import composed
from . import block_mlp

# Largest relative errors from rounding alone: ROUNDED for tf32, float16 and bfloat16, else EXACT.
ROUNDED, EXACT = 3e-2, 1e-4
# Grid, number of blocks, block size, mode fraction. In all dtypes, the first size transforms by
# matrix products and runs the fused kernels (where HOPPER or AMPERE have them), the second runs the
# kernels of single products, and the third transforms by FFTs.
SIZES = (((6, 8), 2, 16, 0.5), ((3, 4), 1, 144, 1.0), ((1, 3100), 1, 8, 1.0))


def failure(run: Callable[..., Tensor], device: torch.device, dtype: torch.dtype) -> str | None:
    """Return why the Triton backend's ``run`` fails a comparison with 'composed', or None.

    It compares once per device and dtype. While a CUDA graph is captured it returns None.
    """
    if device.type == 'cuda' and torch.cuda.is_current_stream_capturing():
        return None  # A graph capture allows no comparison. Its warm-up has run the self-test.
    return _failure(run, device, dtype, block_mlp.kind_of(dtype) == 'exact')


@functools.cache
def _failure(run, device, dtype, exact):
    reason = _reason(run, device, dtype, EXACT if exact else ROUNDED)
    if reason:
        warnings.warn(f'AFNO does not use its Triton kernels: {reason}', stacklevel=2)
    return reason


def _reason(run, device, dtype, bound):
    with (
        torch.inference_mode(False),
        torch.enable_grad(),
        torch.autocast(device.type, enabled=False),
        # Replace the hooks of activation checkpointing, if there are any.
        torch.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t),
    ):
        try:
            error = torch.stack([_error(run, *size, device, dtype) for size in SIZES]).max().item()
        except Exception as fault:
            text = ' '.join(str(fault).split())
            return f'their self-test on {device} failed: {type(fault).__name__}: {text[:300]}'
    if not error <= bound:  # also if the error is NaN
        return f'their results on {device} in {dtype} are wrong: relative error {error:.0e}'
    return None


def _error(run, grid, num_blocks, block_size, mode_fraction, device, dtype):
    """Return the largest relative error of the output and the gradients on a few tokens."""
    random = functools.partial(
        torch.randn, generator=torch.Generator().manual_seed(0), device='cpu', dtype=torch.float32
    )
    k, b = num_blocks, block_size
    x = random(1, *grid, k * b)
    # Large biases keep values away from the kinks of ReLU and shrinkage, where a rounding error
    # would switch a gradient on or off.
    weights = (
        random(2, k, b, b) * b**-0.5,
        8 * random(2, k, b).sign(),
        random(2, k, b, b) * b**-0.5 / 32,
        4 * random(2, k, b).sign().relu(),
    )
    weights = [w.to(device) for w in weights]
    grad_output = random(x.shape)
    actual, expected = (
        _output_and_gradients(
            backend, x.to(device, kind), grad_output.to(device, kind), weights, mode_fraction
        )
        for backend, kind in ((run, dtype), (composed.run, torch.float32))
    )
    return torch.stack([(a.float() - e).norm() / e.norm() for a, e in zip(actual, expected)]).max()


def _output_and_gradients(run, x, grad_output, weights, mode_fraction):
    leaves = [t.detach().clone().requires_grad_() for t in (x, *weights)]
    y = run(leaves[0], (*leaves[1:], None, None), (1.0, mode_fraction, 'ortho', True))
    return [y.detach(), *torch.autograd.grad(y, leaves, grad_output)]
