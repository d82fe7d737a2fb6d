"""Kills, damaged files, full disks, and what a checkpoint could execute."""

import functools
import os
import re
import resource
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import harness
import numpy as np
import torch
from afno_mm.engine import build_model
from afno_mm.hub import from_pretrained
from harness import (
    CHUNK_SECONDS,
    CHUNKS,
    EPOCHS,
    ITERATIONS,
    Child,
    Skip,
    Try,
    call,
    drill,
    epochs,
    is_whole,
    last_line,
    resumed,
    steps,
    train,
    trained,
)
from mmengine.config import Config

# Checkpoints of a megabyte, so that logs are small beside them.
WIDE = 'model.width=10000'
KEEP_1 = 'default_hooks.checkpoint.max_keep_ckpts=1'


@functools.cache
def finished(stock: bool) -> Path:
    """A work dir of a finished training, made once."""
    return trained(Path(tempfile.mkdtemp(prefix='finished-', dir=harness.FOLDER), 'work_dir'))


def work_dir(this: Try) -> Path:
    return this.copy_of(finished(harness.STOCK))


@functools.cache
def _chunks(stock, options):
    """Count the chunks that a training writes if nothing happens to it."""
    folder = Path(tempfile.mkdtemp(prefix='counted-', dir=harness.FOLDER))
    reader, writer = os.pipe()
    child = Child(
        lambda: harness.slow_train(folder / 'work_dir', *options, tell=writer), folder / 'out.txt'
    )
    os.close(writer)
    count = 0
    while data := os.read(reader, 4096):
        count += len(data)
    os.close(reader)
    assert child.wait() == 0, last_line(child.text())
    return count


def _kill_while_writing(this, *options):
    folder = this.folder / 'work_dir'
    # From the first whole checkpoint on: before, there is nothing to resume from.
    moment = this.random.uniform(CHUNKS + 1, _chunks(harness.STOCK, options))
    reader, writer = os.pipe()
    child = Child(
        lambda: harness.slow_train(folder, *options, tell=writer), this.folder / 'killed.txt'
    )
    os.close(writer)
    left = int(moment)
    while left and (data := os.read(reader, left)):
        left -= len(data)
    time.sleep(moment % 1 * CHUNK_SECONDS)
    child.kill(signal.SIGKILL)
    os.close(reader)
    assert child.wait() in (-signal.SIGKILL, 0)

    cut = [path.name for path in folder.glob('*.pth') if not is_whole(path)]
    newest = max((epoch for epoch, path in epochs(folder).items() if is_whole(path)), default=0)
    done = len(steps(folder))
    best = [path for path in folder.glob('best_*.pth') if is_whole(path)]
    text = resumed(folder, *options)
    assert not cut, f'truncated files: {cut}'
    assert newest >= 1, 'no whole checkpoint is left'
    assert best or done <= ITERATIONS, 'the best checkpoint is lost'
    later = steps(folder)[done:]
    first = later[0].get('iteration', EPOCHS * ITERATIONS + 1)
    assert first == newest * ITERATIONS + 1, f'began at {first}, not after epoch {newest}: {text}'
    assert is_whole(folder / f'epoch_{EPOCHS}.pth')
    assert any(is_whole(path) for path in folder.glob('best_*.pth'))
    assert not list(folder.glob('.*.writing')), 'temporary files are left'


@drill('kill -9 while a checkpoint is written, keep 3 and the best', 40, 3)
def kill_keep_3(this: Try):
    _kill_while_writing(this)


@drill('kill -9 while a checkpoint is written, keep 1 and the best', 20, 2)
def kill_keep_1(this: Try):
    _kill_while_writing(this, KEEP_1)


@drill('newest checkpoint truncated, then resumed', 12, 2)
def truncated_newest(this: Try):
    folder = work_dir(this)
    newest = folder / f'epoch_{EPOCHS}.pth'
    data = newest.read_bytes()
    newest.write_bytes(data[: this.random.randrange(len(data)) if this.number else 0])
    before = len(steps(folder))
    text = resumed(folder)
    assert steps(folder)[before]['iteration'] == (EPOCHS - 1) * ITERATIONS + 1
    assert f'{newest} is skipped' in text
    assert is_whole(newest)


