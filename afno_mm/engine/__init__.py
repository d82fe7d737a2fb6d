"""Build a config's model and Runner, run one training step, add hooks, and train on CPUs."""

# ruff: noqa: E402
from ..plain import is_installed

if not is_installed('mmengine'):
    raise ModuleNotFoundError(
        'the OpenMMLab packages are not installed, which all of afno_mm but ops and mixers needs. '
        'In the folder of afno_mm, run: pip install -e .',
        name='mmengine',
    )

from .config import check_schedule, command_line, load_config, read_config, use_amp
from .cpu import (
    CPUAmpOptimWrapper,
    CPUDistributedDataParallel,
    GlooSyncBatchNorm,
    keep_freed_memory,
)
from .hooks import (
    BestValueHook,
    CompileHook,
    EndedScheduleHook,
    MeanLossHook,
    MemoryHook,
    ValidateResumedHook,
)
from .layer_decay import LearningRateDecayOptimWrapperConstructor
from .model import build_model, compile_for_training, image_size
from .runner import build_runner
from .val_loss import ValLoopWithLoss, ValLossHook

__all__ = ['BestValueHook', 'CPUAmpOptimWrapper', 'CPUDistributedDataParallel']
__all__ += ['CompileHook', 'EndedScheduleHook', 'GlooSyncBatchNorm', 'compile_for_training']
__all__ += ['LearningRateDecayOptimWrapperConstructor', 'MeanLossHook', 'MemoryHook']
__all__ += ['ValLossHook', 'ValLoopWithLoss', 'ValidateResumedHook']
__all__ += ['build_model', 'build_runner', 'check_schedule', 'command_line', 'image_size']
__all__ += ['keep_freed_memory', 'load_config', 'read_config', 'use_amp']
