"""torchrun that passes signals on to the training processes, and their exit code 75 to the caller.

It takes torchrun's arguments. torchrun itself dies of SIGUSR1 and leaves its processes behind; it
answers SIGTERM by ending whole process groups, workers of data loaders included, within 30
seconds; and it exits with 1 whatever the processes exit with. 75 means that a checkpoint was
saved, and that the same command with --resume goes on from there.
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
    """The training processes that torchrun has started here and that run."""
    found = []
    for folder in Path('/proc').glob('[0-9]*'):
        try:
            state, parent = (folder / 'stat').read_text().rpartition(')')[2].split()[:2]
            mine = int(parent) == os.getpid() and state != 'Z'
            if mine and b'\0LOCAL_RANK=' in b'\0' + (folder / 'environ').read_bytes():
                found.append(int(folder.name))
        except OSError:  # it has ended
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
    """Run torchrun and append the exit code."""
    try:
        run.main(arguments)
        codes.append(0)
    except SystemExit as error:  # wrong arguments
        codes.append(error.code if isinstance(error.code, int) else 1)
    except ChildFailedError as error:
        print(error, file=sys.stderr)
        # A process exits with 75 only after the checkpoint is whole.
        saved = any(failure.exitcode == SAVED for failure in error.failures.values())
        codes.append(SAVED if saved else 1)
    except BaseException:
        traceback.print_exc()


def main() -> int:
    """Run torchrun in a thread, where it leaves the signals alone, and return the exit code."""
    if sys.argv[1:2] in (['-h'], ['--help']):
        print(f'{__doc__}\n{EXAMPLE}\n\nThe arguments of torchrun:')
    for name in SIGNALS:
        number = signal.Signals[name]
        if name != 'SIGHUP' or signal.getsignal(number) != signal.SIG_IGN:  # nohup
            signal.signal(number, forward)
    # torchrun warns that it does not handle signals in a thread. They are handled here.
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
