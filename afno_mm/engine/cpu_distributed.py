"""Data parallel training over gloo, so that several CPU processes are a real distributed run."""

import torch
from mmengine.model import MMDistributedDataParallel
from torch import distributed, nn

from ..registry import MODEL_WRAPPERS


class _SumOverProcesses(torch.autograd.Function):
    """Sum of a tensor over all processes; so is its gradient."""

    @staticmethod
    def forward(ctx, x):
        x = x.clone()
        distributed.all_reduce(x)
        return x

    @staticmethod
    def backward(ctx, grad):
        return _SumOverProcesses.apply(grad)


class GlooSyncBatchNorm(nn.modules.batchnorm._BatchNorm):
    """SyncBatchNorm for CPU processes, which PyTorch's own refuses."""

    @classmethod
    def like(cls, layer):
        """A layer with the settings, parameters and statistics of a SyncBatchNorm."""
        new = cls(
            layer.num_features, layer.eps, layer.momentum, layer.affine, layer.track_running_stats
        )
        new._parameters, new._buffers = layer._parameters, layer._buffers
        return new.train(layer.training)

    def forward(self, x):
        if not self.training:
            return super().forward(x)
        with torch.autocast('cpu', enabled=False):
            return self._normalize(x.float()).to(x.dtype)

    def _check_input_dim(self, x):
        """Any ``(B, C, ...)``."""

    def _normalize(self, x):
        channels_last = x.transpose(1, -1)
        flat = channels_last.flatten(0, -2)  # (B * pixels, C)
        count = _SumOverProcesses.apply(x.new_tensor(float(len(flat))))
        mean = _SumOverProcesses.apply(flat.sum(0)) / count
        var = _SumOverProcesses.apply((flat - mean).square().sum(0)) / count
        if self.track_running_stats:
            with torch.no_grad():
                self.num_batches_tracked += 1
                share = self.momentum
                if share is None:  # the mean over all batches
                    share = 1 / self.num_batches_tracked.item()
                self.running_mean.lerp_(mean, share)
                self.running_var.lerp_(var * count / (count - 1), share)
        y = (channels_last - mean) * torch.rsqrt(var + self.eps)
        if self.affine:
            y = y * self.weight + self.bias
        return y.transpose(1, -1)


@MODEL_WRAPPERS.register_module()
class CPUDistributedDataParallel(MMDistributedDataParallel):
    """MMEngine's data parallel wrapper for CPU processes.

    Batch statistics stay synchronised: each SyncBatchNorm becomes a GlooSyncBatchNorm with
    the same parameters.

    Args:
        module (nn.Module): The model.
        device_ids (None): There are none; MMEngine always passes it.
        broadcast_buffers (bool): As in MMDistributedDataParallel.
        find_unused_parameters (bool): Likewise.
    """

    def __init__(
        self, module, device_ids=None, broadcast_buffers=False, find_unused_parameters=False
    ):
        for parent in list(module.modules()):
            for name, layer in parent.named_children():
                if isinstance(layer, nn.SyncBatchNorm):
                    setattr(parent, name, GlooSyncBatchNorm.like(layer))
        super().__init__(
            module,
            device_ids=device_ids,
            broadcast_buffers=broadcast_buffers,
            find_unused_parameters=find_unused_parameters,
        )
