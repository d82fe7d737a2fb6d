"""Around the Runner: what makes it run on machines without an accelerator."""
from .amp import CPUAmpOptimWrapper
from .cpu_distributed import CPUDistributedDataParallel, GlooSyncBatchNorm
from .hooks import MeanLossHook
from .runner import build_runner, command_line, load_config, use_amp

__all__ = ['CPUAmpOptimWrapper', 'CPUDistributedDataParallel', 'GlooSyncBatchNorm', 'MeanLossHook',
           'build_runner', 'command_line', 'load_config', 'use_amp']
