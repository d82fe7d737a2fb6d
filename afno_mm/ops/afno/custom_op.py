"""AFNO and its gradient as custom operators: autograd and torch.compile call them as they are.

A backend writes three functions. ``settings`` are those of its ``run``, and ``weights`` are
w1, b1, w2 and b2::

    forward(x, *weights, *settings, keep)  # returns the output, and what backward needs if keep
    backward(grad_output, *weights, *saved, *settings, for_input, for_weights)  # empty_gradients
    empty_saved(x, w1, *settings, keep)  # returns what forward saves, without values
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

WEIGHTS = 'Tensor w1, Tensor b1, Tensor w2, Tensor b2'
SETTINGS = 'float sparsity_threshold, float mode_fraction, str norm, bool residual'


def define(
    backend: str,
    forward: Callable[..., tuple[Tensor, ...]],
    backward: Callable[..., tuple[Tensor, ...]],
    empty_saved: Callable[..., tuple[Tensor, ...]],
    saved: Sequence[str],
    settings: str = SETTINGS,
    device_types: str | None = None,
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Register the operators of a backend and return them: AFNO, and its gradient.

    ``saved`` names the tensors that forward saves. ``settings`` is part of the operator's schema.
    """
    custom_op: Any = partial(torch.library.custom_op, mutates_args=(), device_types=device_types)
    results = ', '.join(['Tensor'] * (1 + len(saved)))
    schema = f'(Tensor x, {WEIGHTS}, {settings}, bool keep) -> ({results})'
    afno = custom_op(f'afno_mm::{backend}_afno', forward, schema=schema)
    tensors = ', '.join([f'Tensor grad_output, {WEIGHTS}', *(f'Tensor {name}' for name in saved)])
    results = '(Tensor, Tensor, Tensor, Tensor, Tensor)'
    schema = f'({tensors}, {settings}, bool for_input, bool for_weights) -> {results}'
    gradient = custom_op(f'afno_mm::{backend}_afno_backward', backward, schema=schema)

    @afno.register_fake
    def _(x, w1, b1, w2, b2, *settings):
        return x.new_empty(x.shape), *empty_saved(x, w1, *settings)

    @gradient.register_fake
    def _(grad_output, w1, b1, w2, b2, *others):
        return empty_gradients(grad_output, (w1, b1, w2, b2), *others[-2:])

    def setup_context(ctx, inputs, output):
        ctx.settings = inputs[5:-1]
        ctx.mark_non_differentiable(*output[1:])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*inputs[1:5], *output[1:])

    def differentiate(ctx, grad_output, *_):
        no_more = [None] * (len(ctx.settings) + 1)
        if grad_output is None:
            return *[None] * 5, *no_more
        for_input, *for_weights = needed = ctx.needs_input_grad[:5]
        asked = for_input, any(for_weights)
        grads = gradient(grad_output, *ctx.saved_tensors, *ctx.settings, *asked)
        return *(grad if need else None for grad, need in zip(grads, needed)), *no_more

    def refuse(ctx, *_):
        advice = 'set AFNO_MM_BACKEND=composed to get one'
        raise RuntimeError(f"AFNO's backend {backend!r} has no second derivative; {advice}")

    afno.register_autograd(differentiate, setup_context=setup_context)
    gradient.register_autograd(refuse)
    return afno, gradient


def empty_gradients(
    grad_output: Tensor, weights: Sequence[Tensor], for_input: bool, for_weights: bool
) -> tuple[Tensor, ...]:
    """Return buffers for the gradients of x, w1, b1, w2 and b2, of size 0 if not asked for.

    Those of weights hold zeros.
    """
    grad_input = grad_output.new_empty(grad_output.shape if for_input else 0)
    return grad_input, *(w.new_zeros(w.shape if for_weights else 0) for w in weights)


def needs_backward(tensors: Sequence[Tensor]) -> bool:
    """Return whether autograd will ask for a gradient. Inside an operator it cannot be known."""
    return torch.is_grad_enabled() and any(t.requires_grad for t in tensors)
