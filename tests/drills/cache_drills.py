"""The compiled library of AFNO's backend 'cpu': damaged, another user's, never finished."""

import functools
import os
import signal
import tempfile
import time
from pathlib import Path

import harness
import torch
from afno_mm.ops.afno import afno_operator
from afno_mm.ops.afno.cpu import library
from afno_mm.ops.afno.cpu.operator import SOURCE
from harness import Child, Skip, Try, call, drill, last_line


def _or_exit(built):
    if isinstance(built, str):
        raise RuntimeError(built)


@functools.cache
def _compiled() -> Path:
    """Return a library that the compiler built, in a cache of its own."""
    folder = Path(tempfile.mkdtemp(prefix='compiled-', dir=harness.FOLDER))

    def build():
        os.environ['XDG_CACHE_HOME'] = str(folder)
        _or_exit(library.build(SOURCE))

    code, text = call(build, folder / 'out.txt')
    if code:
        raise Skip(f'no library can be built here: {last_line(text)}')
    (path,) = folder.glob('afno_mm/*.so')
    return path


def _cache(this, data=None):
    """Return a cache with a library."""
    path = this.folder / 'afno_mm' / _compiled().name
    path.parent.mkdir(mode=0o700)
    path.write_bytes(_compiled().read_bytes() if data is None else data)
    return path


def _use(this, compiler=None):
    """Run the backend in a child with this cache. The compiler copies the finished library."""
    whole = _compiled().read_bytes()

    def run():
        os.environ['XDG_CACHE_HOME'] = str(this.folder)
        library._run = compiler or (lambda command: Path(command[-1]).write_bytes(whole))
        torch.manual_seed(0)
        x, w, b = torch.randn(1, 6, 5, 8), torch.randn(2, 1, 8, 8), torch.randn(2, 1, 8)
        found, wanted = (afno_operator(x, w, b, w, b, 0.1, backend=b_) for b_ in ('cpu', 'eager'))
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)

    return call(run, this.folder / 'out.txt')


def _damaged(this, data):
    path = _cache(this, data)
    code, text = _use(this)
    assert code == 0, f'exit code {code}: {last_line(text)}'
    assert path.read_bytes() == _compiled().read_bytes()


@drill('compiled library cut at a random length', 20, 2, stock=False)
def cut(this: Try):
    data = _compiled().read_bytes()
    _damaged(this, data[: this.random.randrange(len(data))])


@drill('compiled library with a page of zeros', 20, 2, stock=False)
def zeros(this: Try):
    data = _compiled().read_bytes()
    pages = [p for p in range(0, len(data) - 4096, 4096) if any(data[p : p + 4096])]
    page = this.random.choice(pages)
    _damaged(this, data[:page] + bytes(4096) + data[page + 4096 :])


@drill('compiled library with a flipped byte', 20, 2, stock=False)
def flipped(this: Try):
    data = bytearray(_compiled().read_bytes())
    data[this.random.randrange(len(data))] ^= this.random.randrange(1, 256)
    _damaged(this, bytes(data))


@drill("another user's library or folder: refused", 2, 2, stock=False)
def another_user(this: Try):
    path = _cache(this)
    try:
        os.chown(path.parent if this.number else path, 4321, -1)
    except PermissionError:
        raise Skip('needs root, to give a file to another user') from None
    code, text = _use(this)
    assert code == 1 and 'belongs to another user (number 4321)' in text, last_line(text)


def _script(this, text):
    path = this.folder / 'compiler'
    path.write_text(f'#!/bin/sh\n{text}\n')
    path.chmod(0o700)
    return path


def _build(this, timeout):
    os.environ.update(XDG_CACHE_HOME=str(this.folder), CC=str(this.folder / 'compiler'))
    library.TIMEOUT = timeout
    _or_exit(library.build(SOURCE))


@drill('a compiler that hangs: ended', 2, stock=False)
def hangs(this: Try):
    _compiled()
    _script(this, 'sleep 1000 &\nwait' if this.number else 'exec sleep 1000')
    start = time.monotonic()
    code, text = call(lambda: _build(this, 1), this.folder / 'out.txt')
    assert code == 1 and 'took more than 1 s' in text, last_line(text)
    assert time.monotonic() - start < 30
    assert [path.name for path in (this.folder / 'afno_mm').iterdir()] == ['.lock']


@drill(
    'kill -9 while the library is compiled: the next build leaves nothing behind', 6, stock=False
)
def killed(this: Try):
    whole = _compiled()
    # Takes a second, writes half a file, then the other half.
    _script(
        this, f'for last; do :; done\nhead -c 50000 {whole} > $last\nsleep 0.5\ncp {whole} $last'
    )
    child = Child(lambda: _build(this, 60), this.folder / 'killed.txt')
    while not list(this.folder.glob('afno_mm/building-*')) and child.code is None:
        time.sleep(0.01)
    time.sleep(this.random.uniform(0, 1))
    child.kill(signal.SIGKILL)
    child.wait()
    code, text = call(lambda: _build(this, 60), this.folder / 'out.txt')
    assert code == 0, last_line(text)
    names = sorted(path.name.partition('-')[0] for path in (this.folder / 'afno_mm').iterdir())
    assert names == ['.lock', 'afno'], names
