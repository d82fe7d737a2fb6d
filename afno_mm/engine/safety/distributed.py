"""A process that hangs or is lost ends a distributed training, and its rank is named."""

import faulthandler
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from mmengine.dist import get_rank, get_world_size, is_distributed
from mmengine.hooks import Hook
from torch.distributed import TCPStore

from ...registry import HOOKS

EXIT_CODE = 1


@HOOKS.register_module()
class RankWatchHook(Hook):
    """End the training when one process makes all others wait for too long, and name its rank.

    Every process publishes its progress in the store of ``MASTER_ADDR`` and reads that of the
    others. It acts only if no process has made progress for ``timeout`` seconds. Then it names

    * processes that no longer publish: stopped, dead, or on a machine that is out of reach,
    * else processes that are behind the others and do not write a checkpoint,
    * else all of them with their line of code, if all are in a training step.

    So a long validation, evaluation, checkpoint or data check ends nothing. The run ends at most
    a tenth later than ``timeout``. The hook does nothing in a training of one process.

    Args:
        timeout: Seconds. Default: nine tenths of ``env_cfg.dist_cfg.timeout``, which is the
            collectives' own, so that the name comes first; 600 if that is not set. 0 turns the
            hook off.
    """

    # After the hook that reads the losses, and so waits for the GPU; before all long ones.
    priority = 'VERY_HIGH'

    def __init__(self, timeout: float | None = None):
        self.timeout = timeout
        self.watch: RankWatch | None = None
        # Hooks called, of any kind; points passed that all processes pass together.
        self.moves = self.stage = 0
        self.iteration = 1
        self.doing = 'data loading'
        self.in_step = self.saving = self.done = False

    def bound(self, cfg: dict[str, Any]) -> float:
        """Return the seconds without progress after which a training of a config ends."""
        if self.timeout is not None:
            return self.timeout
        limit = ((cfg.get('env_cfg') or {}).get('dist_cfg') or {}).get('timeout')
        return 0.9 * limit if limit else 600

    def before_train(self, runner: Any) -> None:
        """Begin to watch."""
        timeout = self.bound(runner.cfg)
        if not timeout or not is_distributed() or get_world_size() == 1:
            return
        if 'MASTER_ADDR' not in os.environ or 'MASTER_PORT' not in os.environ:
            runner.logger.warning(
                'RankWatchHook is off: MASTER_ADDR and MASTER_PORT are not set, so there is no '
                'store in which processes can publish their progress'
            )
            return
        self._pass('data loading', runner.iter + 1)
        runner.model.register_forward_pre_hook(lambda *_: self._forward(True))
        runner.model.register_forward_hook(lambda *_: self._forward(False))
        self.watch = RankWatch(self, get_rank(), get_world_size(), timeout, runner.logger)
        self.watch.start()

    def after_train(self, runner: Any) -> None:
        """Tell the others that this process needs nothing more."""
        self.done = True
        if self.watch:
            self.watch.stop()

    def before_save_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        """The main process alone writes; the others wait for it rightly."""
        self.saving = True

    def _before_epoch(self, runner, mode='train'):
        self._pass('data loading' if mode == 'train' else 'validation')

    def _after_epoch(self, runner, mode='train'):
        self._pass('hooks between epochs')

    def _before_iter(self, runner, batch_idx, data_batch=None, mode='train'):
        if mode == 'train':
            self._pass('the start of the step', runner.iter + 1, in_step=True)
        self.moves += 1

    def _after_iter(self, runner, batch_idx, data_batch=None, outputs=None, mode='train'):
        if mode == 'train':
            self._pass('data loading or hooks', runner.iter + 2)
        elif batch_idx + 1 == len(runner.val_dataloader):
            self._pass('evaluation')
        self.moves += 1
        self.saving = False

    def _forward(self, begins):
        # The first forward pass of a step only: all processes count alike.
        if self.in_step and self.doing == ('the start of the step' if begins else 'forward'):
            self._pass('forward' if begins else 'backward or optimizer', in_step=True)

    def _pass(self, doing, iteration=None, in_step=False):
        self.iteration = iteration or self.iteration
        self.doing, self.in_step, self.saving = doing, in_step, False
        self.stage += 1
        self.moves += 1

    def state(self) -> dict[str, Any]:
        """What the other processes are told."""
        frame = sys._current_frames().get(threading.main_thread().ident or 0)
        names = ('moves', 'stage', 'iteration', 'doing', 'in_step', 'saving', 'done')
        return dict(
            {name: getattr(self, name) for name in names},
            line=_line(frame) if frame else 'unknown',
            host=os.uname().nodename,
            process=os.getpid(),
            identity=_identity(os.getpid()),
        )


