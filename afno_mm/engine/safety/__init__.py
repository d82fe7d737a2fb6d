"""What keeps a long training safe: checkpoints, resume, signals, numbers, settings."""

from .checkpoint_files import CheckpointError, damage, load_checkpoint_file, newest_checkpoint
from .checkpoint_hook import CheckpointHook
from .distributed import RankWatchHook
from .model_settings import SettingsHook, check_class_counts, check_custom_keys
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
from .settings import SettingsError, check_options, check_settings
from .stop import EXIT_CODE, StopSignalHook, check_work_dir, only_one
from .switches import SAFETIES, protect

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
    'SAFETIES',
    'SafeRunner',
    'SeededDataset',
    'SeededSampler',
    'StopSignalHook',
    'check_weights',
    'check_work_dir',
    'SettingsError',
    'SettingsHook',
    'check_class_counts',
    'check_custom_keys',
    'check_options',
    'check_settings',
    'choose_interface',
    'damage',
    'load_checkpoint_file',
    'newest_checkpoint',
    'only_one',
    'protect',
    'set_interface',
]
