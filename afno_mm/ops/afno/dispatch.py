"""The AFNO operator and the choice of the backend that computes it.

A backend is a module with two functions::

    refusal(x)  # returns why the backend cannot take the tokens x, or None if it can
    run(x, weights, settings)  # computes afno_operator

``weights`` are w1, b1, w2, b2 and the pair of :func:`.factors_of`; ``settings`` are
``(sparsity_threshold, mode_fraction, norm, residual)``. All backends agree with ``composed`` in
values and gradients. To add one, write the module and its row in ``BACKENDS``.
"""

import contextlib
import os
import threading
from collections.abc import Iterator

import torch
from torch import Tensor

from ..exporting import is_exported, is_transformed
from ..frequency_filter import Filter, factors_of
from ..precision import as_autocast
from ..spectral import kept_modes
from . import composed, eager, portable
from .cpu import operator as cpu
from .triton import operator as triton

# In order of preference. 'composed' takes everything. 'portable' is for exported programs.
BACKENDS = {
    'triton': triton,
    'cpu': cpu,
    'eager': eager,
    'composed': composed,
    'portable': portable,
}
VARIABLE = 'AFNO_MM_BACKEND'
# The environment variable of versions before 0.2, and the new names of its values.
OLD_VARIABLE = 'AFNO_MM_PATH'
OLD_NAMES = {'triton': 'triton', 'compiled': 'cpu', 'torch': 'eager', 'reference': 'composed'}


class _Override(threading.local):
    name: str | None = None  # the backend that use_backend forces in this thread


_override = _Override()


def afno_operator(
    x: Tensor,
    w1: Tensor,
    b1: Tensor,
    w2: Tensor,
    b2: Tensor,
    sparsity_threshold: float,
    mode_fraction: float = 1.0,
    norm: str = 'ortho',
    residual: bool = False,
    backend: str | None = None,
    frequency_filter: Filter | None = None,
) -> Tensor:
    """Compute ``IRFFT2(S_lambda(MLP(RFFT2(x))))``, plus ``x`` if ``residual`` (Sec. 4, Fig. 3).

    The operator computes in float32, or in float64 for float64 tokens. Only the backend 'triton'
    computes half-precision tokens in their precision. On a CUDA GPU under autocast, float32 tokens
    are first converted to the dtype of autocast, as those of PyTorch's matrix products are.

    Args:
        x: Real tokens ``(B, H, W, C)`` of any floating dtype. The result has the same dtype, or
            that of autocast.
        w1, b1, w2, b2: Weights as in :func:`afno_mm.ops.block_mlp`.
        sparsity_threshold: lambda of the soft shrinkage (Eq. 8). 0 turns it off.
        mode_fraction: Share of the frequencies to keep on each axis, in (0, 1].
        norm: 'ortho' or 'forward', as in :func:`torch.fft.rfft2`.
        residual: Whether to add ``x`` to the result.
        backend: A key of ``BACKENDS`` to force. Default: see :func:`choose_backend`.
        frequency_filter: Complex filter g: adds ``g * RFFT2(x)`` before the inverse transform.
            It is a real tensor ``(2, K1, K2, C)`` or a pair of factors, see
            :mod:`afno_mm.ops.frequency_filter`. The paper does not have it.

    Raises:
        ValueError: If shapes or ``mode_fraction`` are wrong, or the forced backend cannot run.
    """
    x = as_autocast(x)
    _check(x, w1, b1, w2, b2, mode_fraction)
    factors = factors_of(frequency_filter)
    if frequency_filter is not None:
        _check_filter(x, mode_fraction, *factors)
    backend, _ = choose_backend(x, backend)
    settings = float(sparsity_threshold), mode_fraction, norm, residual
    return BACKENDS[backend].run(x, (w1, b1, w2, b2, *factors), settings)


