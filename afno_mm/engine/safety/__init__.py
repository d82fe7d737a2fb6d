"""Safeties of long trainings: checkpoints, exact resume, signals, finite numbers, settings."""

from .checkpoint_files import newest_checkpoint
from .checkpoint_hook import CheckpointHook
from .distributed import RankWatchHook
from .model_settings import SettingsHook
from .network import set_interface
from .numbers import FiniteNumbersHook
from .resume import IterationSeedHook
from .runner import SafeRunner
from .settings import check_settings
from .stop import StopSignalHook, check_work_dir, only_one
from .switches import is_on, protect

__all__ = ['CheckpointHook', 'FiniteNumbersHook', 'IterationSeedHook', 'RankWatchHook']
__all__ += ['SafeRunner', 'SettingsHook', 'StopSignalHook', 'check_settings', 'check_work_dir']
__all__ += ['is_on', 'newest_checkpoint', 'only_one', 'protect', 'set_interface']
