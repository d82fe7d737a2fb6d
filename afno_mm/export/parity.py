"""Compare an exported file with the PyTorch model on random images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .formats import ExportError, one_line

TOLERANCE = 1e-4
HALF_TOLERANCE = 2e-2


@dataclass
class Parity:
    """Result of comparing an exported file with PyTorch for one input of shape ``shape``.

    ``error`` is the largest absolute difference of the floating-point outputs. ``limit`` is the
    largest error allowed: the tolerance, times the largest expected magnitude if that is above 1.
    ``agreement`` is the share of equal class indices, None if the model predicts no classes.
    """

    shape: tuple[int, ...]
    error: float
    limit: float
    agreement: float | None

    @property
    def ok(self) -> bool:
        """Return True if the error is within the limit. An error of NaN never is."""
        return self.error <= self.limit


def check_parity(
    expected: Sequence[dict[str, Tensor]],
    run: Callable[[Tensor], Any],
    inputs: Sequence[Tensor],
    tolerance: float = TOLERANCE,
) -> list[Parity]:
    """Run an exported file with ``run`` on each input and compare its outputs with PyTorch's.

    ``expected`` has PyTorch's outputs by name, for each input.

    Raises:
        ExportError: If the file refuses an input, or outputs differ in number or shape.
    """
    return [_compare(wanted, run, images, tolerance) for wanted, images in zip(expected, inputs)]


def _compare(
    expected: dict[str, Tensor], run: Callable[[Tensor], Any], images: Tensor, tolerance: float
) -> Parity:
    shape = tuple(images.shape)
    try:
        found = run(images)
    except Exception as failure:
        raise ExportError(
            f'the exported file cannot run images of {shape}: use --dynamic batch or none, with '
            f'one file for each --size. Reason: {one_line(failure)}'
        ) from failure
    outputs = (found,) if torch.is_tensor(found) else tuple(found)
    shapes = [tuple(value.shape) for value in expected.values()]
    if [tuple(value.shape) for value in outputs] != shapes:
        raise ExportError(
            f'for images of {shape} the exported file returns shapes '
            f'{[tuple(value.shape) for value in outputs]}, PyTorch {dict(zip(expected, shapes))}'
        )
    error, limit, agreement = 0.0, tolerance, None
    for (name, wanted), value in zip(expected.items(), outputs):
        if not wanted.is_floating_point():
            agreement = _share(value == wanted)
            continue
        difference = (value - wanted).abs().max().item()
        # Keep NaN: Python's max() would drop it.
        error = difference if not difference <= error else error
        limit = max(limit, tolerance * wanted.abs().max().item())
        if name == 'logits':
            agreement = _share(value.argmax(1) == wanted.argmax(1))
    return Parity(shape, error, limit, agreement)


def _share(equal: Tensor) -> float:
    return equal.float().mean().item()
