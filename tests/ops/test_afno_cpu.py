"""The backend 'cpu' of AFNO: its numbers, and machines that cannot build it."""

import os
import platform
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from afno_mm.ops import kept_modes, whole_filter
from afno_mm.ops.afno import afno_operator, choose_backend
from afno_mm.ops.afno.cpu import library
from afno_mm.ops.afno.cpu import operator as cpu
from hypothesis import given, settings
from hypothesis import strategies as st

NAMES = 'x', 'w1', 'b1', 'w2', 'b2'


def make(grid, num_blocks, block_size, hidden_ratio=1, batch=1):
    """Return tokens and weights that keep ReLU and a shrinkage by 1 away from their kinks.

    The biases of the first layer make half of its units positive. Those of the second layer put
    two thirds of its outputs above the threshold.
    """
    k, b, h = num_blocks, block_size, max(1, int(block_size * hidden_ratio))
    sign = torch.randint(0, 2, (2, k, h)) * 2.0 - 1
    w1 = torch.randn(2, k, b, h) / (2 * b) ** 0.5
    w2 = torch.randn(2, k, h, b) / (32 * h**0.5)
    b2 = torch.randint(-1, 2, (2, k, b)) * 4.0
    x = torch.randn(batch, *grid, k * b)
    return x, w1, 8 * sign, w2, b2


def values_and_gradients(tensors, backend, **options):
    leaves = [t.detach().clone().requires_grad_() for t in tensors]
    y = afno_operator(*leaves, 1.0, backend=backend, **options)
    grad_output = torch.randn(y.shape, generator=torch.Generator().manual_seed(0)).to(y.dtype)
    return [y.detach(), *torch.autograd.grad(y, leaves, grad_output)]


def assert_agrees(tensors, **options):
    batch, height, width, _ = tensors[0].shape
    # The gradient of a weight sums one large number per token and may itself be small.
    terms = (batch * height * width) ** 0.5
    if options.get('norm') == 'forward':
        terms *= (height * width) ** 0.5
    actual = values_and_gradients(tensors, 'cpu', **options)
    expected = values_and_gradients([t.double() for t in tensors], 'composed', **options)
    for name, a, e in zip(('y', *NAMES), actual, expected):
        assert (a - e).norm() <= 1e-5 * (e.norm() + terms), name


@settings(deadline=None, max_examples=40)
@given(
    st.integers(1, 70),
    st.integers(1, 70),
    st.integers(1, 3),
    st.integers(1, 40),
    st.sampled_from([0.3, 1, 2, 3]),
    st.integers(1, 2),
    st.floats(0.05, 1),
    st.booleans(),
    st.sampled_from(['ortho', 'forward']),
    st.integers(0, 10**6),
)
def test_any_shape_agrees(
    height, width, blocks, block_size, ratio, batch, fraction, residual, norm, seed
):
    torch.manual_seed(seed)
    assert_agrees(
        make((height, width), blocks, block_size, ratio, batch),
        mode_fraction=fraction,
        residual=residual,
        norm=norm,
    )


@pytest.mark.parametrize(
    'grid, blocks, block_size, fraction',
    [
        ((256, 5), 1, 208, 1.0),
        ((3, 256), 2, 144, 0.5),
        ((64, 64), 5, 88, 1.0),
        ((64, 64), 5, 88, 0.5),
        ((32, 32), 8, 64, 1.0),
        ((14, 14), 1, 768, 1.0),
        ((101, 2), 1, 20, 1.0),
        ((2, 509), 1, 20, 0.3),
    ],
)
def test_sizes_of_the_paper_and_large_primes_agree(grid, blocks, block_size, fraction):
    assert_agrees(make(grid, blocks, block_size), mode_fraction=fraction, residual=True)


