"""Build the C files of this package into a library, once per machine, and load it."""

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

import torch

FLAGS = ('-std=gnu11', '-O3', '-fPIC', '-fopenmp', '-march=native')


@functools.cache
def build(source: Path) -> ctypes.CDLL | str:
    """Return the library of a C file and the headers beside it, or why there is none.

    It comes from the cache or is compiled: ``$XDG_CACHE_HOME/afno_mm`` (``~/.cache/afno_mm``). The
    file name is a hash of source, flags, compiler and processor, so machines may share a home
    directory. Each process tries once.
    """
    compiler = shutil.which(os.environ.get('CC') or 'cc') or shutil.which('gcc')
    if compiler is None:
        return 'there is no C compiler (cc or gcc on PATH, or CC)'
    command = [compiler, *FLAGS]
    sources = [file.read_text() for file in sorted(source.parent.glob('*.[ch]'))]
    key = '\n'.join([*sources, *command, *_openmp(), *platform.libc_ver(), _processor()])
    name = f'{source.stem}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.so'
    try:
        folder = Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache', 'afno_mm')
        folder.mkdir(parents=True, exist_ok=True)
        return _load(command, source, folder / name)
    except subprocess.CalledProcessError as error:
        return f'{" ".join(command)} failed: {_first_error(error.stderr or str(error))}'
    except (OSError, RuntimeError) as error:  # Path.home() raises RuntimeError.
        reason = ' '.join(str(error).split())
        return f'{reason}; XDG_CACHE_HOME can name another folder for the library'


def _load(command, source, library):
    if library.exists():
        try:
            return ctypes.CDLL(str(library))
        except OSError:  # The file is incomplete, for example after a crash.
            library.unlink(missing_ok=True)
    _compile(command, source, library)
    return ctypes.CDLL(str(library))


def _compile(command, source, target):
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        compiled, linked = Path(folder, 'compiled.o'), Path(folder, 'linked.so')
        compile_only = [*command, '-c', str(source), '-o', str(compiled)]
        link = [command[0], '-shared', str(compiled), *_openmp(), '-lm', '-o', str(linked)]
        for step in (compile_only, link):
            subprocess.run(step, check=True, capture_output=True, text=True)
        if not target.exists():  # Another process, here or elsewhere, may have loaded it already.
            linked.replace(target)


def _openmp():
    """Return linker flags for torch's own OpenMP library, to share its pool of threads."""
    own = sorted(Path(torch.__file__).parent.glob('lib/libgomp*.so*'))
    return [str(own[0])] if own else ['-fopenmp']


def _processor():
    """Return a text that names the processor, on which ``-march=native`` depends."""
    try:
        lines = Path('/proc/cpuinfo').read_text().splitlines()
    except OSError:
        return platform.processor()
    wanted = ('model name', 'flags', 'Features')
    return '\n'.join(sorted({line for line in lines if line.startswith(wanted)}))


def _first_error(text):
    errors = [line for line in text.splitlines() if 'error' in line.lower()]
    return errors[0] if errors else text.strip()
