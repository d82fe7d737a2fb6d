"""Run trainings in children of this process, break them on purpose, and count who survives."""

import importlib
import importlib.util
import json
import os
import random
import resource
import shutil
import signal
import sys
import time
import traceback
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import afno_mm  # noqa: F401  reports a broken environment before anything else fails
import tiny_parts  # noqa: F401  registers the parts of tiny_config.py
import torch
from afno_mm import registry
from afno_mm.engine import command_line
from afno_mm.engine.safety import checkpoint_files
from mmengine import fileio
from mmengine.config import Config
from mmengine.fileio import LocalBackend
from mmengine.registry import Registry
from mmengine.runner import Runner, runner
from yapf.yapflib import yapf_api


def _prepare():
    """Do once what each child would do: slow imports, and texts that no drill looks at."""
    for module in ('matplotlib.pyplot', 'torch._dynamo', 'torchvision'):
        importlib.import_module(module)
    for value in vars(registry).values():
        if isinstance(value, Registry):
            value.import_from_location()
    environment = runner.collect_env()
    runner.collect_env = lambda: environment
    yapf_api.FormatCode = lambda text, **_: (text, False)


REPOSITORY = Path(__file__).parents[2]
CONFIG = Path(__file__).parent / 'tiny_config.py'
ITERATIONS = 5  # per epoch
EPOCHS = 4
CHUNKS = 6  # in which a slowed file is written
CHUNK_SECONDS = 0.004

# True: MMEngine's own Runner, hooks and files, as MMSegmentation's tools/train.py uses them.
STOCK = False
# Where drills share what they make once. run.py sets it.
FOLDER = Path()


class Skip(Exception):
    """A drill cannot run on this machine. The message says why."""


@dataclass
class Drill:
    """A fault, how often it is tried, and the function that tries it once."""

    name: str
    full: int
    short: int
    once: Callable[['Try'], None | tuple[int, int]]
    stock: bool


@dataclass
class Try:
    """One try of a drill.

    Args:
        number: 0, 1, ... in this drill.
        random: The generator of this try, seeded.
        folder: An empty folder.
    """

    number: int
    random: random.Random
    folder: Path

    def copy_of(self, training: Path) -> Path:
        """Return a copy of a finished training's work dir, with the times of its files."""
        folder = self.folder / 'work_dir'
        shutil.copytree(training, folder, copy_function=shutil.copy2)
        pointer = folder / 'last_checkpoint'
        pointer.write_text(str(folder / Path(pointer.read_text()).name))
        return folder


DRILLS: list[Drill] = []
CHILDREN: list['Child'] = []


def drill(name: str, full: int, short: int = 1, stock: bool = True) -> Callable:
    """Add a function to the drills.

    It tries a fault once. It returns nothing if the training survived, or how many things were
    tried and survived, and raises AssertionError otherwise.

    Args:
        name: What the table calls it.
        full: Tries in the full version.
        short: Tries in the short one.
        stock: False if MMEngine has nothing to compare with.
    """

    def add(function):
        DRILLS.append(Drill(name, full, short, function, stock))
        return function

    return add


def end_children() -> None:
    """End the children that still run."""
    for child in CHILDREN:
        if child.code is None:
            child.kill(signal.SIGKILL)
            child.wait()
    CHILDREN.clear()


