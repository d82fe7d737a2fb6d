"""Runs the trainings of a sweep one after the other, and survives being stopped."""

import fcntl
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from datetime import timedelta

from . import record, report

PATIENCE = 60  # seconds until a training that was asked to end is killed


def run_sweep(sweep, points=None):
    """Train what is not trained yet; results are rewritten after every training, or a stop.

    Args:
        sweep (Sweep): What to run.
        points (list[str], optional): Names of the points to run, all by default.

    Returns:
        dict[str, str]: Why points failed, by their names.

    Raises:
        ValueError: Before anything runs, if a training has begun with other settings, or another
            process is at work in the same folder.
    """
    chosen = _chosen(sweep, points)
    failures = {}
    with _only_one(sweep.folder) as lock, _signals_stop():
        for runs in chosen.values():
            for run in runs:
                record.check(run)
        report.write_results(sweep, failures)
        for number, (name, runs) in enumerate(chosen.items(), 1):
            for run in runs:
                _say(f'[{number}/{len(chosen)}] {run}')
                try:
                    _go_on(run, lock)
                except Exception as error:  # one point must not end the others
                    failures[name] = f'{run.folder.name}: {error}'
                    _say(f'  failed: {error}')
                finally:  # when stopped, too: it says which training has begun
                    report.write_results(sweep, failures)
                if name in failures:
                    break
    return failures


def dry_run(sweep, points=None):
    """Print the commands that :func:`run_sweep` would run; they can be pasted."""
    for runs in _chosen(sweep, points).values():
        for run in runs:
            found = record.check(run)
            if found and 'finished' in found:
                _say(f'# {run}: finished')
                continue
            previous = run.previous and record.check(run.previous)
            if run.previous and not (previous and 'finished' in previous):
                # What that training will leave is known to the shell by then.
                kind, folder = run.stage.start_from, shlex.quote(str(run.previous.folder))
                metric = run.previous.stage.metric.replace('/', '_')
                start = (
                    f'$(cat {folder}/last_checkpoint)'
                    if kind == 'last'
                    else f'$(ls {folder}/best_{metric}_*.pth)'
                )
                command = shlex.join(run.command('CHECKPOINT'))
                _say(command.replace('=CHECKPOINT', f'="{start}"'))
            else:
                _say(shlex.join(run.command(record.checkpoint_to_start_from(run))))


def _chosen(sweep, points):
    unknown = sorted(set(points or ()) - set(sweep.points))
    if unknown:
        raise ValueError(f'{sweep.name} has no points {unknown}; it has {list(sweep.points)}')
    return {name: runs for name, runs in sweep.points.items() if not points or name in points}


def _go_on(run, lock):
    found = record.check(run)
    if found and 'finished' in found:
        _say(f'  is finished: {report.result(run, found)}')
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
    _say(f'  {report.result(run, found)}, in {duration}')


def _train(command, log, lock):
    """Run a training to its end, or end it with this process; its exit status."""
    with open(log, 'a') as output:
        print(f'$ {shlex.join(command)}', file=output, flush=True)
        # In a session of its own, so that Ctrl-C reaches it through this process only and all of
        # its workers can be ended. It holds the lock as long as it lives, even if orphaned.
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=[lock.fileno()],
        )
        try:
            _hold(lock, f'process {os.getpid()} and its training, process {child.pid},')
            return child.wait()
        except BaseException:
            _say('  stopping the training')
            _end(child)
            raise


def _end(child):
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGTERM)
    try:
        with suppress(subprocess.TimeoutExpired, KeyboardInterrupt):  # a second Ctrl-C: no patience
            child.wait(PATIENCE)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


@contextmanager
def _only_one(folder):
    """A lock on a folder that no death of a process leaves behind."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / 'lock'
    with open(path, 'a+') as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise ValueError(
                f'{lock.read().strip()} work in {folder}. Wait for them, stop them, '
                'or choose another --work-dir'
            ) from None
        _hold(lock, f'process {os.getpid()}')
        yield lock


def _hold(lock, who):
    lock.truncate(0)
    lock.write(f'{who} on {socket.gethostname()}\n')
    lock.flush()


@contextmanager
def _signals_stop():
    """The signals of schedulers and closed terminals end this process as Ctrl-C does."""

    def stop(number, frame):
        sys.exit(128 + number)

    before = {}
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup sets
            before[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(text):
    print(text, flush=True)
