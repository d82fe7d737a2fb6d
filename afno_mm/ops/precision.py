"""Full precision for the steps that half precision cannot compute.

CPU FFTs have no half precision, and CUDA FFTs in half precision take only powers of two. Sums over
all tokens of a large grid leave the range of float16. Such steps run ``with autocast_off(x)`` on
``full_precision(x)``.
"""

import contextlib

import torch
from torch import Tensor

from .exporting import is_exported


def full_precision(x: Tensor) -> Tensor:
    """Return ``x`` in float32. A float64 tensor stays as it is."""
    return x if x.dtype == torch.float64 else x.float()


def as_autocast(x: Tensor) -> Tensor:
    """Return float32 tokens on a CUDA GPU in the dtype of autocast, if autocast is on.

    PyTorch's matrix products do the same. On CPUs AFNO computes in float32, so nothing changes.
    """
    if x.device.type != 'cuda' or x.dtype != torch.float32:
        return x
    return x.to(torch.get_autocast_dtype('cuda')) if torch.is_autocast_enabled('cuda') else x


# A context manager of our own, as a generator or a class, would be shorter to use, but
# torch.compile of torch 2.6 traces neither.
def autocast_off(x: Tensor) -> contextlib.AbstractContextManager:
    """Return a context manager that turns autocast off on the device of ``x``."""
    device = x.device.type
    if is_exported() and not torch.is_autocast_enabled(device):
        return contextlib.nullcontext()  # Keep the program free of autocast.
    return torch.autocast(device, enabled=False) if _has(device) else contextlib.nullcontext()


@torch.compiler.assume_constant_result
def _has(device: str) -> bool:
    return torch.amp.is_autocast_available(device)
