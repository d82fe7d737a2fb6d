"""A trial of the Triton path on a GPU before it is chosen there.

Kernels are compiled on the machine that runs them, for a GPU that no test may have seen. Where the
compiler fails, or results are wrong, another path shall run. What it cannot help against is a kernel
that leaves the process without its GPU.
"""

import functools
import warnings

import torch

from .. import composed
from . import block_mlp

# Relative errors up to which results count as rounded: of tf32, float16 and bfloat16, and exact.
ROUNDED, EXACT = 3e-2, 1e-4
# Grid, blocks, their size and the share of the modes. In all dtypes the first is transformed by
# products and goes through the fused kernels, the second through those of single products, and the
# third is transformed by FFT.
SIZES = (((6, 8), 2, 16, 0.5), ((3, 4), 1, 144, 1.0), ((1, 772), 1, 8, 1.0))


def failure(run, device, dtype):
    """Why a path's results are not those of the reference path; tried once per GPU and dtype.

    Args:
        run (callable): The path.
        device (torch.device): Where to try.
        dtype (torch.dtype): Of the tokens.

    Returns:
        str | None: None if they are.
    """
    if device.type == 'cuda' and torch.cuda.is_current_stream_capturing():
        return None  # Nothing can be compared then. What runs before a capture has been tried.
    return _failure(run, device, dtype, block_mlp.is_exact(dtype))


@functools.cache
def _failure(run, device, dtype, exact):
    reason = _reason(run, device, dtype, EXACT if exact else ROUNDED)
    if reason:
        warnings.warn(f'AFNO does without its Triton kernels: {reason}')
    return reason


def _reason(run, device, dtype, bound):
    with (
        torch.inference_mode(False),
        torch.enable_grad(),
        torch.autocast(device.type, enabled=False),
        torch.autograd.graph.saved_tensors_hooks(_same, _same),
    ):  # not those of checkpointing
        try:
            error = torch.stack([_error(run, *size, device, dtype) for size in SIZES]).max().item()
        except Exception as fault:
            text = ' '.join(str(fault).split())
            return f'their trial on {device} failed: {type(fault).__name__}: {text[:300]}'
    if not error <= bound:  # as it is of a NaN
        return f'their results on {device} in {dtype} are wrong: relative error {error:.0e}'
    return None


def _same(tensor):
    return tensor


def _error(run, grid, num_blocks, block_size, mode_fraction, device, dtype):
    """Greatest relative error of the output and the gradients on a few tokens."""
    random = functools.partial(
        torch.randn, generator=torch.Generator().manual_seed(0), device='cpu', dtype=torch.float32
    )
    k, b = num_blocks, block_size
    x = random(1, *grid, k * b)
    # Biases far from the kinks of ReLU and shrinkage, where rounding would tip gradients.
    weights = (
        random(2, k, b, b) * b**-0.5,
        8 * random(2, k, b).sign(),
        random(2, k, b, b) * b**-0.5 / 32,
        4 * random(2, k, b).sign().relu(),
    )
    cotangent = random(x.shape)
    found, exact = (
        _value_and_gradients(
            path,
            *(t.to(device, kind) for t in (x, cotangent)),
            [w.to(device) for w in weights],
            mode_fraction,
        )
        for path, kind in ((run, dtype), (composed.run, torch.float32))
    )
    return torch.stack([(f.float() - e).norm() / e.norm() for f, e in zip(found, exact)]).max()


def _value_and_gradients(run, x, cotangent, weights, mode_fraction):
    leaves = [t.detach().clone().requires_grad_() for t in (x, *weights)]
    y = run(leaves[0], leaves[1:], 1.0, mode_fraction, 'ortho', True)
    return [y.detach(), *torch.autograd.grad(y, leaves, cotangent)]
