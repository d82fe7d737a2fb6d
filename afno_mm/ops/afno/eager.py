"""AFNO with PyTorch alone, in float32, with a hand-written backward pass.

Spectra are planar, ``(B, 2, M, C)``: real, then imaginary parts (see :mod:`.planar`) of
``M = K1 * K2`` kept frequencies, K1 along H and K2 along W. The MLP works on one image at a time,
in pieces that fit in the cache of a CPU. If a gradient is needed, forward saves the spectrum, the
hidden layer and the mask of the soft shrinkage, uint8 ``(B, M, C)``. Bit 0 of the mask is set where
the real part is kept, bit 1 where the imaginary part is kept.
"""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..frequency_filter import multiply
from ..precision import autocast_off
from ..real_dft import FORWARD_POWERS
from ..spectral import kept_modes
from . import planar
from .custom_op import Settings, convert, define, empty_gradients, needs_backward

# Bytes of a piece per CPU thread. Larger pieces leave the cache and need new memory pages from the
# system. Smaller pieces gain nothing, and threads wait for each other more often.
PIECE = 2**21


def refusal(x: Tensor) -> str | None:
    """Return why this backend cannot take tokens ``x``, or None."""
    if x.dtype == torch.float64:
        return 'the tokens are float64 and it computes in float32'
    if x.device.type == 'meta' or x.layout != torch.strided or x.numel() == 0:
        return 'the tokens have no values to work on'
    return None


def run(x: Tensor, weights: Sequence[Any], settings: Settings) -> Tensor:
    """Compute :func:`afno_mm.ops.afno_operator`."""
    tensors = convert((x, *weights), torch.float32)
    y, *_ = _afno(*tensors, *settings, needs_backward(tensors))
    return y.to(x.dtype)


def _forward(x, w1, b1, w2, b2, frequency_filter, *settings):
    """Return the output and, if ``keep``, spectrum, hidden layer and mask."""
    sparsity_threshold, mode_fraction, norm, residual, keep = settings
    _, k, _, h = w1.shape
    modes = kept_modes(x.shape[1:3], mode_fraction)
    with autocast_off(x):
        z = _analyse(x, modes, FORWARD_POWERS[norm])
        _, hidden, mask = _empty_saved(x, w1, *settings)
        out = z if frequency_filter is None and not keep else torch.empty_like(z)
        factors1, factors2 = _gauss_factors(w1), _gauss_factors(w2)
        for i, m in itertools.product(range(len(z)), _pieces(z[0], 1)):
            a = hidden[i, :, m] if keep else x.new_empty(2, m.stop - m.start, k * h)
            a = _product(_blocks(z[i, :, m], k), factors1, _blocks(a, k))
            a.add_(b1[:, :, None]).relu_()
            o = _product(a, factors2, _blocks(out[i, :, m], k)).add_(b2[:, :, None])
            if sparsity_threshold > 0:
                torch.ops.aten.softshrink.out(o, sparsity_threshold, out=o)
                if keep:
                    real, imag = torch.ne(out[i, :, m], 0).view(torch.uint8)
                    torch.add(real, imag, alpha=2, out=mask[i, m])
            if frequency_filter is not None:
                out[i, :, m] += multiply(frequency_filter.flatten(1, 2)[:, m], z[i, :, m])
        y = _synthesise(out, modes, 1 - FORWARD_POWERS[norm], x, residual, mirrored=True)
    return y, z if keep else z.new_empty(0, *z.shape[1:]), hidden, mask


def _empty_saved(x, w1, sparsity_threshold, mode_fraction, norm, residual, keep):
    """Return buffers for spectrum, hidden layer and mask. B is 0 if a buffer is not needed."""
    modes = math.prod(kept_modes(x.shape[1:3], mode_fraction))
    batch, channels = x.shape[0] if keep else 0, x.shape[3]
    spectrum = x.new_empty(batch, 2, modes, channels)
    hidden = x.new_empty(batch, 2, modes, w1.shape[1] * w1.shape[3])
    batch = batch if sparsity_threshold > 0 else 0
    return spectrum, hidden, x.new_empty(batch, modes, channels, dtype=torch.uint8)


