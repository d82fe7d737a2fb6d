"""Around the Runner: command lines, hooks, and what makes it run without an accelerator."""

from .amp import CPUAmpOptimWrapper
from .cpu_distributed import CPUDistributedDataParallel, GlooSyncBatchNorm
from .cpu_memory import keep_freed_memory
from .hooks import BestValueHook, EndedScheduleHook, MeanLossHook, ValidateResumedHook
from .runner import build_runner, check_schedule, command_line, load_config, read_config, use_amp
from .visualization import InpaintingVisualizationHook

__all__ = [
    'BestValueHook',
    'CPUAmpOptimWrapper',
    'CPUDistributedDataParallel',
    'EndedScheduleHook',
    'GlooSyncBatchNorm',
    'InpaintingVisualizationHook',
    'MeanLossHook',
    'ValidateResumedHook',
    'build_runner',
    'check_schedule',
    'command_line',
    'keep_freed_memory',
    'load_config',
    'read_config',
    'use_amp',
]
