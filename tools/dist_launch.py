"""Run torchrun, pass signals on to the training processes, and return their exit code 75.

It takes torchrun's arguments. Torchrun alone dies of SIGUSR1 and leaves its processes running. On
SIGTERM it ends whole process groups within 30 seconds, including the workers of data loaders. If
a process fails, torchrun exits with 1, whatever the exit code of the process. Exit code 75 means
that a checkpoint was saved: the same command with --resume continues from it.
"""

import logging
import os
import signal
import sys
import threading
import traceback
from pathlib import Path

from torch.distributed import run
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

EXAMPLE = """example:
  python tools/dist_launch.py --nproc_per_node=2 tools/train.py CONFIG --launcher pytorch"""
SAVED = 75
SIGNALS = ('SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2')


def workers() -> list[int]:
    """Return the ids of the running training processes that this process has started."""
    found = []
    for folder in Path('/proc').glob('[0-9]*'):
        try:
            state, parent = (folder / 'stat').read_text().rpartition(')')[2].split()[:2]
            mine = int(parent) == os.getpid() and state != 'Z'
            if mine and b'\0LOCAL_RANK=' in b'\0' + (folder / 'environ').read_bytes():
                found.append(int(folder.name))
        except OSError:  # the process has ended
            continue
    return found


def forward(number: int, frame: object) -> None:
    """Send a signal to each training process, or die of it if there is none."""
    running = workers()
    for process in running:
        try:
            os.kill(process, number)
        except ProcessLookupError:
            pass
    if not running:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)


def launch(arguments: list[str], codes: list[int]) -> None:
    """Run torchrun and append its exit code to ``codes``."""
    try:
        run.main(arguments)
        codes.append(0)
    except SystemExit as error:  # wrong arguments
        codes.append(error.code if isinstance(error.code, int) else 1)
    except ChildFailedError as error:
        print(error, file=sys.stderr)
        # One such process is enough: it exits with 75 only after the checkpoint is whole.
        saved = any(failure.exitcode == SAVED for failure in error.failures.values())
        codes.append(SAVED if saved else 1)
    except BaseException:
        traceback.print_exc()


def main() -> int:
    """Run torchrun in a thread, where it handles no signals, and return its exit code."""
    if sys.argv[1:2] in (['-h'], ['--help']):
        print(f'{__doc__}\n{EXAMPLE}\n\nThe arguments of torchrun:')
    for name in SIGNALS:
        number = signal.Signals[name]
        if name != 'SIGHUP' or signal.getsignal(number) != signal.SIG_IGN:  # nohup ignores SIGHUP
            signal.signal(number, forward)
    # Hide torchrun's warning that it handles no signals in a thread: this process handles them.
    logging.getLogger('torch.distributed.elastic.multiprocessing.api').addFilter(
        lambda record: 'Failed to register signal handlers' not in record.getMessage()
    )
    codes: list[int] = []
    thread = threading.Thread(target=launch, args=(sys.argv[1:], codes), daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(1)
    return codes[0] if codes else 1


if __name__ == '__main__':
    sys.exit(main())
