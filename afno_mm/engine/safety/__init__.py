"""What keeps a long training safe: checkpoints, resume, signals, numbers, settings."""

from .checkpoint_files import CheckpointError, damage, load_checkpoint_file, newest_checkpoint
from .checkpoint_hook import CheckpointHook
from .resume import (
    IterationSeedHook,
    ResumableEpochLoop,
    ResumableIterLoop,
    SeededDataset,
    SeededSampler,
)
from .runner import SafeRunner

__all__ = [
    'CheckpointError',
    'CheckpointHook',
    'IterationSeedHook',
    'ResumableEpochLoop',
    'ResumableIterLoop',
    'SafeRunner',
    'SeededDataset',
    'SeededSampler',
    'damage',
    'load_checkpoint_file',
    'newest_checkpoint',
]
