"""Run the trainings of a sweep one after the other. A stopped sweep can be continued."""

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
from .plan import Run, Sweep

KILL_AFTER = 60  # seconds that a training has to end before it is killed
_say = partial(print, flush=True)


def run_sweep(sweep: Sweep, points: Sequence[str] | None = None) -> dict[str, str]:
    """Run the trainings of the named points, or of all, that have not finished.

    The results are rewritten after each training, and at a stop. Return the names of the points
    that failed, with the reasons.

    Raises:
        ValueError: Before anything runs, if a training has begun with other settings, or if
            another process works in the same folder.
    """
    selected = _select(sweep, points)
    failures: dict[str, str] = {}
    with _lock(sweep.folder) as lock, _stop_on_signals():
        for runs in selected.values():
            for run in runs:
                record.check(run)
        report.write_results(sweep, failures)
        for number, (name, runs) in enumerate(selected.items(), 1):
            for run in runs:
                _say(f'[{number}/{len(selected)}] {run}')
                try:
                    _run_or_continue(run, lock)
                except Exception as error:  # a point that fails must not end the others
                    failures[name] = f'{run.folder.name}: {error}'
                    _say(f'  failed: {error}')
                finally:  # at a stop too: the table then says which training has begun
                    report.write_results(sweep, failures)
                if name in failures:
                    break
    return failures


def dry_run(sweep: Sweep, points: Sequence[str] | None = None) -> None:
    """Print the commands that :func:`run_sweep` would run, ready to paste into a shell."""
    for runs in _select(sweep, points).values():
        for run in runs:
            if record.is_finished(record.check(run)):
                _say(f'# {run}: finished')
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
    return {name: runs for name, runs in sweep.points.items() if not points or name in points}


def _run_or_continue(run: Run, lock: TextIO) -> None:
    found = record.check(run)
    if record.is_finished(found):
        _say(f'  is finished: {run.stage.metric} {report.result(run.stage, found)}')
        return
    command = run.command(record.checkpoint_to_start_from(run))
    found = found or record.begin(run)
    _say(f'  log: {run.log}')
    start = time.monotonic()
    status = _train(command, run.log, lock)
    if status:
        tail = '\n  '.join(run.log.read_text(errors='replace').splitlines()[-15:])
        how = f'signal {-status}' if status < 0 else f'exit code {status}'
        raise RuntimeError(f'training ended with {how}. {run.log} ends with\n  {tail}')
    found = record.finish(run, found)
    duration = timedelta(seconds=round(time.monotonic() - start))
    _say(f'  {run.stage.metric} {report.result(run.stage, found)}, in {duration}')


def _train(command: list[str], log: Path, lock: TextIO) -> int:
    """Run a training and return its exit status. If this process must stop, end the training."""
    with open(log, 'a') as output:
        print(f'$ {shlex.join(command)}', file=output, flush=True)
        # The training gets its own session: Ctrl-C reaches only this process, which then ends all
        # workers. The training inherits the lock and holds it as long as it lives, even if this
        # process is killed.
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=[lock.fileno()],
        )
        try:
            _write_owner(lock, f'process {os.getpid()} and its training, process {child.pid},')
            return child.wait()
        except BaseException:
            _say('  stopping the training')
            _end(child)
            raise


def _end(child):
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGTERM)
    try:
        # A second Ctrl-C kills at once.
        with suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            child.wait(KILL_AFTER)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


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
