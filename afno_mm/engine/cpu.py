"""Training without an accelerator: mixed precision, data parallelism by gloo, memory."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dist import is_distributed
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from torch import Tensor, distributed, nn

from ..registry import MODEL_WRAPPERS, OPTIM_WRAPPERS

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # from glibc's malloc.h


def keep_freed_memory() -> bool:
    """Make the C library keep the memory of freed tensors for later ones.

    By default, glibc returns the memory of large tensors to the system. The system then provides
    new memory page by page and fills each page with zeros. On a CPU this takes a large part of a
    training step. With this setting, the process never returns memory.

    Returns:
        True if the setting was made. It needs glibc, the C library of most Linux systems.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, TypeError, OSError):
        return False
    return bool(mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, -1))


@OPTIM_WRAPPERS.register_module()
class CPUAmpOptimWrapper(OptimWrapper):
    """Run forward passes under bfloat16 autocast. MMEngine's AmpOptimWrapper needs an accelerator.

    bfloat16 has the range of float32, so the loss is not scaled.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        with super().optim_context(model), torch.autocast('cpu', torch.bfloat16):
            yield


def distribute_over_cpus(cfg: Config) -> None:
    """Start the gloo process group and make the config use CPUDistributedDataParallel.

    Raises:
        ValueError: If ``cfg.launcher`` is not 'pytorch'.
    """
    if cfg.launcher != 'pytorch':
        raise ValueError(
            'no accelerator was found, and without one only --launcher pytorch '
            f'works, not {cfg.launcher}. tools/dist_train.sh starts it'
        )
    # Do not call MMEngine's init_dist, because it selects a CUDA device.
    if not is_distributed():
        seconds = ((cfg.get('env_cfg') or {}).get('dist_cfg') or {}).get('timeout')
        distributed.init_process_group('gloo', timeout=seconds and timedelta(seconds=seconds))
    cfg.model_wrapper_cfg = dict(
        type='afno_mm.CPUDistributedDataParallel',
        device_ids=None,
        find_unused_parameters=cfg.get('find_unused_parameters', False),
    )


class _SumOverProcesses(torch.autograd.Function):
    """The sum of a tensor over all processes. Its gradient is summed too."""

    @staticmethod
    def forward(ctx, x):
        x = x.clone()
        distributed.all_reduce(x)
        return x

    @staticmethod
    def backward(ctx, grad_output):
        return _SumOverProcesses.apply(grad_output)


class GlooSyncBatchNorm(nn.modules.batchnorm._BatchNorm):
    """Synchronised batch norm for CPU processes. PyTorch's SyncBatchNorm needs GPUs."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        with torch.autocast('cpu', enabled=False):
            return self._normalize(x.float()).to(x.dtype)

    def _check_input_dim(self, x):
        """Accept any shape ``(B, C, ...)``."""

    def _normalize(self, x):
        channels_last = x.transpose(1, -1)
        flat = channels_last.flatten(0, -2)  # (B * pixels, C)
        count = _SumOverProcesses.apply(x.new_tensor(float(len(flat))))
        mean = _SumOverProcesses.apply(flat.sum(0)) / count
        var = _SumOverProcesses.apply((flat - mean).square().sum(0)) / count
        if self.track_running_stats:
            with torch.no_grad():
                self.num_batches_tracked += 1
                momentum = self.momentum
                if momentum is None:  # cumulative mean over all batches
                    momentum = 1 / self.num_batches_tracked.item()
                self.running_mean.lerp_(mean, momentum)
                self.running_var.lerp_(var * count / (count - 1), momentum)
        y = (channels_last - mean) * torch.rsqrt(var + self.eps)
        if self.affine:
            y = y * self.weight + self.bias
        return y.transpose(1, -1)


@MODEL_WRAPPERS.register_module()
class CPUDistributedDataParallel(MMDistributedDataParallel):
    """MMEngine's data-parallel wrapper for CPU processes.

    Each SyncBatchNorm becomes a GlooSyncBatchNorm, so batch statistics stay synchronised. The
    options are those of MMDistributedDataParallel; ``device_ids`` must be None.
    """

    def __init__(self, module: nn.Module, broadcast_buffers: bool = False, **options: Any) -> None:
        for layer in module.modules():
            if isinstance(layer, nn.SyncBatchNorm):
                # Change the class in place: the layer keeps settings, parameters and statistics.
                layer.__class__ = GlooSyncBatchNorm  # type: ignore[assignment]
        super().__init__(module, broadcast_buffers=broadcast_buffers, **options)
