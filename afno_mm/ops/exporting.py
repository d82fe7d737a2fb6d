"""Which kind of program PyTorch makes of the operators, where that decides how to compute."""

import torch
from torch.autograd import forward_ad


def is_exported() -> bool:
    """Return True while torch.export, torch.onnx or torch.jit.trace records a program.

    The program may run elsewhere and on other sizes. So it must hold neither complex numbers nor
    FFTs nor sizes.
    """
    if torch.jit.is_tracing():
        return True
    if hasattr(torch.compiler, 'is_exporting'):
        return torch.compiler.is_exporting()
    return torch.compiler._is_compiling_flag  # torch 2.6 sets it only in torch.export.


def is_transformed() -> bool:
    """Return True if torch.func or forward-mode autograd needs plain operators."""
    return torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0
