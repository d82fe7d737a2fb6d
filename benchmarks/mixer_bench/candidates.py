"""What is timed: mixers on tokens of their own, and whole models on images."""

import contextlib

import torch
from afno_mm.ops import BACKENDS, choose_backend, use_backend


class Candidate:
    """Something with a forward pass and a training step.

    Args:
        name (str): What it is called in tables.
        kind (str): The same for all that compute the same function; 'AFNO' and so on.
        path (str, optional): Path of ``afno_mm.ops.BACKENDS`` that AFNO is to take.
        autocast (tuple, optional): Device type and dtype of the autocast that it runs under.
    """

    def __init__(self, name, kind, path=None, autocast=None):
        self.name, self.kind, self.path, self.autocast = name, kind, path, autocast
        self.chosen = False  # whether AFNO takes this path by itself
        self.work = None  # dict of Work, where there is a model of it

    def forward(self):
        with torch.no_grad(), self.surroundings():
            self.infer()

    def train(self):
        outputs, gradients = self.graph()
        torch.autograd.backward(outputs, gradients)
        self.clear()

    def clear(self):
        for leaf in self.leaves():
            leaf.grad = None

    def graph(self):
        """The outputs that backward starts from, and their gradients."""
        with self.surroundings():
            return self.differentiable()

    @contextlib.contextmanager
    def surroundings(self):
        device, dtype = self.autocast or ('cpu', torch.bfloat16)
        with use_backend(self.path), torch.autocast(device, dtype, enabled=bool(self.autocast)):
            yield


class Mixers(Candidate):
    """Mixers that run forward one after the other and then backward, each on its own tokens.

    Args:
        layers (list[tuple[nn.Module, Tensor]]): Mixers with their tokens ``(B, H, W, C)``.
    """

    def __init__(self, name, kind, layers, **options):
        super().__init__(name, kind, **options)
        self.layers = layers
        self.input_bytes = sum(x.nbytes for _, x in layers)

    def infer(self):
        for mixer, x in self.layers:
            mixer(x)

    def differentiable(self):
        outputs = [mixer(x) for mixer, x in self.layers]
        # Any gradient will do that has memory of its own; the tokens' values are one.
        return outputs, [x.detach().to(y.dtype) for y, (_, x) in zip(outputs, self.layers)]

    def leaves(self):
        yield from self.parameters()
        yield from (x for _, x in self.layers)

    def parameters(self):
        for mixer, _ in self.layers:
            yield from mixer.parameters()


class Model(Candidate):
    """A model: inference is the task's forward pass, training is forward, loss and backward.

    Args:
        model (nn.Module): The model.
        batch (dict): ``inputs`` and ``data_samples``, as its data preprocessor gives them.
        task (Task): Its task.
    """

    def __init__(self, name, kind, model, batch, task, **options):
        super().__init__(name, kind, **options)
        self.model, self.batch, self.task = model, batch, task
        self.images = task.network_input(batch['inputs'])
        self.input_bytes = self.images.nbytes

    def infer(self):
        self.task.forward(self.model.eval(), self.images)

    def differentiable(self):
        losses = self.model.train()(**self.batch, mode='loss')
        return [self.model.parse_losses(losses)[0]], None

    def leaves(self):
        return self.model.parameters()

    def parameters(self):
        yield from self.model.parameters()
        yield from self.model.buffers()


def paths(x):
    """The paths that take tokens ``x``, the one that AFNO chooses, and why others do not.

    Returns:
        tuple[list[str], str, dict[str, str]]
    """
    reasons = {name: module.refusal(x) for name, module in BACKENDS.items()}
    taken = [name for name, reason in reasons.items() if reason is None]
    return taken, choose_backend(x)[0], {n: r for n, r in reasons.items() if r is not None}


def disagreement(mixer, path, other, other_path, x, other_adds_skip):
    """Relative L2 distance of what two mixers add to the tokens they are given.

    Args:
        mixer, other (nn.Module): With the same weights.
        path, other_path (str | None): Paths of AFNO that they take.
        x (Tensor): Tokens.
        other_adds_skip (bool): Whether only ``other`` adds ``x`` to its result.
    """
    with torch.no_grad():
        with use_backend(path):
            mine = mixer(x).double()
        with use_backend(other_path):
            theirs = other(x).double()
    if other_adds_skip:
        mine = mine + x
    return ((mine - theirs).norm() / (theirs - x).norm()).item()
