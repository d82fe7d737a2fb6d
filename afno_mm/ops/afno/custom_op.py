"""Register AFNO and its gradient as custom operators. torch.compile does not trace into them.

A backend provides three functions. ``weights`` are w1, b1, w2, b2 and the full frequency filter (or
None); with ``takes_factors``, they are w1, b1, w2, b2 and the pair of :func:`.factors_of`.
``settings`` are the non-tensor arguments in the operator's schema::

    forward(x, *weights, *settings, keep)  # returns the output and the saved tensors
    backward(grad_output, *weights, *saved, *settings, for_input, for_weights, for_filter)
    empty_saved(x, w1, *settings, keep)  # returns uninitialised tensors like the saved ones

Without ``keep`` the saved tensors have size 0. ``backward`` returns the gradients of x, w1, b1,
w2, b2 and the filter (or of the pair), in that order; a gradient that is not asked for has size 0.
The operators take the filter as the pair of :func:`.factors_of` and save only this pair for
backward, which multiplies it again: the full filter may be as large as the spectrum of an image.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..frequency_filter import gradients_of_factors, whole_filter
from ..precision import autocast_off

WEIGHTS = 'Tensor w1, Tensor b1, Tensor w2, Tensor b2, Tensor? filter, Tensor? filter_weight'
# The values of SETTINGS, in this order.
Settings = tuple[float, float, str, bool]
SETTINGS = 'float sparsity_threshold, float mode_fraction, str norm, bool residual'


def define(
    backend: str,
    forward: Callable[..., tuple[Tensor, ...]],
    backward: Callable[..., tuple[Tensor, ...]],
    empty_saved: Callable[..., tuple[Tensor, ...]],
    saved: Sequence[str],
    device_types: str | None = None,
    takes_factors: bool = False,
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Register a backend's custom operators. Return the operator AFNO and its gradient.

    ``saved`` names the tensors that forward saves.
    """
    if not takes_factors:
        forward, backward = _with_whole_filter(forward), _with_whole_filter(backward, True)
    custom_op: Any = partial(torch.library.custom_op, mutates_args=(), device_types=device_types)
    results = ', '.join(['Tensor'] * (1 + len(saved)))
    schema = f'(Tensor x, {WEIGHTS}, {SETTINGS}, bool keep) -> ({results})'
    afno = custom_op(f'afno_mm::{backend}_afno', forward, schema=schema)
    tensors = ', '.join([f'Tensor grad_output, {WEIGHTS}', *(f'Tensor {name}' for name in saved)])
    results = ', '.join(['Tensor'] * 7)
    asked = 'bool for_input, bool for_weights, bool for_filter'
    schema = f'({tensors}, {SETTINGS}, {asked}) -> ({results})'
    gradient = custom_op(f'afno_mm::{backend}_afno_backward', backward, schema=schema)

    @afno.register_fake
    def _(x, w1, b1, w2, b2, factor, weight, *settings):
        return x.new_empty(x.shape), *empty_saved(x, w1, *settings)

    @gradient.register_fake
    def _(grad_output, w1, b1, w2, b2, factor, weight, *others):
        return empty_gradients(grad_output, (w1, b1, w2, b2), (factor, weight), *others[-3:])

    def setup_context(ctx, inputs, output):
        ctx.settings = inputs[7:-1]
        ctx.mark_non_differentiable(*output[1:])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*inputs[1:7], *output[1:])

    def differentiate(ctx, grad_output, *_):
        no_more = [None] * (len(ctx.settings) + 1)
        if grad_output is None:
            return *[None] * 7, *no_more
        for_input, *for_weights = needed = ctx.needs_input_grad[:7]
        asked = for_input, any(for_weights[:4]), any(for_weights[4:])
        grads = gradient(grad_output, *ctx.saved_tensors, *ctx.settings, *asked)
        return *(grad if need else None for grad, need in zip(grads, needed)), *no_more

    def refuse(ctx, *_):
        advice = 'set AFNO_MM_BACKEND=composed to get one'
        raise RuntimeError(f"AFNO's backend {backend!r} has no second derivative; {advice}")

    afno.register_autograd(differentiate, setup_context=setup_context)
    gradient.register_autograd(refuse)
    return afno, gradient


def _with_whole_filter(function, is_backward=False):
    """Wrap a backend's function: it gets the full filter, and backward returns factor gradients."""

    def call(x, w1, b1, w2, b2, factor, weight, *others):
        with autocast_off(x):
            whole = whole_filter(factor, weight)
        results = function(x, w1, b1, w2, b2, whole, *others)
        if not is_backward:
            return results
        *grads, grad_filter = results
        of_weight = (w1 if weight is None else weight).new_empty(0)
        if weight is not None and others[-1]:
            with autocast_off(x):
                grad_filter, of_weight = gradients_of_factors(grad_filter, factor, weight)
        return *grads, grad_filter, of_weight

    return call


def empty_gradients(
    grad_output: Tensor,
    weights: Sequence[Tensor],
    filters: Sequence[Tensor | None],
    for_input: bool,
    for_weights: bool,
    for_filter: bool,
) -> tuple[Tensor, ...]:
    """Return buffers for the gradients of x, the weights and the filters: size 0 if not asked for.

    The gradient of x is uninitialised, the others hold zeros.
    """
    grad_input = grad_output.new_empty(grad_output.shape if for_input else 0)
    grads = [w.new_zeros(w.shape if for_weights else 0) for w in weights]
    for t in filters:
        like = weights[0] if t is None else t
        grads.append(like.new_zeros(like.shape if t is not None and for_filter else 0))
    return grad_input, *grads


def convert(tensors: Sequence[Any], dtype: torch.dtype) -> list[Any]:
    """Return tensors in ``dtype``. None stays None."""
    return [None if t is None else t.to(dtype) for t in tensors]


def needs_backward(tensors: Sequence[Tensor | None]) -> bool:
    """Return whether autograd may need a gradient. Inside an operator it would return False."""
    return torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors)