def _check(x, w1, b1, w2, b2, mode_fraction):
    """Check the shapes. Backends compute memory addresses from them."""
    if torch.jit.is_tracing():
        return  # Tracing would warn that these comparisons become constants.
    _, k, b, h = w1.shape if w1.ndim == 4 else (0,) * 4
    found = [tuple(t.shape) for t in (w1, b1, w2, b2)]
    wanted = [(2, k, b, h), (2, k, h), (2, k, h, b), (2, k, b)]
    if x.ndim != 4 or x.shape[3] != k * b or found != wanted:
        raise ValueError(
            'tokens must be (B, H, W, k b), and w1, b1, w2, b2 (2, k, b, h), '
            f'(2, k, h), (2, k, h, b), (2, k, b), got {tuple(x.shape)} and {found}'
        )
    for name, weight in dict(w1=w1, b1=b1, w2=w2, b2=b2).items():
        if weight.device != x.device:
            raise ValueError(f'the tokens are on {x.device}, and {name} is on {weight.device}')
    if not 0 < mode_fraction <= 1:
        raise ValueError(f'mode_fraction must be in (0, 1], got {mode_fraction}')


def _check_filter(x, mode_fraction, factor, weight):
    """Check the shapes of a filter. Skip exports: with truncation, they have more frequencies."""
    if is_exported():
        return
    modes, channels = kept_modes(x.shape[1:3], mode_fraction), x.shape[3]
    if weight is None:
        found, wanted = [tuple(factor.shape)], [(2, *modes, channels)]
    else:
        found = [tuple(factor.shape), tuple(weight.shape)]
        wanted = [(*modes, factor.shape[-1]), (2, factor.shape[-1] + 1, channels)]
    if found != wanted:
        raise ValueError(
            f'the frequency_filter of tokens {tuple(x.shape)} with mode_fraction={mode_fraction} '
            f'must have the shapes {wanted}, got {found}: make it for this grid'
        )


def choose_backend(x: Tensor, backend: str | None = None) -> tuple[str, str]:
    """Return the backend for tokens ``x`` and the reason, as a text for the log.

    In order of priority, the argument ``backend``, :func:`use_backend` and the environment variable
    ``AFNO_MM_BACKEND`` force one. Otherwise exports take 'portable', torch.func and forward mode
    take 'composed', and all else takes the first of ``BACKENDS`` that does not refuse.

    Raises:
        ValueError: If the forced backend does not exist or refuses ``x``, or if the environment has
            the variable ``AFNO_MM_PATH`` of old versions.
    """
    forced = backend or _override.name or _from_environment()
    if forced:
        by_call = backend or _override.name
        source = f'backend={forced!r}' if by_call else f'{VARIABLE}={forced}'
        names = ', '.join(BACKENDS)
        if forced not in BACKENDS:
            raise ValueError(f'{source} is not a backend of AFNO; there are {names}')
        reason = BACKENDS[forced].refusal(x)
        if reason is None:
            return forced, f'{source} asks for it'
        advice = f'leave it out to let AFNO choose among {names}'
        raise ValueError(f'{source} was asked for, but {reason}; {advice}')
    if is_exported():
        return 'portable', 'it is exported or traced'
    if is_transformed():
        return 'composed', 'it is transformed by torch.func or forward mode'
    refusals: list[str] = []
    for name, module in BACKENDS.items():
        reason = module.refusal(x)
        if reason is None:
            return name, '; '.join(refusals) or 'it is the fastest here'
        refusals.append(f'not {name}: {reason}')
    raise AssertionError('the backend composed takes everything')


def _from_environment():
    old = os.environ.get(OLD_VARIABLE)
    if old is not None:
        new = OLD_NAMES.get(old, old)
        raise ValueError(f'{OLD_VARIABLE}={old} has a new name: set {VARIABLE}={new} in its place')
    return os.environ.get(VARIABLE)


@contextlib.contextmanager
def use_backend(name: str | None) -> Iterator[None]:
    """Force a backend of ``BACKENDS`` in this thread inside a ``with``. None changes nothing."""
    before = _override.name
    _override.name = name or before
    try:
        yield
    finally:
        _override.name = before
