"""Training loops that go on after a stop with the bits of a run that was never stopped.

Works around MMEngine 0.10, which saves no random state, seeds workers by rank and worker only, and
begins a resumed epoch at its first image.

No random state is saved here. Instead each random draw has a seed of its own:

* the transforms of a sample: (seed, epoch, index of the sample), whatever worker loads it;
* the model in a training step (dropout, stochastic depth, mixup): (seed, iteration, rank).
"""

import random
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_dist_info, get_rank, sync_random_seed
from mmengine.hooks import Hook
from mmengine.registry import DATA_SAMPLERS as ALL_SAMPLERS
from mmengine.registry import DATASETS as ALL_DATASETS
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop
from torch.utils.data import Dataset, Sampler

from ...registry import DATA_SAMPLERS, DATASETS, HOOKS, LOOPS
from .failures import explained


def seed_everything(*numbers: int) -> None:
    """Seed Python, NumPy and PyTorch with a number that depends on all ``numbers``."""
    seed = zlib.crc32(repr(numbers).encode())
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


class SeededIndex(int):
    """The index of a sample, with the numbers that its transforms are seeded with."""

    numbers: tuple[int, ...]

    def __new__(cls, index, numbers):
        self = super().__new__(cls, index)
        self.numbers = numbers
        return self

    def __getnewargs__(self):
        return int(self), self.numbers


@DATA_SAMPLERS.register_module()
class SeededSampler(Sampler):
    """Another sampler whose indices bring a seed, and which can begin in the middle.

    Args:
        dataset: The dataset.
        sampler: Config of the sampler, for example ``dict(type='DefaultSampler', shuffle=True)``.
        seed: Seed of the training. None draws one that all ranks share.
    """

    def __init__(self, dataset: Any, sampler: dict[str, Any], seed: int | None = None):
        self.seed = sync_random_seed() if seed is None else seed
        self.sampler = ALL_SAMPLERS.build(sampler, default_args=dict(dataset=dataset, seed=seed))
        self.length = len(dataset)
        self.epoch = 0
        self.passed = 0

    def __iter__(self) -> Iterator[SeededIndex]:
        passed, self.passed = self.passed, 0
        rank, world_size = get_dist_info()
        for position, index in enumerate(self.sampler):
            if position >= passed:
                # Samplers for iterations never end: each pass over the data is an epoch.
                epoch = self.epoch + (position * world_size + rank) // self.length
                yield SeededIndex(index, (self.seed, epoch, index))

    def __len__(self) -> int:
        return len(self.sampler)

    def set_epoch(self, epoch: int) -> None:
        """Shuffle anew, with this number."""
        self.epoch = epoch
        if hasattr(self.sampler, 'set_epoch'):
            self.sampler.set_epoch(epoch)

    def skip(self, num_samples: int) -> None:
        """Begin the next iteration after so many samples."""
        self.passed = num_samples


@DATASETS.register_module()
class SeededDataset(Dataset):
    """Another dataset that seeds the transforms of each sample by its :class:`SeededIndex`.

    Args:
        dataset: Config of the dataset. All its attributes are those of this one too.
    """

    def __init__(self, dataset: dict[str, Any]):
        self.dataset = ALL_DATASETS.build(dataset)

    def __getitem__(self, index: int) -> Any:
        if isinstance(index, SeededIndex):
            seed_everything(*index.numbers)
        return self.dataset[int(index)]

    def __len__(self) -> int:
        return len(self.dataset)

    def __getattr__(self, name):
        if name == 'dataset':  # while it is unpickled
            raise AttributeError(name)
        return getattr(self.dataset, name)


class _Resumable:
    """A training loop of MMEngine whose loader has the seeded sampler and dataset."""

    def __init__(self, runner, dataloader, **settings):
        if isinstance(dataloader, dict) and isinstance(dataloader.get('sampler'), dict):
            dataloader = dict(
                dataloader,
                dataset=dict(type='afno_mm.SeededDataset', dataset=dataloader['dataset']),
                sampler=dict(type='afno_mm.SeededSampler', sampler=dataloader['sampler']),
            )
        super().__init__(runner, dataloader, **settings)

    def run_iter(self, *args):
        # The batch is the last argument of both of MMEngine's loops.
        try:
            super().run_iter(*args)
        except RuntimeError as error:
            known = explained(self.runner, error, args[-1])
            if known is error:
                raise
            raise known from error


@LOOPS.register_module()
class ResumableEpochLoop(_Resumable, EpochBasedTrainLoop):
    """MMEngine's loop over epochs, which also resumes in the middle of one."""

    def run_epoch(self) -> None:
        """Run one epoch, or what is left of it."""
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        done = self._iter - self._epoch * len(self.dataloader)
        if done:
            sampler = self.dataloader.sampler
            if not hasattr(sampler, 'skip'):
                raise ValueError(
                    f'this checkpoint is from the middle of an epoch, after {done} of '
                    f'{len(self.dataloader)} iterations, and the sampler '
                    f'{type(sampler).__name__} cannot begin there: use a train_dataloader with '
                    'sampler, not batch_sampler, or resume from the checkpoint of an epoch'
                )
            sampler.skip(done * self.dataloader.batch_size)
        for batch_index, batch in enumerate(self.dataloader, done):
            self.run_iter(batch_index, batch)
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1


@LOOPS.register_module()
class ResumableIterLoop(_Resumable, IterBasedTrainLoop):
    """MMEngine's loop over iterations."""


@HOOKS.register_module()
class IterationSeedHook(Hook):
    """Seeds the random draws of each training step by (seed, iteration, rank)."""

    priority = 'VERY_HIGH'

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Seed before the model runs."""
        seed_everything(runner.seed, runner.iter, get_rank())


def train_loop(cfg: dict[str, Any]) -> dict[str, Any]:
    """Return ``train_cfg`` with this module's loop in place of MMEngine's own."""
    loops = {
        True: 'afno_mm.ResumableEpochLoop',
        False: 'afno_mm.ResumableIterLoop',
        'EpochBasedTrainLoop': 'afno_mm.ResumableEpochLoop',
        'IterBasedTrainLoop': 'afno_mm.ResumableIterLoop',
    }
    kind = cfg.get('type', cfg.get('by_epoch'))
    if kind not in loops:
        return cfg
    rest = {key: value for key, value in cfg.items() if key not in ('type', 'by_epoch')}
    return dict(rest, type=loops[kind])
