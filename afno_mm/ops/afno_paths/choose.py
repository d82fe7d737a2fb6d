"""The AFNO operator, and the choice of the path that computes it.

Every path is a module with two functions: ``run``, the operator, and ``refusal``, which
says why it cannot take these tokens (None if it can). All agree with the reference path in
values and gradients. To remove a path, remove its module and its row in ``PATHS``.
"""

import contextlib
import os

import torch
from torch.autograd import forward_ad

from . import compiled_path, reference_path, torch_path, triton_path

# From the fastest to the one that takes everything.
PATHS = {
    'triton': triton_path,
    'compiled': compiled_path,
    'torch': torch_path,
    'reference': reference_path,
}
VARIABLE = 'AFNO_MM_PATH'


def afno(
    x,
    w1,
    b1,
    w2,
    b2,
    sparsity_threshold,
    mode_fraction=1.0,
    norm='ortho',
    residual=False,
    path=None,
):
    """``IRFFT2(S_lambda(MLP(RFFT2(x))))``, and ``+ x`` where asked (Sec. 4 and Fig. 3).

    In float32 (float64 for float64 tokens), whatever the dtype of the tokens and under any
    autocast; only on the path 'triton' are half-precision products those of tensor cores.

    Args:
        x (Tensor): Real ``(B, H, W, C)``, of any floating dtype.
        w1, b1, w2, b2 (Tensor): As in :func:`afno_mm.ops.block_mlp`.
        sparsity_threshold (float): lambda. 0 means no shrinkage.
        mode_fraction (float): Share of the frequencies kept per axis, in (0, 1].
        norm (str): 'ortho' or 'forward', as in :func:`torch.fft.rfft2`.
        residual (bool): Whether to add ``x``.
        path (str, optional): A key of ``PATHS`` to force. Default: :func:`choose_path`.

    Returns:
        Tensor: ``(B, H, W, C)``, of the dtype of ``x``.

    Raises:
        ValueError: If shapes do not fit each other, ``mode_fraction`` is out of range, or the
            path that is asked for does not exist or cannot take ``x``.
    """
    _check(x, w1, b1, w2, b2, mode_fraction)
    path, _ = choose_path(x, path)
    return PATHS[path].run(
        x, (w1, b1, w2, b2), float(sparsity_threshold), mode_fraction, norm, residual
    )


def _check(x, w1, b1, w2, b2, mode_fraction):
    """What paths rely on: some of them write to memory by these numbers."""
    _, k, b, h = w1.shape if w1.ndim == 4 else (0,) * 4
    found = [tuple(t.shape) for t in (w1, b1, w2, b2)]
    if (
        x.ndim != 4
        or x.shape[3] != k * b
        or found != [(2, k, b, h), (2, k, h), (2, k, h, b), (2, k, b)]
    ):
        raise ValueError(
            'tokens must be (B, H, W, k b), and w1, b1, w2, b2 (2, k, b, h), '
            f'(2, k, h), (2, k, h, b), (2, k, b), got {tuple(x.shape)} and {found}'
        )
    if not 0 < mode_fraction <= 1:
        raise ValueError(f'mode_fraction must be in (0, 1], got {mode_fraction}')


def choose_path(x, path=None):
    """The path for tokens ``x``, and why: the first of ``PATHS`` that does not refuse them.

    ``path``, or else the environment variable ``AFNO_MM_PATH``, forces one.

    Returns:
        tuple[str, str]: A key of ``PATHS``; a reason to read in a log.

    Raises:
        ValueError: If the path that is asked for does not exist or refuses ``x``.
    """
    asked = path or os.environ.get(VARIABLE)
    if asked:
        wanted = f'path={path!r}' if path else f'{VARIABLE}={asked}'
        if asked not in PATHS:
            raise ValueError(f'{wanted} is not a path of AFNO; there are {", ".join(PATHS)}')
        reason = PATHS[asked].refusal(x)
        if reason is not None:
            raise ValueError(
                f'{wanted} was asked for, but {reason}; leave it out to let '
                f'AFNO choose among {", ".join(PATHS)}'
            )
        return asked, f'{wanted} asks for it'
    if _is_transformed():
        return 'reference', 'it is exported, or transformed by torch.func'
    refusals = []
    for name, module in PATHS.items():
        reason = module.refusal(x)
        if reason is None:
            return name, '; '.join(refusals) or 'it is the fastest here'
        refusals.append(f'not {name}: {reason}')
    raise AssertionError('the reference path takes everything')


def _is_transformed():
    """Whether plain operators are wanted: by an exporter, torch.func, or forward-mode gradients."""
    exporting = getattr(torch.compiler, 'is_exporting', torch.compiler.is_compiling)  # torch 2.6
    return (
        exporting()
        or torch.jit.is_tracing()
        or torch._C._are_functorch_transforms_active()
        or forward_ad._current_level >= 0
    )


@contextlib.contextmanager
def forced_path(path):
    """Has AFNO take a path of ``PATHS`` within; None leaves the choice as it is."""
    before = os.environ.get(VARIABLE)
    if path:
        os.environ[VARIABLE] = path
    try:
        yield
    finally:
        if path and before is None:
            del os.environ[VARIABLE]
        elif path:
            os.environ[VARIABLE] = before
