"""Run the trainings of a sweep, ``jobs`` at a time. A stopped sweep can be continued."""

import fcntl
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TextIO

from . import record, report
from .plan import Sweep

KILL_AFTER = 60  # seconds that a training has to end before it is killed
_say = partial(print, flush=True)


def run_sweep(sweep: Sweep, points: Sequence[str] | None = None, jobs: int = 1) -> dict[str, str]:
    """Run all unfinished trainings of the named points, or of all points.

    Trials start first, then one seed after the other, so that a stopped sweep has complete seeds.
    ``jobs`` trainings run at the same time and share the CPU cores, unless ``OMP_NUM_THREADS`` is
    set. The results are rewritten after each training, and at a stop. Return the names of the
    points that failed, with the reasons.

    Raises:
        ValueError: Before anything runs, if ``jobs`` is below 1, if the sweep lacks a named point,
            if a training has begun with other settings, or if another process works in the folder.
    """
    if jobs < 1:
        raise ValueError(f'--jobs is {jobs}: set 1 or more')
    if jobs > 1:
        os.environ.setdefault('OMP_NUM_THREADS', str(max(1, (os.cpu_count() or 1) // jobs)))
    names = _select(sweep, points)
    with _lock(sweep.folder) as lock, _stop_on_signals():
        record.choose(sweep)
        queue = _Queue(sweep, names, jobs, lock)
        report.write_results(sweep, queue.failures)
        queue.work()
    return queue.failures


def dry_run(sweep: Sweep, points: Sequence[str] | None = None) -> None:
    """Print the commands that :func:`run_sweep` would run, ready to paste into a shell."""
    record.choose(sweep)
    for name in _select(sweep, points):
        for run in sweep.runs(name):
            if record.is_finished(record.check(run)):
                _say(f'# {run}: finished')
            elif sweep.tune and sweep.waits(run):
                _say(f'# {run}: its trials choose {sweep.tune.key}')
            elif run.previous and not record.is_finished(record.check(run.previous)):
                # The shell finds the checkpoint once the previous command has written it.
                folder = shlex.quote(str(run.previous.folder))
                start = f'cat {folder}/last_checkpoint'
                if run.stage.start_from == 'best':
                    metric = run.previous.stage.metric.replace('/', '_')
                    start = f'ls {folder}/best_{metric}_*.pth'
                command = shlex.join(run.command('CHECKPOINT'))
                _say(command.replace('=CHECKPOINT', f'="$({start})"'))
            else:
                _say(shlex.join(run.command(record.checkpoint_to_start_from(run))))


def _select(sweep, points):
    unknown = sorted(set(points or ()) - set(sweep.points))
    if unknown:
        raise ValueError(f'{sweep.name} has no points {unknown}; it has {list(sweep.points)}')
    return [name for name in sweep.points if not points or name in points]


class _Queue:
    """The waiting trainings, the running trainings, and the points that failed."""

    def __init__(self, sweep, names, jobs, lock):
        self.sweep, self.jobs, self.lock = sweep, jobs, lock
        self.failures = {}  # reasons by point
        self.running = {}  # by process: its run, record and start time
        self.took = {}  # by point: seconds of each finished training
        trials, stages = len(sweep.trials and sweep.trials[names[0]]), len(sweep.stages)

        def order(place):
            name, i = place
            seed, stage = divmod(i - trials, stages)
            return max(seed, -1), names.index(name) if seed >= 0 else i, stage

        # Keep indices into sweep.runs(name): record.choose replaces the runs after the trials.
        places = [(name, i) for name in names for i in range(len(sweep.runs(name)))]
        self.waiting = sorted(places, key=order)
        self.total = len(self.waiting)
        for name, i in self.waiting:
            self._count(name, record.check(sweep.runs(name)[i]))

    def work(self):
        """Run all trainings. If this process must stop, stop the running trainings."""
        try:
            while self.waiting or self.running:
                if len(self.running) < self.jobs and self._start_next():
                    continue
                for child in [child for child in self.running if child.poll() is not None]:
                    self._collect(child, *self.running.pop(child))
                time.sleep(0.1)
        finally:  # A stopped sweep writes its table too: it says which trainings have begun.
            if self.running:
                _say('  stopping the training')
                _end(list(self.running))
            report.write_results(self.sweep, self.failures)

    def _start_next(self):
        """Start the next training, or drop it if its point has failed. Return False if all wait."""
        for place in self.waiting:
            name, i = place
            run = self.sweep.runs(name)[i]
            if name not in self.failures:
                if self.sweep.waits(run):
                    continue
                if run.previous and not record.is_finished(record.check(run.previous)):
                    continue
                self._start(run, self.total - len(self.waiting) + 1)
            self.waiting.remove(place)
            return True
        return False

    def _start(self, run, number):
        found = record.check(run)
        if record.is_finished(found):
            value = report.result(run.stage, found)
            _say(f'[{number}/{self.total}] {run} is finished: {run.stage.metric} {value}')
            return
        _say(f'[{number}/{self.total}{self._time_left()}] {run}\n  log: {run.log}')
        try:
            command = run.command(record.checkpoint_to_start_from(run))
            found = found or record.begin(run)
            self.running[_launch(command, run.log, self.lock)] = run, found, time.monotonic()
        except Exception as error:  # a point that fails must not end the others
            self._fail(run, error)
        workers = ', process '.join(str(child.pid) for child in self.running)
        _write_owner(self.lock, f'process {os.getpid()} and its training, process {workers},')

    def _collect(self, child, run, found, start):
        """Record the result of a training that has ended."""
        seconds = time.monotonic() - start
        try:
            _check_status(child.returncode, run.log)
            found = record.finish(run, found, seconds)
            self._count(run.point, found)
            record.choose(self.sweep)
            took = timedelta(seconds=round(seconds))
            _say(f'  {run}: {run.stage.metric} {report.result(run.stage, found)}, in {took}')
        except Exception as error:
            self._fail(run, error)
        report.write_results(self.sweep, self.failures)

    def _fail(self, run, error):
        self.failures.setdefault(run.point, f'{run}: {error}')
        _say(f'  {run} failed: {error}')

    def _count(self, name, found):
        if record.is_finished(found) and found.get('seconds'):
            self.took.setdefault(name, []).append(found['seconds'])

    def _time_left(self):
        if not self.took:
            return ''
        means = {name: sum(seconds) / len(seconds) for name, seconds in self.took.items()}
        typical = sum(means.values()) / len(means)
        left = sum(
            means.get(name, typical)
            for name, i in self.waiting
            if not record.is_finished(record.check(self.sweep.runs(name)[i]))
        )
        return f', about {timedelta(seconds=round(left / self.jobs))} left'


def _launch(command: list[str], log: Path, lock: TextIO) -> subprocess.Popen:
    with open(log, 'a') as output:
        print(f'$ {shlex.join(command)}', file=output, flush=True)
        # The training gets its own session: Ctrl-C reaches only this process, which then ends all
        # workers. The training inherits the lock and holds it as long as it lives, even if this
        # process is killed.
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=[lock.fileno()],
        )


def _check_status(status: int, log: Path) -> None:
    if status:
        tail = '\n  '.join(log.read_text(errors='replace').splitlines()[-15:])
        how = f'signal {-status}' if status < 0 else f'exit code {status}'
        raise RuntimeError(f'training ended with {how}. {log} ends with\n  {tail}')


def _end(children):
    """Ask trainings to stop, and kill those that do not."""
    _signal(children, signal.SIGTERM)
    deadline = time.monotonic() + KILL_AFTER
    try:
        # A second Ctrl-C kills at once.
        with suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            for child in children:
                child.wait(max(0.0, deadline - time.monotonic()))
    finally:
        _signal(children, signal.SIGKILL)
        for child in children:
            child.wait()


def _signal(children, number):
    for child in children:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, number)


@contextmanager
def _lock(folder: Path) -> Iterator[TextIO]:
    """Lock a folder. The system frees the lock when the last process that holds it ends."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / 'lock', 'a+') as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise ValueError(
                f'{folder} is in use by {lock.read().strip()}. Wait until it ends, stop it, or '
                'choose another --work-dir'
            ) from None
        _write_owner(lock, f'process {os.getpid()}')
        yield lock


def _write_owner(lock, who):
    lock.truncate(0)
    lock.write(f'{who} on {socket.gethostname()}\n')
    lock.flush()


@contextmanager
def _stop_on_signals():
    """Stop on SIGTERM (schedulers) and SIGHUP (closed terminals) as on Ctrl-C."""

    def stop(number, frame):
        sys.exit(128 + number)

    signals = signal.SIGTERM, signal.SIGHUP
    caught = [n for n in signals if signal.getsignal(n) != signal.SIG_IGN]  # nohup ignores SIGHUP
    before = {number: signal.signal(number, stop) for number in caught}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
