"""End a distributed training when a process hangs or is lost, and name its rank."""

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

    Every process publishes its progress in the TCPStore at ``MASTER_ADDR`` and reads the others'
    progress. It acts only if no process has made progress for ``timeout`` seconds. Then it names

    * processes that no longer publish: stopped, dead, or on a machine that is out of reach,
    * else processes that are behind the others and do not write a checkpoint,
    * else all of them with their line of code, if all are in a training step.

    So a long validation, evaluation, checkpoint or data check does not end the training. A hang
    ends it after ``timeout`` and at most a tenth more. With one process, the hook does nothing.

    Args:
        timeout: Seconds. 0 turns the hook off. Default: nine tenths of ``env_cfg.dist_cfg.timeout``
            or of NCCL's 600, so that the hook names the rank before a collective times out.
    """

    # Run after FiniteNumbersHook, which waits for the GPU, and before all long hooks.
    priority = 'VERY_HIGH'

    def __init__(self, timeout: float | None = None) -> None:
        self.timeout = timeout
        self.watch: RankWatch | None = None
        # moves counts any sign of progress. stage counts the points that every process passes.
        self.moves = self.stage = 0
        self.iteration = 1
        self.doing = 'data loading'
        self.in_step = self.saving = self.done = False

    def bound(self, cfg: dict[str, Any]) -> float:
        """Return the seconds without progress after which the training ends."""
        if self.timeout is not None:
            return self.timeout
        limit = ((cfg.get('env_cfg') or {}).get('dist_cfg') or {}).get('timeout')
        return 0.9 * (limit or 600)

    def before_train(self, runner: Any) -> None:
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

    def after_train(self, runner: Any) -> None:
        """Tell the others that this process has finished."""
        self.done = True
        if self.watch:
            self.watch.stop()

    def before_save_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        """Tell the others that this process writes, so that they wait for it."""
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
        elif mode == 'val' and batch_idx + 1 == len(runner.val_dataloader):
            self._pass('evaluation')
        self.moves += 1
        self.saving = False

    def _forward(self, begins):
        # Count only the first forward pass of a step: later ones can differ between processes.
        if self.in_step and self.doing == ('the start of the step' if begins else 'forward'):
            self._pass('forward' if begins else 'backward or optimizer', in_step=True)

    def _pass(self, doing, iteration=None, in_step=False):
        self.iteration = iteration or self.iteration
        self.doing, self.in_step, self.saving = doing, in_step, False
        self.stage += 1
        self.moves += 1

    def state(self) -> dict[str, Any]:
        """Return the state that this process publishes."""
        frame = sys._current_frames().get(threading.main_thread().ident or 0)
        line = frame and f'{frame.f_code.co_filename}:{frame.f_lineno} ({frame.f_code.co_name})'
        names = ('moves', 'stage', 'iteration', 'doing', 'in_step', 'saving', 'done')
        return dict(
            {name: getattr(self, name) for name in names},
            line=line or 'unknown',
            host=os.uname().nodename,
            process=os.getpid(),
            identity=_identity(os.getpid()),
        )


class RankWatch:
    """Watch all processes. One thread talks to the store and may block, another never blocks."""

    def __init__(
        self, hook: RankWatchHook, rank: int, world: int, timeout: float, logger: Any
    ) -> None:
        self.hook, self.rank, self.timeout, self.logger = hook, rank, timeout, logger
        self.period = min(timeout / 20, 30)
        launch = os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')
        self.keys = [f'afno_mm/rank_watch/{launch}/{r}' for r in range(world)]
        self.judge = Judge(rank, world, timeout)
        self.store: TCPStore | None = None
        self.states: list[dict[str, Any]] = []
        self.stopped = threading.Event()
        work = self._exchange, self._watch
        self.threads = [threading.Thread(target=function, daemon=True) for function in work]
        self._talk()  # publish now, in case this process hangs from the start
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
            # Open another connection: a waiting collective blocks the process group's own.
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
            self.store = None  # connect again next time; until then the judge sees no new state

    def _watch(self):
        before = time.monotonic()
        while not self.stopped.wait(self.period):
            now = time.monotonic()
            # Do not count the time in which this process was stopped: it could not see the others.
            elapsed, before = min(now - before, 2 * self.period), now
            if self.states:
                accused, text = self.judge(self.states, self.hook.moves, elapsed)
                if text:
                    self._end(accused, text)

    def _end(self, accused, text):
        # Exit even if the code below blocks, for example on a lock that the main thread holds.
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
            # Kill it: a stopped process ignores SIGTERM, so the launcher would wait 30 s more.
            process = state['process']
            if process != os.getpid() and _identity(process) == state['identity']:
                os.kill(process, signal.SIGKILL)
        time.sleep(1)  # so that the launcher sees the accused end first
        os._exit(EXIT_CODE)


class Judge:
    """Decide from the states that all processes publish whether one of them hangs."""

    def __init__(self, rank: int, world: int, timeout: float) -> None:
        self.rank, self.timeout = rank, timeout
        self.quiet = 0.0  # seconds without progress of any process
        self.silent = [0.0] * world  # seconds without a new state, per process
        self.beats = [0.0] * world
        self.moves: list[int] = []

    def __call__(
        self, states: Sequence[dict[str, Any]], own_moves: int, elapsed: float
    ) -> tuple[list[int], str]:
        """Return the hanging ranks, if known, and the message. Without a fault the text is ''.

        ``states`` has :meth:`RankWatchHook.state` and 'beat' of each rank, as last read.
        ``own_moves`` is this process's current ``moves``. ``elapsed``: seconds since the last call.
        """
        beats = [state['beat'] for state in states]
        moves = [*(state['moves'] for state in states), own_moves]
        self.quiet = self.quiet + elapsed if moves == self.moves else 0.0
        for rank, beat in enumerate(beats):
            self.silent[rank] = self.silent[rank] + elapsed if beat == self.beats[rank] else 0.0
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
            # A silent process may have published its last state some iterations ago. For its
            # message, use the latest iteration that any running process has reported.
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
        why = f', in {state["doing"]}, and the others wait for it. It is at {state["line"]}.'
        if silent_in:
            why = ' and gives no sign of life: it is stopped, dead, or its machine is out of reach.'
        return (
            f'rank {rank} ({state["host"]}, process {state["process"]}) has not finished iteration '
            f'{silent_in or state["iteration"]} for {self.quiet:.0f} s{why}'
        )


def _identity(process):
    """Return a name that no other process ever has, or None if there is no such process."""
    try:
        boot = Path('/proc/sys/kernel/random/boot_id').read_text().strip()
        started = Path(f'/proc/{process}/stat').read_text().rpartition(')')[2].split()[19]
        return f'{boot}:{os.readlink(f"/proc/{process}/ns/pid")}:{process}:{started}'
    except OSError:
        return None