@pytest.mark.parametrize('grid', [(2, 521), (2 * 521, 1)])
def test_sides_of_a_prime_too_large_for_it_take_another_backend(grid):
    backend, why = choose_backend(torch.zeros(1, *grid, 8))
    assert backend == 'eager' and 'prime factor above 512' in why
    assert choose_backend(torch.zeros(1, 2 * 509, 3**6, 8))[0] == 'cpu'


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    """Give this test an empty cache of libraries, and monkeypatch."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    library.build.cache_clear()
    yield monkeypatch
    monkeypatch.undo()
    library.build.cache_clear()


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() != 'x86_64', reason='the names of processors are for x86')
@pytest.mark.parametrize('processor', ['x86-64', 'x86-64-v3', 'x86-64-v4'])
def test_every_vector_width_agrees(fresh, processor):
    if processor == 'x86-64-v4' and 'avx512f' not in library._processor():
        pytest.skip('this processor has no AVX-512')
    fresh.setattr(library, 'FLAGS', (*library.FLAGS[:-1], f'-march={processor}'))
    for fraction in (1.0, 0.5):
        assert_agrees(make((24, 21), 3, 21, 2), mode_fraction=fraction, residual=True)


def test_a_second_process_takes_the_library_that_was_built(fresh):
    assert choose_backend(torch.zeros(1, 2, 2, 8))[0] == 'cpu'
    library.build.cache_clear()
    fresh.setattr(library, '_compile', lambda *_: pytest.fail('was compiled again'))
    assert choose_backend(torch.zeros(1, 2, 2, 8))[0] == 'cpu'


@pytest.mark.parametrize(
    'variable, value, reason',
    [
        ('PATH', '/nowhere', 'no C compiler'),
        ('CC', '/bin/false', 'false -std=gnu11.* failed'),
        ('XDG_CACHE_HOME', '/dev/null/no', 'Not a directory.*XDG_CACHE_HOME can name another'),
        ('HOME', None, 'home directory.*XDG_CACHE_HOME can name another'),
    ],
)
def test_without_a_compiler_another_backend_runs(fresh, variable, value, reason):
    if variable == 'HOME':  # A user without a home directory.
        fresh.delenv('XDG_CACHE_HOME')
        fresh.setattr(Path, 'home', pathlib_without_home)
    else:
        fresh.setenv(variable, value)
    backend, why = choose_backend(torch.zeros(1, 2, 2, 8))
    assert backend != 'cpu'
    with pytest.raises(ValueError, match=reason) as error:
        choose_backend(torch.zeros(1, 2, 2, 8), 'cpu')
    assert 'not cpu: ' in why and str(error.value).count('\n') == 0
    assert choose_backend(torch.zeros(1, 2, 2, 8, dtype=torch.float64))[0] == 'composed'
    assert library.build.cache_info().misses == 1


def pathlib_without_home():
    raise RuntimeError('Could not determine home directory.')


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
    """The name and the bytes of a library that the compiler built."""
    folder = tmp_path_factory.mktemp('cache')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('XDG_CACHE_HOME', str(folder))
        library.build.cache_clear()
        library.build(cpu.SOURCE)
    (path,) = folder.glob('afno_mm/*.so')
    return path.name, path.read_bytes()


@pytest.fixture
def built(fresh, tmp_path, finished):
    """The path of a library in a new cache, and the commands of a compiler that copies it."""
    name, data = finished
    path = tmp_path / 'afno_mm' / name
    path.parent.mkdir(mode=0o700)
    path.write_bytes(data)
    commands = []
    fresh.setattr(library, '_run', lambda c: commands.append(c) or Path(c[-1]).write_bytes(data))
    return path, commands


@pytest.mark.parametrize(
    'damage',
    [
        lambda data: data[:100],
        lambda data: data[: len(data) // 2],
        lambda data: data[:4096] + bytes(4096) + data[8192:],
        lambda data: data[:5000] + bytes([data[5000] ^ 1]) + data[5001:],
        lambda data: b'',
    ],
)
def test_a_damaged_library_is_built_again(built, damage):
    built, commands = built
    whole = built.read_bytes()
    built.unlink()  # this process has loaded it
    built.write_bytes(damage(whole))
    assert choose_backend(torch.zeros(1, 2, 2, 8))[0] == 'cpu'
    assert len(commands) == 2 and built.read_bytes() == whole


@pytest.mark.parametrize('theirs', ['folder', 'library'])
def test_a_library_of_another_user_is_refused(built, fresh, theirs):
    built, _ = built
    fresh.setattr(os, 'getuid', lambda: 4321)
    if theirs == 'library':
        fresh.setattr(library, '_cache', lambda: built.parent)
    owner = built.stat().st_uid
    if owner == 0:  # which may own it
        try:
            os.chown(built.parent if theirs == 'folder' else built, 1234, -1)
        except PermissionError:
            pytest.skip('cannot give files to another user here')
    with pytest.raises(ValueError, match='belongs to another user.*XDG_CACHE_HOME can name'):
        choose_backend(torch.zeros(1, 2, 2, 8), 'cpu')


def test_nobody_else_can_write_to_the_cache(fresh, tmp_path):
    fresh.setattr(library, '_load', lambda *_: None)
    for mode in (None, 0o777):
        if mode:
            (tmp_path / 'afno_mm').chmod(mode)
        library.build.cache_clear()
        library.build(cpu.SOURCE)
        assert (tmp_path / 'afno_mm').stat().st_mode & 0o777 == 0o700


def test_a_compiler_that_hangs_is_ended_with_all_it_started(fresh, tmp_path):
    compiler = tmp_path / 'compiler'
    compiler.write_text(f'#!/bin/sh\nsleep 1000 & echo $! > {tmp_path}/pid\nwait')
    compiler.chmod(0o700)
    fresh.setenv('CC', str(compiler))
    fresh.setattr(library, 'TIMEOUT', 1)
    assert 'took more than 1 s' in library.build(cpu.SOURCE)
    started, end = int((tmp_path / 'pid').read_text()), time.monotonic() + 5
    while is_running(started) and time.monotonic() < end:
        time.sleep(0.01)
    assert not is_running(started)
    assert [path.name for path in (tmp_path / 'afno_mm').iterdir()] == ['.lock']


def is_running(process):
    try:
        return Path(f'/proc/{process}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    except OSError:
        return False


def test_folders_of_killed_builds_are_removed(built):
    built, _ = built
    left = built.parent / f'{library.BUILDING}left'
    left.mkdir()
    (left / 'compiled.o').touch()
    built.unlink()
    assert choose_backend(torch.zeros(1, 2, 2, 8))[0] == 'cpu'
    assert {path.name for path in built.parent.iterdir()} == {'.lock', built.name}


def test_a_build_waits_for_another_and_goes_on_if_that_is_killed(built):
    built, commands = built
    built.unlink()
    hold = 'import fcntl, sys, time; lock = open(sys.argv[1], "w"); fcntl.flock(lock, 2); print()'
    command = [sys.executable, '-c', f'{hold}; sys.stdout.flush(); time.sleep(1000)']
    holder = subprocess.Popen([*command, built.parent / '.lock'], stdout=subprocess.PIPE)
    with holder:
        holder.stdout.readline()
        waiter = threading.Thread(target=library.build, args=[cpu.SOURCE])
        waiter.start()
        waiter.join(0.3)
        waited = waiter.is_alive() and not commands
        holder.kill()
    waiter.join(60)
    assert waited and built.exists()


def test_equal_calls_give_equal_bits():
    tensors = make((16, 17), 2, 24, batch=3)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(4)
        runs = [values_and_gradients(tensors, 'cpu') for _ in range(3)]
    finally:
        torch.set_num_threads(before)
    for run in runs[1:]:
        assert all(map(torch.equal, run, runs[0]))


def test_nan_reaches_the_outputs_of_its_block_only():
    x, *weights = make((8, 8), 2, 64)
    x[0, 3, 3, 80] = torch.nan  # in the second block
    y = afno_operator(x, *weights, 1.0, backend='cpu')
    assert y[..., 64:].isnan().all() and not y[..., :64].isnan().any()


def test_training_saves_independent_frequencies_and_hidden_layer_and_inference_nothing():
    def saved(grad):
        sizes = []
        x, *weights = (t.requires_grad_(grad) for t in make((64, 64), 1, 48))
        with torch.autograd.graph.saved_tensors_hooks(
            lambda t: sizes.append(t.nbytes) or t, lambda t: t
        ):
            afno_operator(x, *weights, 1.0, backend='cpu')
        return (sum(sizes) - sum(w.nbytes for w in weights)) / x.nbytes

    assert saved(False) <= 0
    assert saved(True) == pytest.approx(1 + 4 / 64**2 + 66 / 64)


@pytest.mark.parametrize('grid', [(6, 7), (5, 8), (1, 2), (4, 1)])
@pytest.mark.parametrize('fraction', [0.5, 1.0])
def test_operators_are_well_formed(grid, fraction):
    """torch.library.opcheck: schemas, and shapes on fake tensors."""
    checks = ('test_schema', 'test_faketensor')
    tensors = make(grid, 2, 4, batch=2)
    settings = (1.0, fraction, 'ortho', True)
    factors = torch.randn(*kept_modes(grid, fraction), 3), torch.randn(2, 4, 8)
    for of_filter in ((None, None), factors, (whole_filter(*factors), None)):
        inputs = (*tensors, *of_filter)
        for keep in (True, False):
            torch.library.opcheck(cpu._afno, (*inputs, *settings, keep), test_utils=checks)
        _, *kept = cpu._afno(*inputs, *settings, True)
        for asked in [(True, True), (True, False), (False, True)]:
            arguments = (*inputs, *kept, *settings, *asked, of_filter[0] is not None)
            torch.library.opcheck(cpu._gradient, arguments, test_utils=checks)


def test_the_processor_is_part_of_the_key_of_the_library():
    """Machines with different processors may share a home directory."""
    assert library._processor()
    assert os.path.basename(cpu.build(cpu.SOURCE)._name).startswith('afno-')
