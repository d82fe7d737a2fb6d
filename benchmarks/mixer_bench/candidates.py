"""The candidates that the benchmark times: mixers on tokens, and whole models on images."""

import contextlib
from collections.abc import Iterator

import torch
from afno_mm.ops import BACKENDS, choose_backend, use_backend
from afno_mm.tasks import Task
from torch import Tensor, nn


class Candidate:
    """Base class of what the benchmark times: a forward pass and a training step.

    A subclass sets ``input_bytes`` and defines ``infer``, ``differentiable``, ``leaves`` and
    ``parameters``.

    Args:
        name: Name in the tables.
        kind: Same for all candidates that compute the same function, e.g. 'AFNO'.
        backend: Backend of ``afno_mm.ops.BACKENDS`` that AFNO must use. None: AFNO chooses.
        autocast: Device type and dtype of the autocast to run under. None: no autocast.
    """

    input_bytes: int

    def __init__(
        self,
        name: str,
        kind: str,
        backend: str | None = None,
        autocast: tuple[str, torch.dtype] | None = None,
    ) -> None:
        self.name, self.kind, self.backend, self.autocast = name, kind, backend, autocast
        self.chosen = False  # True if AFNO chooses this backend when nothing forces one
        self.work = None  # dict of Work per phase, for AFNO operators

    def forward(self) -> None:
        with torch.no_grad(), self.context():
            self.infer()

    def train(self) -> None:
        """Run forward and backward, then drop the gradients."""
        outputs, gradients = self.graph()
        torch.autograd.backward(outputs, gradients)
        self.clear()

    def clear(self) -> None:
        for leaf in self.leaves():
            leaf.grad = None

    def graph(self) -> tuple[list[Tensor], list[Tensor] | None]:
        """Run the forward pass with autograd. Return the outputs and their gradients.

        They are the arguments of :func:`torch.autograd.backward`. For a scalar loss, None stands
        for the gradients.
        """
        with self.context():
            return self.differentiable()

    @contextlib.contextmanager
    def context(self) -> Iterator[None]:
        """Force the backend and the autocast of this candidate."""
        device, dtype = self.autocast or ('cpu', torch.bfloat16)
        with use_backend(self.backend), torch.autocast(device, dtype, enabled=bool(self.autocast)):
            yield


class Mixers(Candidate):
    """Mixers that all run forward and then all run backward, each on its own tokens.

    Args:
        layers: Pairs of a mixer and its tokens ``(B, H, W, C)``.
    """

    def __init__(
        self, name: str, kind: str, layers: list[tuple[nn.Module, Tensor]], **options
    ) -> None:
        super().__init__(name, kind, **options)
        self.layers = layers
        self.input_bytes = sum(x.nbytes for _, x in layers)

    def infer(self) -> None:
        for mixer, x in self.layers:
            mixer.eval()(x)

    def differentiable(self) -> tuple[list[Tensor], list[Tensor]]:
        outputs = [mixer.train()(x) for mixer, x in self.layers]
        # Use the tokens as gradients. Any values will do, but not an expanded tensor.
        return outputs, [x.detach().to(y.dtype) for y, (_, x) in zip(outputs, self.layers)]

    def leaves(self) -> Iterator[Tensor]:
        yield from self.parameters()
        yield from (x for _, x in self.layers)

    def parameters(self) -> Iterator[Tensor]:
        for mixer, _ in self.layers:
            yield from mixer.parameters()


class Model(Candidate):
    """A whole model. ``forward`` is inference; ``train`` runs forward, loss and backward.

    Args:
        model: The model.
        batch: ``inputs`` and ``data_samples``, as its data preprocessor returns them.
        task: The model's task.
    """

    def __init__(
        self, name: str, kind: str, model: nn.Module, batch: dict, task: Task, **options
    ) -> None:
        super().__init__(name, kind, **options)
        self.model, self.batch, self.task = model, batch, task
        self.images = task.network_input(batch['inputs'])
        self.input_bytes = self.images.nbytes

    def infer(self) -> None:
        self.task.forward(self.model.eval(), self.images)

    def differentiable(self) -> tuple[list[Tensor], None]:
        losses = self.model.train()(**self.batch, mode='loss')
        return [self.model.parse_losses(losses)[0]], None

    def leaves(self) -> Iterator[Tensor]:
        return self.model.parameters()

    def parameters(self) -> Iterator[Tensor]:
        yield from self.model.parameters()
        yield from self.model.buffers()


def backends(x: Tensor) -> tuple[list[str], str, dict[str, str]]:
    """Return the backends that take tokens ``x``, AFNO's choice, and why the others refuse."""
    reasons = {name: module.refusal(x) for name, module in BACKENDS.items()}
    accepting = [name for name, reason in reasons.items() if reason is None]
    return accepting, choose_backend(x)[0], {n: r for n, r in reasons.items() if r is not None}


def disagreement(
    mixer: nn.Module,
    backend: str | None,
    other: nn.Module,
    other_backend: str | None,
    x: Tensor,
    other_adds_skip: bool,
) -> float:
    """Return the relative L2 distance between the updates that two mixers add to their tokens.

    Args:
        mixer, other: Mixers with the same weights.
        backend, other_backend: Backends of AFNO that they use.
        x: Tokens.
        other_adds_skip: Whether ``other`` adds ``x`` to its result and ``mixer`` does not.
    """
    with torch.no_grad():
        with use_backend(backend):
            result = mixer(x).double()
        with use_backend(other_backend):
            wanted = other(x).double()
    if other_adds_skip:
        result = result + x
    return ((result - wanted).norm() / (wanted - x).norm()).item()