@drill('empty last_checkpoint, then resumed', 1)
def empty_pointer(this: Try):
    folder = work_dir(this)
    (folder / 'last_checkpoint').write_text('')
    _resumes_after(folder, EPOCHS)


@drill('work dir moved, then resumed', 1)
def moved(this: Try):
    folder = work_dir(this).rename(this.folder / 'elsewhere')
    (folder / 'last_checkpoint').write_text('/nowhere/epoch_4.pth')
    _resumes_after(folder, EPOCHS)


def _resumes_after(folder, epoch):
    before = len(steps(folder))
    resumed(folder, f'train_cfg.max_epochs={epoch + 1}')
    assert steps(folder)[before]['iteration'] == epoch * ITERATIONS + 1


def _flip(this, path):
    """Flip a random bit. Return whether the values that are loaded stay the same."""
    data = bytearray(path.read_bytes())
    before = harness.values(path)
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    data[this.random.randrange(len(data))] ^= 1 << this.random.randrange(8)
    path.write_bytes(data)
    os.utime(path, ns=times)

    def compare():
        assert harness.values(path) == before

    return call(compare, this.folder / 'compared.txt')[0] == 0


@drill('a flipped bit, resumed: found, or all values are the same', 40, 4)
def flipped_resume(this: Try):
    folder = work_dir(this)
    newest = folder / f'epoch_{EPOCHS}.pth'
    same = _flip(this, newest)
    text = resumed(folder)
    assert f'{newest} is skipped' in text or same, 'wrong values were loaded'


@drill('a flipped bit, tested: found, or all values are the same', 40, 4)
def flipped_test(this: Try):
    folder = work_dir(this)
    newest = folder / f'epoch_{EPOCHS}.pth'
    same = _flip(this, newest)
    code, text = call(lambda: harness.test(folder, newest), this.folder / 'test.txt')
    found = code == 1 and (harness.STOCK or f'{newest} is damaged' in text)
    assert found or (code == 0 and same), last_line(text)


def _disk_full(this, *options):
    """Train on a small disk, which fills up after a random number of steps."""
    disk = this.folder / 'disk'
    disk.mkdir()
    mount = ['mount', '-t', 'tmpfs', '-o', 'size=32m', 'tmpfs', str(disk)]
    mounted = subprocess.run(mount, capture_output=True, text=True)
    if mounted.returncode:
        raise Skip(f'needs root, to mount a small disk: {mounted.stderr.strip()}')
    try:
        folder = disk / 'work_dir'
        options = (*options, WIDE)
        child = Child(lambda: train(folder, *options, 'model.delay=0.02'), this.folder / 'full.txt')
        # In the middle of an epoch, so that no file is written while the disk fills up.
        after = this.random.randint(1, EPOCHS - 1) * ITERATIONS + this.random.randint(1, 3)
        harness.wait_for_steps(folder, after, child)
        child.kill(signal.SIGSTOP)
        leave = this.random.randrange(2**16, next(folder.glob('epoch_*.pth')).stat().st_size)
        with (disk / 'other').open('wb') as other:
            while (space := os.statvfs(disk)).f_bavail * space.f_frsize > leave:
                other.write(bytes(2**14))
                other.flush()
        child.kill(signal.SIGCONT)
        code, text = child.wait(), child.text()
        whole = [epoch for epoch, path in epochs(folder).items() if is_whole(path)]
        cut = [path.name for path in folder.glob('*.pth') if not is_whole(path)]
        (disk / 'other').unlink()
        resumed_text = resumed(folder, *options)
        assert code == 1 and 'No space left on device' in text, f'exit code {code}'
        assert whole and not cut, f'truncated files: {cut}; whole epochs: {whole}'
        assert is_whole(folder / f'epoch_{EPOCHS}.pth'), resumed_text
    finally:
        subprocess.run(['umount', '-l', str(disk)], check=True)


