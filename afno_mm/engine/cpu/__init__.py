"""Training without an accelerator: mixed precision, data parallelism, memory."""

from .amp import CPUAmpOptimWrapper
from .distributed import CPUDistributedDataParallel, GlooSyncBatchNorm, distribute_over_cpus
from .memory import keep_freed_memory

__all__ = [
    'CPUAmpOptimWrapper',
    'CPUDistributedDataParallel',
    'GlooSyncBatchNorm',
    'distribute_over_cpus',
    'keep_freed_memory',
]
