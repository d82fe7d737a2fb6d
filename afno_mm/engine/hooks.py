"""Hooks for the Runner."""
from mmengine.dist import all_reduce_dict
from mmengine.hooks import Hook

from ..registry import HOOKS


@HOOKS.register_module()
class MeanLossHook(Hook):
    """Logs the losses of the whole batch, not those of the first process alone.

    The mean over the processes is what data parallel training descends.
    """

    priority = 'HIGHEST'  # before the hook that hands the losses to the logger

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if outputs and runner.world_size > 1:
            all_reduce_dict(outputs, op='mean')
