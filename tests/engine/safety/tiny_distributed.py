"""Train tiny's model on several processes, and do something to one of them. Run as a script."""

import argparse
import os
import signal
import time
from pathlib import Path

import torch
from afno_mm.engine.safety import newest_checkpoint
from afno_mm.engine.safety.network import set_interface
from mmengine.hooks import Hook
from tiny import Model, runner


class Harm(Hook):
    """Harm one process at an iteration."""

    def __init__(self, how, rank, iteration):
        self.how, self.mine, self.iteration = how, rank == int(os.environ['RANK']), iteration

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        print(f'iteration {runner.iter + 1} begins', flush=True)
        if runner.iter + 1 != self.iteration or not self.mine:
            return
        if self.how in ('STOP', 'KILL'):
            print(f'{self.how} at {time.monotonic()}', flush=True)
            os.kill(os.getpid(), signal.Signals[f'SIG{self.how}'])
        elif self.how == 'forward':
            runner.model.module.layers[0].register_forward_hook(hang)
        elif self.how == 'backward':
            runner.model.module.layers[0].register_full_backward_hook(hang)

    def before_save_checkpoint(self, runner, checkpoint):
        if self.how == 'slow save' and runner.iter == 0:
            time.sleep(4)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if self.how == 'slow':
            time.sleep(0.2)


def hang(*_):
    print(f'hang at {time.monotonic()}', flush=True)
    time.sleep(1000)


if __name__ == '__main__':
    parser = argparse.ArgumentParser()
    parser.add_argument('work_dir', type=Path)
    parser.add_argument('--how', default='nothing')
    parser.add_argument('--rank', type=int, default=1)
    parser.add_argument('--iteration', type=int, default=5)
    parser.add_argument('--timeout', type=float, default=5)
    parser.add_argument('--most', type=int, default=8)
    parser.add_argument('--resume', action='store_true')
    parser.add_argument('--launcher')
    args = parser.parse_args()
    torch.set_num_threads(1)
    print(f'interface {set_interface()}', flush=True)
    torch.distributed.init_process_group('gloo')
    newest = newest_checkpoint(args.work_dir) if args.resume else None
    runner(
        args.work_dir,
        model=Model(),
        most=args.most,
        by_epoch=False,  # batches of two always, as batch norm needs
        hooks=[
            dict(type='afno_mm.RankWatchHook', timeout=args.timeout),
            dict(type=Harm, how=args.how, rank=args.rank, iteration=args.iteration),
            # Its processes wait for each other. Without it the others of a slow save go on.
            *([] if args.how == 'slow save' else [dict(type='afno_mm.StopSignalHook')]),
        ],
        launcher='pytorch',
        cfg=dict(
            model_wrapper_cfg=dict(type='afno_mm.CPUDistributedDataParallel', device_ids=None)
        ),
        resume=newest is not None,
        load_from=newest and str(newest),
    ).train()
