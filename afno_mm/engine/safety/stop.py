"""Signals that stop a training, and what protects a work dir from two of them."""

import fcntl
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import get_world_size, is_distributed
from mmengine.hooks import Hook
from torch import distributed

from ...registry import HOOKS
from .checkpoint_files import NAMES

# EX_TEMPFAIL of sysexits.h: not finished, run the same command again with --resume.
EXIT_CODE = 75


@HOOKS.register_module()
class StopSignalHook(Hook):
    """Save a checkpoint after the current step and leave, when a signal asks for it.

    All processes finish the same step, so it is enough that one of them gets the signal. The
    checkpoint is ``stopped_at_iter_N.pth``, the exit code is 75, and ``--resume`` goes on from
    there with the bits of a training that was never stopped. A second signal ends the process at
    once, as without this hook.

    Args:
        signals: Names of the signals. Slurm sends SIGTERM, or the one of ``--signal``.
    """

    priority = 'LOWEST'  # after the schedules, the logs and the checkpoints of the same step

    def __init__(self, signals: Sequence[str] = ('SIGTERM', 'SIGINT', 'SIGUSR1')):
        self.signals = [signal.Signals[name] for name in signals]
        self.received = 0
        self.before: dict[signal.Signals, Any] = {}
        self.group: Any = None

    def before_train(self, runner: Any) -> None:
        """Begin to listen."""
        for number in self.signals:
            self.before[number] = signal.signal(number, self._receive)
        if is_distributed() and get_world_size() > 1:
            # On the CPU, so that no step waits for a GPU.
            self.group = distributed.new_group(backend='gloo')

    def after_train(self, runner: Any) -> None:
        """Give the signals back."""
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Save and leave if a signal came. Gradients are never accumulated half."""
        if (runner.iter + 1) % getattr(runner.optim_wrapper, '_accumulative_counts', 1):
            return
        if self._anyone_asked():
            self._save_and_leave(runner, runner.epoch, runner.iter + 1)

    def after_val_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Save and leave in a validation too. Resuming makes up for it."""
        if self.before and self._anyone_asked():
            self._save_and_leave(runner, runner.epoch, runner.iter)

    def _receive(self, number, frame):
        self.received = number
        signal.signal(number, self.before[number])

    def _anyone_asked(self):
        if self.group is None:
            return self.received
        asked = torch.tensor([self.received])
        distributed.all_reduce(asked, distributed.ReduceOp.MAX, group=self.group)
        self.received = int(asked)
        return self.received

    def _save_and_leave(self, runner, epoch, iteration):
        name = f'stopped_at_iter_{iteration}.pth'
        runner.logger.warning(
            f'{signal.Signals(self.received).name} received: saving {name}. The same command '
            'with --resume goes on from there'
        )
        runner.save_checkpoint(
            runner.work_dir, name, by_epoch=False, meta=dict(epoch=epoch, iter=iteration)
        )
        if self.group is not None:
            # Nobody leaves before the file is whole: the launcher ends the others.
            distributed.barrier(group=self.group)
        self.after_train(runner)
        raise SystemExit(EXIT_CODE)


@contextmanager
def only_one(folder: str | Path, what: str = 'training') -> Iterator[None]:
    """Hold the lock of a work dir. The system frees it when the process ends, however it ends.

    Raises:
        BlockingIOError: If another process holds it.
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
                f'another {what} (process {lock.read().strip() or "unknown"}) works in {folder}. '
                'Choose another --work-dir, or wait for it'
            ) from None
        lock.truncate(0)
        lock.write(f'{os.getpid()} on {os.uname().nodename}')
        lock.flush()
        yield


def _rank():
    """The rank that a launcher gives this process, before the process group exists."""
    names = ('RANK', 'SLURM_PROCID', 'OMPI_COMM_WORLD_RANK')
    return int(next((os.environ[name] for name in names if name in os.environ), 0))


def check_work_dir(folder: str | Path) -> None:
    """Refuse to start a new training over the checkpoints of another one.

    Raises:
        FileExistsError: If the folder has checkpoints.
    """
    found = sorted(path.name for path in Path(folder).glob('*.pth') if NAMES.fullmatch(path.name))
    if found:
        raise FileExistsError(
            f'{folder} holds {len(found)} checkpoints of an earlier training ({found[-1]}), and a '
            'new one would overwrite them. Go on with it: --resume. Or choose another --work-dir, '
            'or delete this one'
        )