@drill('disk full, keep 3', 3)
def disk_full_keep_3(this: Try):
    _disk_full(this)


@drill('disk full, keep 1', 3)
def disk_full_keep_1(this: Try):
    _disk_full(this, KEEP_1)


@drill('largest file size of the process reached (RLIMIT_FSIZE)', 2)
def file_size_limit(this: Try):
    folder = this.folder / 'work_dir'
    trained(folder, 'train_cfg.max_epochs=2', WIDE)
    limit = this.random.randrange(2**18, (folder / 'epoch_2.pth').stat().st_size)

    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        train(folder, WIDE, resume=True)

    code, text = call(limited, this.folder / 'limited.txt')
    assert code == 1 and 'File too large' in text, last_line(text)
    assert all(is_whole(path) for path in folder.glob('*.pth'))
    resumed(folder, WIDE)
    assert is_whole(folder / f'epoch_{EPOCHS}.pth')


class Evil:
    """Makes a folder when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


ENTRANCES = 'load_from', 'resume', 'test', 'init_cfg', 'from_pretrained'
PAYLOADS = [
    *((entrance, legacy) for entrance in ENTRANCES for legacy in (False, True)),
    *((entrance, 'config') for entrance in ('load_from', 'resume', 'test')),
]


def _enter(entrance, folder, checkpoint):
    """Load a checkpoint in one of the ways in which this package does."""
    if entrance == 'load_from':
        train(folder / 'new', f'load_from={checkpoint}')
    elif entrance == 'resume':
        train(folder, 'train_cfg.max_epochs=5', resume=checkpoint)
    elif entrance == 'test':
        harness.test(folder / 'new', checkpoint)
    elif entrance == 'from_pretrained':
        from_pretrained(harness.CONFIG, weights=checkpoint)
    else:
        model = dict(
            type='afno_mm.MiT',
            embed_dims=8,
            num_heads=(1, 1, 1, 1),
            num_layers=(1, 1, 1, 1),
            init_cfg=dict(type='Pretrained', checkpoint=str(checkpoint)),
        )
        build_model(Config(dict(model=model)), None, 'cpu').init_weights()


@drill('payloads in checkpoints: nothing is executed', len(PAYLOADS), 3)
def payloads(this: Try):
    # The short version begins with different kinds. The last two entrances are the package's own.
    kinds = [p for p in PAYLOADS if not harness.STOCK or p[0] in ENTRANCES[:3]]
    entrance, kind = kinds[this.number * 5 % len(kinds)]
    folder = work_dir(this)
    checkpoint, mark = folder / f'epoch_{EPOCHS}.pth', this.folder / 'executed'
    state = torch.load(checkpoint, weights_only=False)
    if kind == 'config':
        state['meta']['config'] = f'import os\nos.mkdir({str(mark)!r})\nx = 1\n'
        torch.save(state, checkpoint)
    else:
        place = this.random.choice(['state_dict', 'meta', 'optimizer'])
        evil = this.random.choice([Evil(mark), np.array([Evil(mark)], object)])
        state[place]['evil'] = evil
        torch.save(state, checkpoint, _use_new_zipfile_serialization=not kind)
    code, text = call(lambda: _enter(entrance, folder, checkpoint), this.folder / 'out.txt')
    assert not mark.exists(), f'{entrance} executed it'
    if kind == 'config':
        assert code == 0, last_line(text)
    else:
        assert code == 1 and 'holds more than tensors' in text, f'{entrance}: {last_line(text)}'


@drill('own checkpoints load without a warning', 3)
def own_files(this: Try):
    entrance = ENTRANCES[(this.number + 1) % 3]
    folder = work_dir(this)
    checkpoint = folder / f'epoch_{EPOCHS}.pth'
    code, text = call(lambda: _enter(entrance, folder, checkpoint), this.folder / 'out.txt')
    assert code == 0, last_line(text)
    warned = re.findall(r'.*(?:weights_only|pickle|unsafe).*', text, re.IGNORECASE)
    assert not warned, warned[0]
