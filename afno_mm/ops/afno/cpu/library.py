"""Build the C files of this package into a library, once per machine, and load it."""

import contextlib
import ctypes
import fcntl
import functools
import hashlib
import os
import platform
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch

FLAGS = ('-std=gnu11', '-O3', '-fPIC', '-fopenmp', '-march=native')
# Time limit in seconds, for the compiler and for the linker.
TIMEOUT = 120
BUILDING = 'building-'


@functools.cache
def build(source: Path) -> ctypes.CDLL | str:
    """Load the library of a C file and the headers beside it, or return why this is impossible.

    The library is in the cache folder ``$XDG_CACHE_HOME/afno_mm`` (default ``~/.cache/afno_mm``),
    or is compiled into it. Only this user may write there. A file name holds two hashes. The first
    depends on source, flags, compiler and processor, so machines may share a home directory. The
    second is the hash of the library itself, so a damaged file is built again. Each process tries
    once.
    """
    compiler = shutil.which(os.environ.get('CC') or 'cc') or shutil.which('gcc')
    if compiler is None:
        return 'there is no C compiler (cc or gcc on PATH, or CC)'
    command = [compiler, *FLAGS]
    sources = [file.read_text() for file in sorted(source.parent.glob('*.[ch]'))]
    key = '\n'.join([*sources, *command, *_openmp(), *platform.libc_ver(), _processor()])
    name = f'{source.stem}-{_digest(key.encode())[:16]}'
    try:
        return _load(command, source, _cache(), name)
    except subprocess.CalledProcessError as error:
        return f'{" ".join(command)} failed: {_first_error(error.stderr or str(error))}'
    except subprocess.TimeoutExpired as error:
        return f'{" ".join(command)} took more than {error.timeout} s'
    except (OSError, RuntimeError) as error:  # Path.home() raises RuntimeError.
        reason = ' '.join(str(error).split())
        return f'{reason}; XDG_CACHE_HOME can name another folder for the library'


def _load(command, source, cache, name):
    library = _whole(cache, name)
    if library is None:
        with _building(cache) as folder:
            # Another process may have built it in the meantime.
            library = _whole(cache, name) or _compile(command, source, folder, cache / name)
    return ctypes.CDLL(str(library))


def _whole(cache, name):
    """Return the library of this name whose content matches the hash in its file name, or None.

    Loading a truncated file would end the process without a message.
    """
    for path in sorted(cache.glob(f'{name}-*.so')):
        _check_owner(path)
        if path.stem.endswith(f'-{_digest(path.read_bytes())[:32]}'):
            return path
    return None


def _compile(command, source, folder, target):
    compiled, linked = folder / 'compiled.o', folder / 'linked.so'
    _run([*command, '-c', str(source), '-o', str(compiled)])
    _run([command[0], '-shared', str(compiled), *_openmp(), '-lm', '-o', str(linked)])
    for damaged in target.parent.glob(f'{target.name}-*.so'):
        damaged.unlink(missing_ok=True)
    target = target.with_name(f'{target.name}-{_digest(linked.read_bytes())[:32]}.so')
    return linked.replace(target)


def _run(command):
    """Run a command. After ``TIMEOUT`` seconds, kill it and all processes that it started."""
    with subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            errors = process.communicate(timeout=TIMEOUT)[1]
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, stderr=errors)


@contextlib.contextmanager
def _building(cache: Path) -> Iterator[Path]:
    """Give one process at a time a temporary folder. Remove the folders of killed processes."""
    with open(cache / '.lock', 'w') as lock:
        start = time.monotonic()
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() - start > 2 * TIMEOUT:
                    raise TimeoutError(f'another process holds {lock.name}') from None
                time.sleep(0.1)
        for left in cache.glob(f'{BUILDING}*'):
            shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=BUILDING, dir=cache) as folder:
            yield Path(folder)


def _cache():
    home = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    folder = Path(home, 'afno_mm')
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _check_owner(folder)
    if folder.stat().st_mode & 0o022:
        folder.chmod(0o700)
    return folder


def _check_owner(path):
    """Refuse a path of another user. Root may own it, because root can change any file anyway."""
    owner = path.stat().st_uid
    if owner not in (0, os.getuid()):
        raise PermissionError(f'{path} belongs to another user (number {owner})')


def _digest(data):
    return hashlib.sha256(data).hexdigest()


def _openmp():
    """Return linker flags for torch's own OpenMP library, to share its thread pool."""
    own = sorted(Path(torch.__file__).parent.glob('lib/libgomp*.so*'))
    return [str(own[0])] if own else ['-fopenmp']


def _processor():
    """Return a text that identifies the processor: code built with -march=native depends on it."""
    try:
        lines = Path('/proc/cpuinfo').read_text().splitlines()
    except OSError:
        return platform.processor()
    wanted = ('model name', 'flags', 'Features')
    return '\n'.join(sorted({line for line in lines if line.startswith(wanted)}))


def _first_error(text):
    errors = [line for line in text.splitlines() if 'error' in line.lower()]
    return errors[0] if errors else text.strip()
