"""Detect exports and transforms, because operators must then compute in another way."""

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch
from torch._guards import detect_fake_mode
from torch.autograd import forward_ad


def is_exported() -> bool:
    """Return True while torch.export, torch.onnx or torch.jit.trace records a program.

    Such a program may run in another runtime and on other sizes. So it must contain no complex
    numbers, no FFTs and no fixed sizes.
    """
    if torch.jit.is_tracing():
        return True
    # Work-around: in torch 2.11, torch.compile takes torch.compiler.is_exporting() for True.
    if hasattr(torch.compiler, '_is_exporting_flag'):
        return torch.compiler._is_exporting_flag
    return torch.compiler._is_compiling_flag  # torch 2.6 sets it only in torch.export.


def is_transformed() -> bool:
    """Return True inside torch.func or forward-mode autograd. Custom operators fail there."""
    return torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0


def is_recorded() -> bool:
    """Return True under torch.compile, exports and FakeTensorMode: tensors have no values then."""
    return torch.compiler.is_compiling() or is_exported() or detect_fake_mode() is not None


def cached(function: Callable) -> Callable:
    """Keep the last 64 results of a function that makes a tensor from sizes.

    It keeps nothing if :func:`is_recorded`. A new thread makes the tensor. In this thread,
    inference mode is off, so training can use the tensor. Its memory is not from the pool in which
    torch.compile warms up CUDA graphs. A tensor that is used in a capture is kept for ever, because
    replays read it at its address.
    """
    in_graphs = {}

    @functools.lru_cache(maxsize=64)
    def keep(*args):
        with ThreadPoolExecutor(1) as thread:
            result = thread.submit(function, *args).result()
        if result.is_cuda:  # The caller's stream does not wait for that of the thread.
            torch.cuda.synchronize(result.device)
        return result

    @functools.wraps(function)
    def call(*args):
        if is_recorded():
            return function(*args)
        result = keep(*args)
        if result.is_cuda and torch.cuda.is_current_stream_capturing():
            in_graphs[id(result)] = result
        return result

    call.cache_clear = keep.cache_clear  # type: ignore[attr-defined]
    return call
