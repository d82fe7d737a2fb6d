"""Filters that are smooth functions of the frequency, beside AFNO's MLP.

This is an idea of this project, not of the AFNO paper. A full filter has one complex factor for
each kept frequency and channel: real ``(2, K1, K2, C)``, real parts first, with the frequencies in
the order of :mod:`.spectral`. It is as large as the tokens of one image.

A filter may also be given as a pair of factors, ``basis (K1, K2, R)`` and ``weight (2, R + 1, C)``.
The full filter is ``basis @ weight[:, :-1] + weight[:, -1:]``, once for each part. Fast backends
then save only the pair for backward, and multiply it again there.
"""

import torch
from torch import Tensor

from . import real_dft
from .exporting import cached, is_exported
from .spectral import kept_modes

Filter = Tensor | tuple[Tensor, Tensor]
NUM_FEATURES = 10


@cached
def frequency_features(
    grid: tuple[int, int], mode_fraction: float, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """Return a network's input features for each kept frequency, ``(K1, K2, NUM_FEATURES)``.

    The features are functions of fy and fx in cycles per image, so they mean the same on every
    grid. fy is the row frequency with its sign, fx >= 0 the column frequency. With truncation, an
    exported program has one or two more frequencies per axis, see :func:`.real_dft.frequencies`.
    """
    if is_exported():
        rows, columns = real_dft.frequencies(grid, mode_fraction, device)
    else:
        num_rows, num_columns = kept_modes(grid, mode_fraction)
        rows = real_dft.signed(num_rows, device)
        columns = torch.arange(num_columns, device=device)
    fy, fx = torch.broadcast_tensors(rows.to(dtype)[:, None], columns.to(dtype)[None])
    f = (fx.square() + fy.square()).sqrt()
    features = [size.abs().log1p() for size in (f, fx, fy)]
    features += [fx / (f + 1), fy / (f + 1)]
    features += [(-f / scale).exp() for scale in (1, 4, 16)]
    features += [(-size.abs()).exp() for size in (fx, fy)]
    return torch.stack(features, dim=-1)


def factors_of(frequency_filter: Filter | None) -> tuple[Tensor | None, Tensor | None]:
    """Return the pair that custom operators take: (basis, weight), or (full filter, None)."""
    return frequency_filter if isinstance(frequency_filter, tuple) else (frequency_filter, None)


def whole_filter(factor: Tensor, weight: Tensor | None = None) -> Tensor:
    """Return the full filter ``(2, K1, K2, C)`` of a pair from :func:`factors_of`."""
    if weight is None:
        return factor
    basis = factor.flatten(0, 1)
    whole = torch.baddbmm(weight[:, -1:], basis.expand(2, *basis.shape), weight[:, :-1])
    return whole.unflatten(1, factor.shape[:2])


def gradients_of_factors(
    grad_filter: Tensor, basis: Tensor, weight: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the gradients of ``basis`` and ``weight`` for the gradient of the full filter."""
    grad = grad_filter.flatten(1, 2)  # (2, K1 * K2, C)
    grad_basis = (grad @ weight[:, :-1].mT).sum(0)
    grad_weight = torch.cat([basis.flatten(0, 1).mT @ grad, grad.sum(1, keepdim=True)], 1)
    return grad_basis.view_as(basis), grad_weight


def multiply(g: Tensor, z: Tensor, conjugate: bool = False) -> Tensor:
    """Return ``g z``, or ``conj(g) z``, of planar spectra ``(.., 2, M, C)``."""
    (a, b), (real, imag) = g.unbind(-3), z.unbind(-3)
    if conjugate:
        return torch.stack([a * real + b * imag, a * imag - b * real], -3)
    return torch.stack([a * real - b * imag, a * imag + b * real], -3)
