"""Training loops that resume bit-identically to a run that was never stopped.

MMEngine 0.10 saves no random state, seeds workers by rank and worker only, and begins a resumed
epoch at its first image.

This module saves no random state either. It seeds each random draw by its place in the training:

* the transforms of a sample by (seed, epoch, index of the sample), whatever worker loads it;
* the model in a training step (dropout, stochastic depth, mixup) by (seed, iteration, rank).
"""

import random
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from mmengine.dataset import InfiniteSampler
from mmengine.dist import get_dist_info, get_rank, sync_random_seed
from mmengine.hooks import Hook
from mmengine.registry import DATA_SAMPLERS as ALL_SAMPLERS
from mmengine.registry import DATASETS as ALL_DATASETS
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop
from torch.utils.data import Dataset, Sampler

from ...registry import DATA_SAMPLERS, DATASETS, HOOKS, LOOPS, is_mmengine
from .failures import explained


def seed_everything(*numbers: int) -> None:
    """Seed Python, NumPy and PyTorch with a number that depends on all ``numbers``."""
    seed = zlib.crc32(repr(numbers).encode())
    random.seed(seed)
    np.random.seed(seed)
    if torch.cuda.is_initialized():
        torch.manual_seed(seed)
    else:  # torch.manual_seed would queue a CUDA call with its traceback, at every step.
        torch.default_generator.manual_seed(seed)


class SeededIndex(int):
    """The index of a sample, with the ``numbers`` that seed its transforms."""

    numbers: tuple[int, ...]

    def __new__(cls, index, numbers):
        self = super().__new__(cls, index)
        self.numbers = numbers
        return self

    def __getnewargs__(self):
        return int(self), self.numbers


@DATA_SAMPLERS.register_module()
class SeededSampler(Sampler):
    """Wrap the sampler of a config. Add seeds to its indices; ``skip`` begins in the middle.

    Without a ``seed``, it draws one that all ranks share.
    """

    def __init__(self, dataset: Any, sampler: dict[str, Any], seed: int | None = None) -> None:
        self.seed = sync_random_seed() if seed is None else seed
        self.sampler = ALL_SAMPLERS.build(sampler, default_args=dict(dataset=dataset, seed=seed))
        self.length = len(dataset)
        self.epoch = 0
        self.passed = 0
        if isinstance(self.sampler, InfiniteSampler):
            # MMEngine's loop over iterations calls it, and counts all passes over the data as one.
            self.skip = self.begin_at

    def __iter__(self) -> Iterator[SeededIndex]:
        passed, self.passed = self.passed, 0
        rank, world_size = get_dist_info()
        for position, index in enumerate(self.sampler):
            if position >= passed:
                # An infinite sampler gets no new epochs: count each pass over the data as one.
                place = position * world_size + rank
                epoch = self.epoch + place // self.length
                # MMPretrain's RepeatAugSampler gives a sample several times: seed each copy.
                copy = place % getattr(self.sampler, 'num_repeats', 1)
                numbers = (self.seed, epoch, index, copy) if copy else (self.seed, epoch, index)
                yield SeededIndex(index, numbers)

    def __len__(self) -> int:
        return len(self.sampler)

    def set_epoch(self, epoch: int) -> None:
        """Make the next shuffle depend on the epoch."""
        self.epoch = epoch
        if hasattr(self.sampler, 'set_epoch'):
            self.sampler.set_epoch(epoch)

    def begin_at(self, num_samples: int) -> None:
        """Leave out the first samples of the next pass."""
        self.passed = num_samples


