"""Hooks for the Runner."""

import os.path as osp
import re
import resource
from typing import Any

import mmengine
import torch
from mmengine.device import get_device
from mmengine.dist import all_reduce_dict, master_only
from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import IterBasedTrainLoop, Runner

from ..registry import HOOKS
from .model import compile_for_training


@HOOKS.register_module()
class MeanLossHook(Hook):
    """Log the mean of the losses over all processes, which data-parallel training minimises.

    Without it, the log has the losses of the first process.
    """

    priority = 'HIGHEST'  # before the hook that passes the losses to the logger

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        if outputs and runner.world_size > 1:
            all_reduce_dict(outputs, op='mean')


@HOOKS.register_module()
class MemoryHook(Hook):
    """On a CPU, log the process's peak memory in MB as ``memory``. MMEngine logs a GPU's."""

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        if get_device() == 'cpu':
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            runner.message_hub.update_scalar('train/memory', peak)


@HOOKS.register_module()
class EndedScheduleHook(Hook):
    """Warn when a resumed training would go on with a learning rate of 0.

    A checkpoint contains its schedule. More epochs do not make that schedule longer.
    """

    def before_train(self, runner: Runner) -> None:
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
    """Report the best value of all validations, as the paper's few-shot tables do (A.4).

    ``CheckpointHook(save_best=...)`` tracks this value, also after a resume. The hook writes it to
    ``work_dir/best.json`` after each validation, and to the log at the end of the training.

    Raises:
        ValueError: When the training starts, if ``save_best`` does not name exactly one metric.
            Without a CheckpointHook there is only a warning.
    """

    priority = 'LOWEST'  # after CheckpointHook

    def before_train(self, runner: Runner) -> None:
        kept = [hook.save_best for hook in runner.hooks if isinstance(hook, CheckpointHook)]
        if not kept:  # MMPretrain's vis_scheduler.py turns the hook off
            runner.logger.warning('there is no CheckpointHook, and so no best value is reported')
        elif len(kept) != 1 or kept[0] is None or (isinstance(kept[0], list) and len(kept[0]) != 1):
            raise ValueError(
                'afno_mm.BestValueHook reports the metric by which CheckpointHook chooses the best '
                'checkpoint: set default_hooks.checkpoint.save_best to the name of one metric, '
                f'such as mIoU. Found {kept}'
            )

    @master_only
    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        best = self._best(runner)
        if best:
            mmengine.dump(best, osp.join(runner.work_dir, 'best.json'), indent=2)

    @master_only
    def after_train(self, runner: Runner) -> None:
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
    """Run the validation that was due when a training was stopped.

    MMEngine saves a checkpoint before it validates. A training that is stopped in between and
    resumed would skip this validation. ``tools/train.py --resume`` adds this hook.
    """

    priority = 'LOWEST'  # after the hooks that log and keep the value

    def before_train(self, runner: Runner) -> None:
        if isinstance(runner.train_loop, IterBasedTrainLoop):
            done, end = runner.iter, runner.max_iters
        else:
            done, end = runner.epoch, runner.max_epochs
            if runner.iter != done * len(runner.train_dataloader):
                return  # In the middle of an epoch: the validation before it is done.
        if runner.val_loop is None or done < max(runner.val_begin, 1):
            return
        if hasattr(runner.train_loop, '_decide_current_val_interval'):
            runner.train_loop._decide_current_val_interval()  # for dynamic_intervals
        if done % runner.val_interval == 0 or done == end:
            runner.val_loop.run()


@HOOKS.register_module()
class CompileHook(Hook):
    """Compile the blocks and losses of a model when its training starts (``--compile``).

    The first step then takes up to minutes. See :func:`.compile_for_training` for what is
    compiled; ``options`` are those of :func:`torch.compile`.

    Raises:
        ValueError: When the training starts, if the model has no such part.
    """

    def __init__(self, **options: Any) -> None:
        self.options = options

    def before_train(self, runner: Runner) -> None:
        runner.model.train()  # as the loop does; frozen parts stay in evaluation mode
        count = compile_for_training(runner.model, **self.options)
        if not count:
            raise ValueError(
                'there is nothing to compile: only blocks with a mixer and the losses of afno_mm.'
                'SegformerHead are, and none of them is in training mode here. Leave out --compile'
            )
        runner.logger.info(f'compiled for training: {count} blocks and losses, at their first use')

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        torch.compiler.cudagraph_mark_step_begin()  # for mode='reduce-overhead'