class Child:
    """A function that runs in a fork of this process, with its output in a file."""

    def __init__(self, function: Callable[[], None], output: Path):
        self.output = output
        sys.stdout.flush()
        sys.stderr.flush()
        self.code: int | None = None
        self.process = os.fork()
        if self.process:
            CHILDREN.append(self)
            return
        code = 1
        try:
            descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(descriptor, 1)
            os.dup2(descriptor, 2)
            sys.stdout = open(1, 'w', buffering=1, closefd=False)
            sys.stderr = open(2, 'w', buffering=1, closefd=False)
            code = self._run(function)
        finally:
            os._exit(code)  # whatever happens: this is not the parent

    @staticmethod
    def _run(function):
        try:
            # A damaged file may ask for all memory of the machine.
            resource.setrlimit(resource.RLIMIT_DATA, (2**32, 2**32))
            function()
            return 0
        except SystemExit as left:
            return left.code if isinstance(left.code, int) else int(left.code is not None)
        except BaseException:
            traceback.print_exc()
            return 1
        finally:
            sys.stdout.flush()
            sys.stderr.flush()

    def wait(self, seconds: float = 240) -> int:
        """Return the exit code, or minus the number of the signal that ended it."""
        end = time.monotonic() + seconds
        while not self.ended():
            if time.monotonic() > end:
                self.kill(signal.SIGKILL)
                os.waitpid(self.process, 0)
                self.code = -signal.SIGKILL
                raise AssertionError(f'still running after {seconds} s')
            time.sleep(0.005)
        return self.code

    def ended(self) -> bool:
        """Return whether it has ended."""
        if self.code is None:
            process, status = os.waitpid(self.process, os.WNOHANG)
            if process:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code is not None

    def kill(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self.code is None:
            os.kill(self.process, number)

    def text(self) -> str:
        """Return what it has written to standard output and error."""
        return self.output.read_text(errors='replace') if self.output.exists() else ''


def call(function: Callable[[], None], output: Path) -> tuple[int, str]:
    """Run a function in a child. Return its exit code and what it wrote."""
    child = Child(function, output)
    return child.wait(), child.text()


def _script(name):
    spec = importlib.util.spec_from_file_location(f'tools_{name}', REPOSITORY / f'tools/{name}.py')
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TRAIN, TEST = _script('train'), _script('test')
_prepare()


def train(folder: Path, *options: str, resume: bool | Path = False) -> None:
    """Run tools/train.py in this process, with ``--cfg-options``."""
    arguments = [str(CONFIG), '--work-dir', str(folder)]
    if not STOCK:
        again = ['--resume'] * bool(resume) + [str(resume)] * isinstance(resume, Path)
        settings = ['--cfg-options', *options] * bool(options)
        sys.argv = ['train.py', *arguments, *again, *settings]
        TRAIN.main()
        return
    cfg = _stock_config(arguments, options)
    cfg.resume = bool(resume)
    if isinstance(resume, Path):
        cfg.load_from = str(resume)
    Runner.from_cfg(cfg).train()


def test(folder: Path, checkpoint: Path, *options: str) -> None:
    """Run tools/test.py in this process."""
    arguments = [str(CONFIG), '--work-dir', str(folder)]
    if not STOCK:
        settings = ['--cfg-options', *options] * bool(options)
        sys.argv = ['test.py', arguments[0], str(checkpoint), *arguments[1:], *settings]
        TEST.main()
        return
    cfg = _stock_config(arguments, options)
    cfg.load_from = str(checkpoint)
    Runner.from_cfg(cfg).test()


def _stock_config(arguments, options):
    parser = command_line(None)
    args = parser.parse_args([*arguments, *(['--cfg-options', *options] if options else [])])
    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(args.cfg_options or {})
    cfg.work_dir, cfg.launcher = args.work_dir, 'none'
    return cfg


def trained(folder: Path, *options: str) -> Path:
    """Train to the end in a child, and return the work dir."""
    code, text = call(lambda: train(folder, *options), folder.with_suffix('.txt'))
    assert code == 0, text[-3000:]
    return folder


def resumed(folder: Path, *options: str, resume: bool | Path = True) -> str:
    """Resume in a child, require that it ends well, and return what it wrote."""
    output = folder.with_name(f'{folder.name}_resumed.txt')
    code, text = call(lambda: train(folder, *options, resume=resume), output)
    assert code == 0, f'exit code {code} of --resume: {last_line(text)}'
    return text


def last_line(text: str) -> str:
    """Return the line of a traceback that says what happened."""
    lines = [line for line in text.splitlines() if line.strip()]
    named = [line for line in lines if 'Error' in line.partition(':')[0]]
    return (named or lines or ['no output'])[-1][:300]


def steps(folder: Path) -> list[dict]:
    """Return what the recorder wrote: a dict per step, and one with the weights per training."""
    path = folder / 'steps.jsonl'
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def wait_for_steps(folder: Path, count: int, child: Child) -> None:
    """Wait until a training has done so many steps."""
    end = time.monotonic() + 120
    while len(steps(folder)) < count:
        if time.monotonic() > end or child.ended():
            raise AssertionError(f'no step {count}: {last_line(child.text())}')
        time.sleep(0.01)


def is_whole(path: Path) -> bool:
    """Return whether a checkpoint has all its bytes. Does not use the package's own check."""

    def look():
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
        torch.load(path, weights_only=False)

    return Child(look, Path(os.devnull)).wait() == 0


def epochs(folder: Path) -> dict[int, Path]:
    """Return the checkpoints of whole epochs, by epoch."""
    return {int(path.stem[6:]): path for path in folder.glob('epoch_*.pth')}


def values(path: Path) -> str:
    """Return all values of a checkpoint as text, to compare two of them."""
    loaded = torch.load(path, weights_only=False, map_location='cpu')
    with_all_digits = {k: v.double().tolist() for k, v in loaded['state_dict'].items()}
    rest = {k: loaded[k] for k in ('optimizer', 'param_schedulers', 'meta') if k in loaded}
    return repr((with_all_digits, rest, loaded['message_hub']['runtime_info']))


class _Slow:
    """Writes in chunks. Tells about each of them, then sleeps."""

    tell: int | None = None  # descriptor of a pipe; None writes at once

    def _write(self, file, obj):
        if self.tell is None:
            file.write(obj)
            return
        size = max(1, -(-len(obj) // CHUNKS))
        for start in range(0, len(obj), size):
            file.write(obj[start : start + size])
            file.flush()
            os.write(self.tell, b'.')
            time.sleep(CHUNK_SECONDS)


class SlowAtomicBackend(_Slow, checkpoint_files.AtomicLocalBackend):
    """The package's backend, slowed."""


class SlowLocalBackend(_Slow, LocalBackend):
    """MMEngine's backend, slowed: it writes to the file itself."""

    def put(self, obj, filepath):
        """Write bytes to a file."""
        Path(filepath).parent.mkdir(parents=True, exist_ok=True)
        with open(filepath, 'wb') as file:
            self._write(file, obj)

    def put_text(self, obj, filepath, encoding='utf-8'):
        """Write text to a file."""
        self.put(obj.encode(encoding), filepath)


def slow_train(folder: Path, *options: str, tell: int) -> None:
    """Train with slowed writes. Each chunk writes a byte to the descriptor ``tell``."""
    _Slow.tell = tell
    if STOCK:
        fileio.register_backend('local', SlowLocalBackend, force=True, prefixes='')
    else:
        checkpoint_files.AtomicLocalBackend = SlowAtomicBackend  # used by install()
    train(folder, *options)
