"""What keeps a long training safe: checkpoints, resume, signals, numbers, settings."""

from .checkpoint_files import CheckpointError, damage, load_checkpoint_file, newest_checkpoint
from .checkpoint_hook import CheckpointHook
from .model_settings import SettingsHook, check_class_counts, check_custom_keys
from .resume import (
    IterationSeedHook,
    ResumableEpochLoop,
    ResumableIterLoop,
    SeededDataset,
    SeededSampler,
)
from .runner import SafeRunner
from .settings import SettingsError, check_options, check_settings

__all__ = [
    'CheckpointError',
    'CheckpointHook',
    'IterationSeedHook',
    'ResumableEpochLoop',
    'ResumableIterLoop',
    'SafeRunner',
    'SeededDataset',
    'SeededSampler',
    'SettingsError',
    'SettingsHook',
    'check_class_counts',
    'check_custom_keys',
    'check_options',
    'check_settings',
    'damage',
    'load_checkpoint_file',
    'newest_checkpoint',
]
