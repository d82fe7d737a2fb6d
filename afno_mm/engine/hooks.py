"""Hooks for the Runner."""
from mmengine.dist import all_reduce_dict
from mmengine.hooks import Hook
from mmengine.runner import IterBasedTrainLoop

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


@HOOKS.register_module()
class EndedScheduleHook(Hook):
    """Warns when a resumed training would go on with a learning rate of 0.

    A checkpoint holds its schedule with it, so more epochs do not make that schedule longer.
    """

    def before_train(self, runner):
        rates = [rate for group in runner.optim_wrapper.get_lr().values() for rate in group]
        if runner.iter and runner.iter < runner.max_iters and not any(rates):
            runner.logger.warning(
                f'The learning rate is 0 and stays 0 for the {runner.max_iters - runner.iter} '
                'iterations left: this checkpoint is from the end of its schedule, which more '
                'epochs do not make longer. To train on from its weights with a new schedule, '
                'replace --resume by --cfg-options load_from=CHECKPOINT')


@HOOKS.register_module()
class ValidateResumedHook(Hook):
    """Makes up for the validation in which a training was stopped.

    A checkpoint is saved before it is validated, and a training resumed from it goes on behind
    both: without this, the value would be missing. ``tools/train.py --resume`` adds this hook.
    """

    priority = 'LOWEST'  # the hooks that log and keep the value are ready

    def before_train(self, runner):
        done, end = (
            (runner.iter, runner.max_iters) if isinstance(runner.train_loop, IterBasedTrainLoop)
            else (runner.epoch, runner.max_epochs))
        if runner.val_loop is None or done < max(runner.val_begin, 1):
            return
        if done % runner.val_interval == 0 or done == end:
            runner.val_loop.run()
