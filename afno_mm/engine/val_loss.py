"""The loss on the validation data, beside the metrics."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from mmengine.dist import all_gather_object
from mmengine.hooks import Hook
from mmengine.runner import Runner, ValLoop
from mmengine.runner.amp import autocast
from torch import Tensor

from ..registry import HOOKS, LOOPS
from .safety.numbers import bare_model


@HOOKS.register_module()
class ValLossHook(Hook):
    """Add the loss and its parts to the metrics of each validation, as ``val/loss`` and so on.

    The model computes the loss as in training, in evaluation mode: with the running statistics of
    batch norms, without dropout. Images come from the validation's pipeline and go through the
    network once more, as a whole, even if the model predicts in sliding windows. Each value is the
    mean over all batches of all processes, weighted by batch size. A distributed sampler repeats a
    few samples to give each process equally many, and these count twice. The training stays
    bit-identical: no statistics, gradients or random states change.
    """

    priority = 'HIGHEST'  # before the hooks that log metrics and keep the best checkpoint

    def before_val_epoch(self, runner: Runner) -> None:
        self.sums: dict[str, Tensor] = {}
        # Delete earlier validations, because MMEngine logs a loss as the mean of its last values.
        logged = runner.message_hub.log_scalars
        for name in [name for name in logged if name.startswith('val/val/')]:
            del logged[name]

    @torch.no_grad()
    def before_val_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        model = bare_model(runner)
        for batch in _with_labels_of_one_size(data_batch):
            with _same_random_state(), autocast(enabled=getattr(runner.val_loop, 'fp16', False)):
                data = model.data_preprocessor(batch, False)
                is_dict = isinstance(data, dict)
                losses = model(**data, mode='loss') if is_dict else model(*data, 'loss')
            _, values = model.parse_losses(losses)
            size = len(batch['inputs'] if isinstance(batch, dict) else batch[0])
            values = {name: value.detach().cpu().double() * size for name, value in values.items()}
            values['samples'] = torch.full_like(values['loss'], size)
            self.sums = {name: self.sums.get(name, 0.0) + value for name, value in values.items()}

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        sums: dict[str, Tensor] = {}
        for part in all_gather_object(self.sums):  # empty for a process without samples
            sums = sums | {name: sums.get(name, 0.0) + value for name, value in part.items()}
        if metrics is not None and sums:
            samples = sums.pop('samples')
            metrics |= {f'val/{name}': (value / samples).item() for name, value in sums.items()}


@LOOPS.register_module()
class ValLoopWithLoss(ValLoop):
    """MMEngine's ValLoop, with the same arguments. It also registers a :class:`ValLossHook`."""

    def __init__(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
        super().__init__(runner, *args, **kwargs)
        runner.register_hook(ValLossHook())


def _with_labels_of_one_size(batch: Any) -> list[Any]:
    """Split a batch into its samples if their masks differ in size. Heads stack the masks."""
    samples = batch.get('data_samples', ()) if isinstance(batch, dict) else ()
    sizes = {s.gt_sem_seg.shape for s in samples if hasattr(s, 'gt_sem_seg')}
    if len(sizes) < 2:
        return [batch]
    return [{key: v[i : i + 1] for key, v in batch.items()} for i in range(len(samples))]


@contextmanager
def _same_random_state() -> Iterator[None]:
    """Restore the states of Python's, NumPy's and PyTorch's random generators at the end."""
    python, numpy = random.getstate(), np.random.get_state()
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    try:
        with torch.random.fork_rng(devices):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
