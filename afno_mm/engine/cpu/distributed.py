"""Data-parallel training over several CPU processes, by gloo."""

from typing import Any

import torch
from mmengine.config import Config
from mmengine.dist import is_distributed
from mmengine.model import MMDistributedDataParallel
from torch import Tensor, distributed, nn

from ...registry import MODEL_WRAPPERS


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
    # MMEngine's own initialisation selects a CUDA device.
    if not is_distributed():
        distributed.init_process_group('gloo')
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

    @classmethod
    def like(cls, layer: nn.SyncBatchNorm) -> 'GlooSyncBatchNorm':
        """Return a layer that shares the settings, parameters and statistics of ``layer``."""
        new = cls(
            layer.num_features, layer.eps, layer.momentum, layer.affine, layer.track_running_stats
        )
        new._parameters, new._buffers = layer._parameters, layer._buffers
        return new.train(layer.training)

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
        for parent in list(module.modules()):
            for name, layer in parent.named_children():
                if isinstance(layer, nn.SyncBatchNorm):
                    setattr(parent, name, GlooSyncBatchNorm.like(layer))
        super().__init__(module, broadcast_buffers=broadcast_buffers, **options)
