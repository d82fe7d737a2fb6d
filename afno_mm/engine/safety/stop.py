"""Save and stop on a signal; keep two trainings out of one work dir."""

import fcntl
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import get_world_size, is_distributed, is_main_process
from mmengine.hooks import EMAHook, Hook
from mmengine.logging import print_log
from torch import distributed

from ...registry import HOOKS
from .checkpoint_files import checkpoints

# EX_TEMPFAIL of sysexits.h: not finished, run the same command again with --resume.
EXIT_CODE = 75
# A scheduler can signal all processes, and the launcher then passes the signal on once more.
SAME_SIGNAL = 3  # seconds


@HOOKS.register_module()
class StopSignalHook(Hook):
    """On a signal, finish the current optimiser step, save a checkpoint and exit.

    All processes finish the same step, so only one of them needs to get the signal. The checkpoint
    is ``stopped_at_iter_N.pth`` and the exit code is 75. ``--resume`` continues from there,
    bit-identically to a training that was never stopped. The file is removed when the training has
    saved a later checkpoint. If the same signal comes again more than three seconds later, it acts
    as without this hook.

    Args:
        signals: Names of the signals. Slurm sends SIGTERM, or the signal of ``--signal``.
    """

    priority = 'LOWEST'  # after the schedules, the logs and the checkpoints of the same step

    def __init__(self, signals: Sequence[str] = ('SIGTERM', 'SIGINT', 'SIGUSR1')) -> None:
        self.signals = [signal.Signals[name] for name in signals]
        self.received = 0
        self.first: dict[int, float] = {}
        self.before: dict[signal.Signals, Any] = {}
        self.group: Any = None
        self.shared = float('inf')

    def before_train(self, runner: Any) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in self.signals:
                self.before[number] = signal.signal(number, self._receive)
            for loop in filter(None, (runner.train_loop, runner.val_loop)):
                loader = loop.dataloader
                loader.worker_init_fn = partial(_outlive, self.signals, loader.worker_init_fn)
        else:
            runner.logger.warning('signals do not save this training: it runs in a thread')
        if is_distributed() and get_world_size() > 1:
            # Exchange signals in a CPU group, so that no step waits for a GPU.
            self.group = distributed.new_group(backend='gloo')

    def after_train(self, runner: Any) -> None:
        """Put the former signal handlers back."""
        for number, handler in self.before.items():
            signal.signal(number, handler)
        self.before = {}

    def before_val_epoch(self, runner: Any) -> None:
        """Find how many batches all processes have. With ``round_up=False`` some have one more."""
        shared = torch.tensor([len(runner.val_dataloader)])
        if self.group is not None:
            distributed.all_reduce(shared, distributed.ReduceOp.MIN, group=self.group)
        self.shared = int(shared)

    def _after_iter(self, runner, batch_idx, data_batch=None, outputs=None, mode='train'):
        # Stop in a validation too: the resumed training repeats the validation.
        iteration = runner.iter + (mode == 'train')
        if mode == 'train' and iteration % getattr(runner.optim_wrapper, '_accumulative_counts', 1):
            return  # The optimiser has not applied these gradients.
        self.shared -= mode == 'val'
        if mode == 'val' and self.shared < 0:
            # Other processes have no such batch, and would not answer. Or MMPretrain's EMAHook
            # validates once more, with its weights exchanged back.
            return
        if mode != 'test' and self.before and self._anyone_asked():
            for hook in runner.hooks if mode == 'val' else ():
                # MMEngine's EMAHook exchanges the weights for a validation, and saves as if not.
                if isinstance(hook, EMAHook) and getattr(hook, 'evaluate_on_ema', True):
                    hook._swap_ema_parameters()
            self._save_and_leave(runner, iteration)

    def _receive(self, number, frame):
        self.received = number
        now = time.monotonic()
        if now - self.first.setdefault(number, now) > SAME_SIGNAL:
            signal.signal(number, self.before[number])
            signal.raise_signal(number)

    def _anyone_asked(self):
        if self.group is None:
            return self.received
        asked = torch.tensor([self.received])
        distributed.all_reduce(asked, distributed.ReduceOp.MAX, group=self.group)
        self.received = int(asked)
        return self.received

    def _save_and_leave(self, runner, iteration):
        name = f'stopped_at_iter_{iteration}.pth'
        runner.logger.warning(
            f'{signal.Signals(self.received).name} received: saving {name}. The same command '
            'with --resume goes on from there'
        )
        meta = dict(epoch=runner.epoch, iter=iteration)
        runner.save_checkpoint(runner.work_dir, name, by_epoch=False, meta=meta)
        remove_stopped(Path(runner.work_dir, name), iteration)
        if self.group is not None:
            # Wait until the file is whole: after the first exit the launcher ends the others.
            distributed.barrier(group=self.group)
            # Use os._exit: threads of the process groups can abort a normal exit.
            logging.shutdown()
            sys.stdout.flush()
            os._exit(EXIT_CODE)
        self.after_train(runner)
        raise SystemExit(EXIT_CODE)


def remove_stopped(newer: str | Path, iteration: int) -> None:
    """Remove the checkpoints of signals in the folder of a newer one, on rank 0.

    Call it when the newer checkpoint is whole. ``iteration`` is its iteration.
    """
    if is_main_process():
        for path in Path(newer).parent.glob('stopped_at_iter_*.pth'):
            number = path.stem.removeprefix('stopped_at_iter_')
            if number.isdigit() and int(number) <= iteration and path.name != Path(newer).name:
                path.unlink(missing_ok=True)


def _outlive(signals, prepare, worker):
    """Let a worker of a data loader ignore signals, except those of the training's own process.

    A scheduler, ``timeout`` and Ctrl-C send a signal to all processes. Without its workers, the
    training could not finish the step and save. At its end, it stops them by SIGTERM.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    arguments = signals, os.getppid()
    threading.Thread(target=_wait_for_parent, args=arguments, daemon=True).start()
    if prepare:
        prepare(worker)


def _wait_for_parent(signals, parent):
    while signal.sigwaitinfo(signals).si_pid != parent:
        pass
    os._exit(0)


@contextmanager
def only_one(folder: str | Path) -> Iterator[None]:
    """Hold the lock of a work dir, on rank 0. The system frees the lock when the process ends.

    Raises:
        BlockingIOError: If another process holds the lock.
    """
    if _rank() > 0:
        yield
        return
    Path(folder).mkdir(parents=True, exist_ok=True)
    with open(Path(folder, '.lock'), 'a+') as lock:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise BlockingIOError(
                f'another training (process {lock.read().strip() or "unknown"}) works in {folder}. '
                'Choose another --work-dir, or wait for it'
            ) from None
        except OSError as error:  # as on Lustre without -o flock
            print_log(f'{folder} has no lock: {error}. Start no other training there', 'current')
        lock.truncate(0)
        lock.write(f'{os.getpid()} on {os.uname().nodename}')
        lock.flush()
        yield


def _rank():
    """Return the rank that a launcher gives this process. It needs no process group."""
    names = ('RANK', 'SLURM_PROCID', 'OMPI_COMM_WORLD_RANK')
    return int(next((os.environ[name] for name in names if name in os.environ), 0))


def check_work_dir(folder: str | Path) -> None:
    """Raise FileExistsError if a folder has checkpoints, which a new training would overwrite."""
    found = sorted(path.name for path in checkpoints(Path(folder)))
    if found:
        raise FileExistsError(
            f'{folder} holds checkpoints of an earlier training ({found[-1]}), and a new one would '
            'overwrite them. Continue it with --resume, choose another --work-dir, or delete it'
        )