class RankWatch:
    """Two threads: one talks to the store and may block, the other judges and never does."""

    def __init__(self, hook: RankWatchHook, rank: int, world: int, timeout: float, logger: Any):
        self.hook, self.rank, self.timeout, self.logger = hook, rank, timeout, logger
        self.period = min(timeout / 20, 30)
        launch = os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')
        self.keys = [f'afno_mm/rank_watch/{launch}/{r}' for r in range(world)]
        self.judge = Judge(rank, world, timeout)
        self.store: TCPStore | None = None
        self.states: list[dict[str, Any]] = []
        self.stopped = threading.Event()
        self.threads = [
            threading.Thread(target=work, daemon=True) for work in (self._exchange, self._watch)
        ]

    def start(self) -> None:
        """Publish once, so that a process that hangs at once is known, and start both threads."""
        self._talk()
        for thread in self.threads:
            thread.start()

    def stop(self) -> None:
        """Publish the last state and end both threads."""
        self.stopped.set()
        for thread in self.threads:
            thread.join(self.period + 5)

    def _exchange(self):
        while not self.stopped.wait(self.period):
            self._talk()
        self._talk()

    def _talk(self):
        try:
            # A connection of its own: the process group's is locked while a collective waits.
            self.store = self.store or TCPStore(
                os.environ['MASTER_ADDR'],
                int(os.environ['MASTER_PORT']),
                is_master=False,
                timeout=timedelta(seconds=max(self.timeout, 1)),
                wait_for_workers=False,
            )
            state = dict(self.hook.state(), beat=time.time())
            self.store.set(self.keys[self.rank], json.dumps(state))
            if self.states or self.store.check(self.keys):
                self.states = [json.loads(state) for state in self.store.multi_get(self.keys)]
        except (RuntimeError, OSError):
            self.store = None  # connect again; the judge sees that no news comes

    def _watch(self):
        before = time.monotonic()
        while not self.stopped.wait(self.period):
            now = time.monotonic()
            # While this process was stopped itself, it could not see the others.
            elapsed, before = min(now - before, 2 * self.period), now
            if self.states:
                accused, text = self.judge(self.states, self.hook.moves, elapsed)
                if text:
                    self._end(accused, text)

    def _end(self, accused, text):
        # Whatever happens below, such as a lock that the main thread holds.
        last = threading.Timer(10, os._exit, [EXIT_CODE])
        last.daemon = True
        last.start()
        self.logger.error(
            f'{text} The training ends. The same command with --resume goes on from the newest '
            f'checkpoint. RankWatchHook.timeout sets the bound (now {self.timeout:.0f} s)'
        )
        for handler in self.logger.handlers:
            handler.flush()
        if self.rank in accused:
            faulthandler.dump_traceback(all_threads=True)
        sys.stdout.flush()
        sys.stderr.flush()
        for state in (self.states[rank] for rank in accused):
            # A stopped process ignores the launcher, which would wait for it another 30 s.
            if state['process'] != os.getpid() and _identity(state['process']) == state['identity']:
                os.kill(state['process'], signal.SIGKILL)
        time.sleep(1)  # so that the launcher sees the accused end first
        os._exit(EXIT_CODE)


class Judge:
    """Decide from what all processes publish whether one of them hangs."""

    def __init__(self, rank: int, world: int, timeout: float):
        self.rank, self.timeout = rank, timeout
        self.quiet = 0.0  # seconds without progress of any process
        self.silent = [0.0] * world  # seconds without a new state, per process
        self.beats: list[float] = [0.0] * world
        self.moves: list[int] = []

    def __call__(
        self, states: Sequence[dict[str, Any]], own_moves: int, elapsed: float
    ) -> tuple[list[int], str]:
        """Return the ranks at fault and what to say of them, or ([], '').

        Args:
            states: :meth:`RankWatchHook.state` and 'beat' of each rank, as last read.
            own_moves: Progress of this process now.
            elapsed: Seconds since the last call.
        """
        beats = [state['beat'] for state in states]
        moves = [*(state['moves'] for state in states), own_moves]
        self.quiet = self.quiet + elapsed if moves == self.moves else 0.0
        self.silent = [
            seconds + elapsed if beat == before else 0.0
            for seconds, beat, before in zip(self.silent, beats, self.beats)
        ]
        self.beats, self.moves = beats, moves
        running = [rank for rank, state in enumerate(states) if not state['done']]
        if self.quiet < self.timeout or not running:
            return [], ''
        silent = [rank for rank in running if self.silent[rank] >= 0.9 * self.timeout]
        if self.rank in silent:
            where = f'{os.environ.get("MASTER_ADDR")}:{os.environ.get("MASTER_PORT")}'
            return [], (
                f'rank 0 ({states[0]["host"]}) or its store at {where} has been out of reach for '
                f'{self.quiet:.0f} s: its machine is dead, or the network to it is down.'
            )
        furthest = max(states[rank]['stage'] for rank in running)
        behind = [rank for rank in running if states[rank]['stage'] < furthest]
        hung = silent or [rank for rank in behind if not states[rank]['saving']]
        if hung:
            # The last word of a silent process may be older than the iteration that others are in.
            latest = max(states[rank]['iteration'] for rank in running)
            texts = [self._text(rank, states[rank], latest if silent else None) for rank in hung]
            return hung, ' '.join(texts)
        if not behind and all(states[rank]['in_step'] for rank in running):
            lines = '; '.join(f'rank {rank} at {states[rank]["line"]}' for rank in running)
            return [], (
                f'no rank has finished iteration {states[self.rank]["iteration"]} for '
                f'{self.quiet:.0f} s, and all are in {states[self.rank]["doing"]}: {lines}.'
            )
        return [], ''

    def _text(self, rank, state, silent_in):
        text = (
            f'rank {rank} ({state["host"]}, process {state["process"]}) has not finished iteration '
            f'{silent_in or state["iteration"]} for {self.quiet:.0f} s'
        )
        if silent_in:
            return (
                f'{text} and gives no sign of life: the process is stopped or dead, or its machine '
                'is out of reach.'
            )
        return f'{text}, in {state["doing"]}, and the others wait for it. It is at {state["line"]}.'


def _line(frame):
    code = frame.f_code
    return f'{code.co_filename}:{frame.f_lineno} ({code.co_name})'


def _identity(process):
    """A name of a process of this machine that no other process ever has, or None."""
    try:
        boot = Path('/proc/sys/kernel/random/boot_id').read_text().strip()
        started = Path(f'/proc/{process}/stat').read_text().rpartition(')')[2].split()[19]
        return f'{boot}:{os.readlink(f"/proc/{process}/ns/pid")}:{process}:{started}'
    except OSError:
        return None
