"""Hooks for the Runner."""

import os.path as osp
import re

import mmengine
from mmengine.dist import all_reduce_dict, master_only
from mmengine.hooks import CheckpointHook, Hook
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
                'replace --resume by --cfg-options load_from=CHECKPOINT'
            )


@HOOKS.register_module()
class BestValueHook(Hook):
    """Reports the best value of all validations, as the paper does in its few-shot tables (A.4).

    It is the value that ``CheckpointHook(save_best=...)`` keeps, over a resume too: in
    ``work_dir/best.json`` from the first validation on, and in the log at the end.

    Raises:
        ValueError: At the start, if there is not one such value.
    """

    priority = 'LOWEST'  # after CheckpointHook

    def before_train(self, runner):
        kept = [hook.save_best for hook in runner.hooks if isinstance(hook, CheckpointHook)]
        if len(kept) != 1 or kept[0] is None or (isinstance(kept[0], list) and len(kept[0]) != 1):
            raise ValueError(
                'afno_mm.BestValueHook reports the one value that CheckpointHook '
                'keeps the best checkpoint of: set default_hooks.checkpoint.save_best '
                f'to the name of a metric, as mIoU. Found {kept}'
            )

    @master_only
    def after_val_epoch(self, runner, metrics=None):
        best = self._best(runner)
        if best:
            mmengine.dump(best, osp.join(runner.work_dir, 'best.json'), indent=2)

    @master_only
    def after_train(self, runner):
        best = self._best(runner)
        if best:
            runner.logger.info('best {metric} {value} at {when}'.format(**best))

    @staticmethod
    def _best(runner):
        kept = runner.message_hub.runtime_info
        if 'best_score' not in kept:
            return None
        hook = next(hook for hook in runner.hooks if isinstance(hook, CheckpointHook))
        name = osp.basename(kept['best_ckpt'])
        time = re.search(r'_(epoch|iter)_(\d+)\.', name)
        return dict(
            metric=hook.key_indicators[0],
            value=round(float(kept['best_score']), 4),
            when=' '.join(time.groups()) if time else name,
            checkpoint=name,
        )


@HOOKS.register_module()
class ValidateResumedHook(Hook):
    """Makes up for the validation in which a training was stopped.

    A checkpoint is saved before it is validated, and a training resumed from it goes on behind
    both: without this, the value would be missing. ``tools/train.py --resume`` adds this hook.
    """

    priority = 'LOWEST'  # the hooks that log and keep the value are ready

    def before_train(self, runner):
        done, end = (
            (runner.iter, runner.max_iters)
            if isinstance(runner.train_loop, IterBasedTrainLoop)
            else (runner.epoch, runner.max_epochs)
        )
        if runner.val_loop is None or done < max(runner.val_begin, 1):
            return
        if done % runner.val_interval == 0 or done == end:
            runner.val_loop.run()
