"""What keeps a long training safe: checkpoints, resume, signals, numbers, settings."""

from .checkpoint_files import CheckpointError, damage, load_checkpoint_file, newest_checkpoint
from .checkpoint_hook import CheckpointHook
from .distributed import RankWatchHook
from .network import choose_interface, set_interface
from .numbers import FiniteNumbersHook, NonFiniteError, check_weights
from .resume import (
    IterationSeedHook,
    ResumableEpochLoop,
    ResumableIterLoop,
    SeededDataset,
    SeededSampler,
)
from .runner import SafeRunner
from .stop import EXIT_CODE, StopSignalHook, check_work_dir, only_one

__all__ = [
    'CheckpointError',
    'CheckpointHook',
    'EXIT_CODE',
    'FiniteNumbersHook',
    'IterationSeedHook',
    'NonFiniteError',
    'RankWatchHook',
    'ResumableEpochLoop',
    'ResumableIterLoop',
    'SafeRunner',
    'SeededDataset',
    'SeededSampler',
    'StopSignalHook',
    'check_weights',
    'check_work_dir',
    'choose_interface',
    'damage',
    'load_checkpoint_file',
    'newest_checkpoint',
    'only_one',
    'set_interface',
]
