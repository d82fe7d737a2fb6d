"""The precision of what half precision cannot compute."""

import contextlib

import torch


@contextlib.contextmanager
def full_precision(x):
    """Yield ``x`` in float32 (float64 stays) with autocast off.

    The one place that decides: CPU FFTs know no half precision and CUDA's only take powers
    of two, and sums over all tokens of a large grid leave the range of float16.
    """
    full = x if x.dtype == torch.float64 else x.float()
    device = x.device.type
    # An ExitStack would be shorter, but torch.compile cannot trace one.
    if torch.amp.is_autocast_available(device):
        with torch.autocast(device, enabled=False):
            yield full
    else:
        yield full