def _backward(grad_output, w1, b1, w2, b2, frequency_filter, z, hidden, mask, *settings):
    """Return the gradients of x, the weights and the filter: size 0 for those not asked for."""
    _, mode_fraction, norm, residual, *asked = settings
    for_input, for_weights, for_filter = asked
    _, k, b, h = w1.shape
    modes = kept_modes(grad_output.shape[1:3], mode_fraction)
    with autocast_off(grad_output):
        grad_z = _analyse(grad_output, modes, 1 - FORWARD_POWERS[norm], mirrored=True)
        factors1, factors2 = (
            _gauss_factors(torch.stack([w[0], -w[1]]).transpose(2, 3))  # conjugate transposes
            for w in (w1, w2)
        )
        sums1, sums2 = z.new_zeros(3, k, b, h), z.new_zeros(3, k, h, b)
        grad_b1, grad_b2 = torch.zeros_like(b1), torch.zeros_like(b2)
        grad_input, *grads, grad_filter = empty_gradients(
            grad_output, (w1, b1, w2, b2), [frequency_filter], False, False, for_filter
        )
        for i, m in itertools.product(range(len(z)), _pieces(z[0], 1)):
            if for_filter:
                grad_filter.flatten(1, 2)[:, m] += multiply(z[i, :, m], grad_z[i, :, m], True)
            if frequency_filter is not None:
                filtered = multiply(frequency_filter.flatten(1, 2)[:, m], grad_z[i, :, m], True)
            a, grad_out = _blocks(hidden[i, :, m], k), _blocks(grad_z[i, :, m], k)
            if mask.numel():
                grad_z[i, 0, m] *= mask[i, m] & 1
                grad_z[i, 1, m] *= mask[i, m] >> 1
            grad_a = _product(grad_out, factors2, _blocks(torch.empty_like(hidden[i, :, m]), k))
            torch.ops.aten.threshold_backward.grad_input(grad_a, a, 0, grad_input=grad_a)
            _add_outer(sums1, _blocks(z[i, :, m], k), grad_a)
            _add_outer(sums2, a, grad_out)
            grad_b1 += grad_a.sum(2)
            grad_b2 += grad_out.sum(2)
            _product(grad_a, factors1, grad_out)
            if frequency_filter is not None:
                grad_z[i, :, m] += filtered
        if for_input:
            grad_input = _synthesise(grad_z, modes, FORWARD_POWERS[norm], grad_output, residual)
        if for_weights:
            grad_w1, grad_w2 = (torch.stack([s[0] + s[2], s[0] + s[1]]) for s in (sums1, sums2))
            grads = grad_w1, grad_b1, grad_w2, grad_b2
    return grad_input, *grads, grad_filter


_afno, _gradient = define('eager', _forward, _backward, _empty_saved, ('z', 'hidden', 'mask'))


def _analyse(x: Tensor, modes: Sequence[int], power: float, mirrored: bool = False) -> Tensor:
    """Run :func:`.planar.analyse`. An FFT transforms one piece of the channels at a time."""
    rows, columns = modes
    if planar.is_dense(x.shape[1:3], rows, columns, 'cpu'):
        x = x.contiguous()
        return planar.analyse(x, rows, columns, True, power, mirrored).flatten(2, 3)
    z = x.new_empty(x.shape[0], 2, rows, columns, x.shape[3])
    for c in _pieces(x, 3):
        z[..., c] = planar.analyse(x[..., c], rows, columns, False, power, mirrored)
    return z.flatten(2, 3)


def _synthesise(
    z: Tensor, modes: Sequence[int], power: float, x: Tensor, residual: bool, mirrored: bool = False
) -> Tensor:
    """Transform back to the grid of ``x``, and add ``x`` if ``residual``."""
    z, grid = z.unflatten(2, modes), x.shape[1:3]
    if planar.is_dense(grid, z.shape[2], z.shape[3], 'cpu'):
        add = x.contiguous() if residual else None
        return planar.synthesise(z, grid, True, power, mirrored, add)
    y = z.new_empty(x.shape)
    for c in _pieces(y, 3):
        y[..., c] = planar.synthesise(z[..., c], grid, False, power, mirrored)
    return y.add_(x) if residual else y


def _pieces(x: Tensor, dim: int) -> list[slice]:
    """Cut a dimension into slices of ``PIECE`` bytes per CPU thread. Other devices get one."""
    step = size = x.shape[dim]
    if x.device.type == 'cpu':
        step = max(1, PIECE * torch.get_num_threads() * size // x.nbytes)
    return [slice(start, min(start + step, size)) for start in range(0, size, step)]


def _blocks(z: Tensor, k: int) -> Tensor:
    """View ``(2, M, C)`` as ``(2, k, M, b)``."""
    return z.unflatten(2, (k, -1)).transpose(1, 2)


def _gauss_factors(w: Tensor) -> Tensor:
    """Return the real factors ``(3, k, b, h)`` that :func:`_product` takes for weights ``w``."""
    return torch.stack([w[0], w[1] - w[0], -w[0] - w[1]])


def _product(z: Tensor, factors: Tensor, out: Tensor) -> Tensor:
    """Write ``z w`` to ``out`` by Gauss' three real products: (2, k, M, b) to (2, k, M, h)."""
    torch.bmm(z[0] + z[1], factors[0], out=out[0])
    torch.baddbmm(out[0], z[0], factors[1], out=out[1])
    out[0].baddbmm_(z[1], factors[2])
    return out


def _add_outer(sums: Tensor, z: Tensor, grad: Tensor) -> None:
    """Add three real products s to ``sums``: ``z^H grad = s[0] + s[2] + i (s[0] + s[1])``."""
    real, imag = z.transpose(2, 3)
    sums[0].baddbmm_(real - imag, grad[0])
    sums[1].baddbmm_(real, grad[1] - grad[0])
    sums[2].baddbmm_(imag, grad[0] + grad[1])