@DATASETS.register_module()
class SeededDataset(Dataset):
    """Wrap another dataset. Seed the transforms of each sample by its :class:`SeededIndex`.

    ``dataset`` is the other dataset or its config. Its attributes are also attributes of this one.
    """

    def __init__(self, dataset: Any) -> None:
        self.dataset = ALL_DATASETS.build(dataset) if isinstance(dataset, dict) else dataset

    def __getitem__(self, index: int) -> Any:
        if isinstance(index, SeededIndex):
            seed_everything(*index.numbers)
        return self.dataset[int(index)]

    def __len__(self) -> int:
        return len(self.dataset)

    def __setattr__(self, name, value):
        # Hooks that set dataset.pipeline, such as MMPretrain's SwitchRecipeHook, mean the other.
        if name == 'dataset':
            super().__setattr__(name, value)
        else:
            setattr(self.dataset, name, value)

    def __getattr__(self, name):
        if name == 'dataset':  # unpickling asks before __init__ has set it
            raise AttributeError(name)
        return getattr(self.dataset, name)


class _Resumable:
    """Give a training loop of MMEngine a loader with the seeded sampler and dataset."""

    def __init__(self, runner, dataloader, **settings):
        if isinstance(dataloader, dict) and isinstance(dataloader.get('sampler'), dict):
            dataloader = dict(
                dataloader,
                dataset=dict(type='afno_mm.SeededDataset', dataset=dataloader['dataset']),
                sampler=dict(type='afno_mm.SeededSampler', sampler=dataloader['sampler']),
            )
        super().__init__(runner, dataloader, **settings)

    def run_iter(self, *args):
        # In both of MMEngine's loops, the batch is the last argument.
        try:
            super().run_iter(*args)
        except RuntimeError as error:
            known = explained(self.runner, error, args[-1])
            if known is error:
                raise
            raise known from error


@LOOPS.register_module()
class ResumableEpochLoop(_Resumable, EpochBasedTrainLoop):
    """MMEngine's loop over epochs, which here can also resume in the middle of an epoch."""

    def run_epoch(self) -> None:
        """Run one epoch, or the rest of it."""
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        done = self._iter - self._epoch * len(self.dataloader)
        if not 0 <= done <= len(self.dataloader):
            raise ValueError(
                f'the checkpoint is from epoch {self._epoch} and iteration {self._iter}, and here '
                f'an epoch has {len(self.dataloader)} iterations: it is from a training with '
                'another number. Keep batch_size x processes as it was, or start a new training '
                'from the weights: --cfg-options load_from=CHECKPOINT'
            )
        if done:
            sampler = self.dataloader.sampler
            if not isinstance(sampler, SeededSampler):
                raise ValueError(
                    f'this checkpoint is from the middle of an epoch, after {done} of '
                    f'{len(self.dataloader)} iterations, and the sampler '
                    f'{type(sampler).__name__} cannot begin there: use a train_dataloader with '
                    'sampler, not batch_sampler, or resume from the checkpoint of a whole epoch'
                )
            sampler.begin_at(done * self.dataloader.batch_size)
        for batch_index, batch in enumerate(self.dataloader, done):
            self.run_iter(batch_index, batch)
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1


@LOOPS.register_module()
class ResumableIterLoop(_Resumable, IterBasedTrainLoop):
    """MMEngine's loop over iterations."""


@HOOKS.register_module()
class IterationSeedHook(Hook):
    """Seed the random draws of each training step by (seed, iteration, rank)."""

    priority = 'VERY_HIGH'

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        seed_everything(runner.seed, runner.iter, get_rank())


def train_loop(cfg: dict[str, Any]) -> dict[str, Any]:
    """Return ``train_cfg`` with this module's loop in place of MMEngine's own."""
    kind = cfg.get('type', cfg.get('by_epoch'))
    if kind is True or is_mmengine(kind, 'EpochBasedTrainLoop'):
        loop = 'afno_mm.ResumableEpochLoop'
    elif kind is False or is_mmengine(kind, 'IterBasedTrainLoop'):
        loop = 'afno_mm.ResumableIterLoop'
    else:
        return cfg
    rest = {key: value for key, value in cfg.items() if key not in ('type', 'by_epoch')}
    return dict(rest, type=loop)
