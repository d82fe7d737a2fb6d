"""Detect exports and transforms, because operators must then compute in another way."""

import torch
from torch.autograd import forward_ad


def is_exported() -> bool:
    """Return True while torch.export, torch.onnx or torch.jit.trace records a program.

    Such a program may run in another runtime and on other sizes. So it must contain no complex
    numbers, no FFTs and no fixed sizes.
    """
    if torch.jit.is_tracing():
        return True
    if hasattr(torch.compiler, 'is_exporting'):
        return torch.compiler.is_exporting()
    return torch.compiler._is_compiling_flag  # torch 2.6 sets it only in torch.export.


def is_transformed() -> bool:
    """Return True inside torch.func or forward-mode autograd. Custom operators fail there."""
    return torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0
