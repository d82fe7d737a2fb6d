"""The Triton backend of AFNO against the reference backend in float64.

On a CUDA GPU the tests run there. Without one, ``test_under_the_interpreter`` runs this file
again in a process of its own where Triton interprets its kernels on the CPU.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from afno_mm.ops.afno import afno_operator, choose_backend, composed
from afno_mm.ops.afno.triton import operator as triton
from afno_mm.ops.afno.triton import transforms
from torch.utils.checkpoint import checkpoint

CUDA = torch.cuda.is_available()
INTERPRETED = os.environ.get('TRITON_INTERPRET') == '1'
DEVICE = 'cuda' if CUDA and not INTERPRETED else 'cpu'
anywhere = pytest.mark.skipif(
    DEVICE == 'cpu' and not INTERPRETED, reason='runs inside test_under_the_interpreter'
)
on_gpu = pytest.mark.skipif(DEVICE == 'cpu', reason='needs a CUDA GPU')


@pytest.mark.skipif(DEVICE == 'cuda' or INTERPRETED, reason='the tests run in this process')
def test_under_the_interpreter():
    pytest.importorskip('triton', reason='triton is not installed')
    env = {**os.environ, 'TRITON_INTERPRET': '1', 'CUDA_VISIBLE_DEVICES': ''}
    env.pop('AFNO_MM_BACKEND', None)
    done = subprocess.run(
        [sys.executable, '-m', 'pytest', '-p', 'no:cacheprovider', __file__],
        env=env,
        cwd=Path(__file__).parents[2],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0, done.stdout
    assert ' passed' in done.stdout


def make(grid, num_blocks, block_size, hidden_size=None, batch=2, dtype=torch.float32):
    """Tokens and weights that let about half of everything through."""
    k, b, h = num_blocks, block_size, hidden_size or block_size
    x = torch.randn(batch, *grid, k * b, device=DEVICE, dtype=dtype)
    weights = (
        torch.randn(2, k, b, h) * b**-0.5,
        0.3 * torch.randn(2, k, h),
        torch.randn(2, k, h, b) * h**-0.5,
        0.3 * torch.randn(2, k, b),
    )
    return x, [w.to(DEVICE) for w in weights]


def away_from_kinks(weights):
    """Biases that alone decide what ReLU and shrinkage by 1 let through, half of it."""
    w1, b1, w2, b2 = weights
    b1 = torch.where(b1 > 0, 8.0, -8.0)
    w2 = w2 / 32
    return [w1, b1, w2, 4 * (b2 > 0) * torch.where(b2 > 0.2, 1.0, -1.0)]


def value_and_gradients(backend, x, weights, *settings, wanted=None):
    """The output, and the gradients of x, w1, b1, w2 and b2 at a fixed cotangent."""
    leaves = [
        t.detach().clone().requires_grad_(wanted is None or wanted[i])
        for i, t in enumerate([x, *weights])
    ]
    y = backend.run(leaves[0], leaves[1:], *settings)
    cotangent = torch.linspace(-1, 1.3, y.numel(), device=y.device).sin().view_as(y)
    y.backward(cotangent.to(y.dtype))
    return [y.detach(), *(t.grad for t in leaves)]


def errors(x, weights, *settings):
    """Relative errors of :func:`value_and_gradients` against float64."""
    actual = value_and_gradients(triton, x, weights, *settings)
    expected = value_and_gradients(composed, x.double(), [w.double() for w in weights], *settings)
    for a, t in zip(actual, [x, x, *weights]):
        assert a.dtype == t.dtype and a.shape == t.shape
    return [((a.double() - e).norm() / e.norm()).item() for a, e in zip(actual, expected)]


@anywhere
@pytest.mark.parametrize('grid', [(1, 1), (1, 5), (8, 8), (9, 8), (7, 16), (6, 7)])
@pytest.mark.parametrize(
    'fraction, norm, threshold, residual',
    [(1.0, 'ortho', 0.05, True), (0.5, 'forward', 0.05, False), (0.3, 'ortho', 0.0, True)],
)
@pytest.mark.parametrize('dense', [True, False])
def test_float32(grid, fraction, norm, threshold, residual, dense, monkeypatch):
    monkeypatch.setattr(transforms, 'is_dense', lambda *_: dense)
    x, weights = make(grid, 2, 12, 20)
    worst = max(errors(x, weights, threshold, fraction, norm, residual))
    assert worst < 1e-5


@anywhere
@pytest.mark.parametrize(
    'num_blocks, block_size, hidden_size',
    [(2, 1, 1), (1, 8, 40), (3, 33, 9), (2, 88, 88), (1, 144, 144), (1, 129, 200)],
)
def test_any_block(num_blocks, block_size, hidden_size):
    """Fused up to 32, one product at a time beyond."""
    x, weights = make((3, 4), num_blocks, block_size, hidden_size)
    assert max(errors(x, weights, 0.05, 1.0, 'ortho', True)) < 1e-5


@anywhere
@pytest.mark.parametrize('block_size', [24, 144])
def test_float16_tokens(block_size):
    x, weights = make((8, 9), 1, block_size, dtype=torch.float16)
    found = errors(x, away_from_kinks(weights), 1.0, 1.0, 'ortho', False)
    assert max(found) < 5e-3


@anywhere
def test_float16_spectra_beyond_its_range():
    """With norm='ortho' the mean's coefficient is 32 times the mean, which float16 cannot hold."""
    x, weights = make((32, 32), 1, 8, batch=1, dtype=torch.float16)
    x = x + 3000
    found = errors(x, away_from_kinks(weights), 1.0, 0.5, 'ortho', True)
    assert max(found) < 5e-3


@anywhere
def test_autocast():
    """Tokens in float32, all steps and what is kept in float16; parameters stay as they are."""
    x, weights = make((6, 7), 2, 12)
    weights = away_from_kinks(weights)
    exact = value_and_gradients(
        composed, x.double(), [w.double() for w in weights], 1.0, 1.0, 'ortho', True
    )
    with torch.autocast(DEVICE, torch.float16):
        found = value_and_gradients(triton, x, weights, 1.0, 1.0, 'ortho', True)
        kept = saved(x, weights, 0.1)
    for a, e in zip(found, exact):
        assert a.dtype == torch.float32
        assert 1e-5 < (a.double() - e).norm() / e.norm() < 5e-3
    assert {t.dtype for t in kept if t.dim() == 5} == {torch.float16}


def saved(x, weights, threshold, **more):
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        triton.run(x.detach().requires_grad_(), weights, threshold, 1.0, 'ortho', True, **more)
    return kept


@anywhere
def test_what_is_kept():
    """Spectrum and a byte per frequency; nothing under no_grad; no bytes without shrinkage."""
    x, weights = make((6, 7), 2, 12)
    own = {w.data_ptr() for w in weights}
    spectrum, survivors = (t for t in saved(x, weights, 0.1) if t.data_ptr() not in own)
    assert spectrum.shape == (2, 2, 6, 4, 24) and survivors.shape == (2, 24, 24)
    assert survivors.dtype == torch.uint8
    sizes = [t.numel() for t in saved(x, weights, 0.0) if t.data_ptr() not in own]
    assert sorted(sizes) == [0, spectrum.numel()]
    with torch.no_grad():
        assert not saved(x, weights, 0.1)
    assert not triton.run(x, weights, 0.1, 1.0, 'ortho', True).requires_grad


@anywhere
@pytest.mark.parametrize(
    'wanted',
    [
        (True, False, False, False, False),
        (False, True, True, True, True),
        (False, False, False, False, True),
        (True, False, True, True, False),
    ],
)
@pytest.mark.parametrize('block_size', [12, 48])
def test_frozen(wanted, block_size):
    x, weights = make((3, 4), 1, block_size)
    settings = (0.05, 1.0, 'ortho', True)
    full = value_and_gradients(triton, x, weights, *settings)
    part = value_and_gradients(triton, x, weights, *settings, wanted=wanted)
    for a, b, want in zip(full[1:], part[1:], wanted):
        assert torch.equal(a, b) if want else b is None


@anywhere
def test_results_repeat_bit_by_bit():
    x, weights = make((8, 9), 2, 12)
    first, second = (
        value_and_gradients(triton, x, weights, 0.05, 1.0, 'ortho', True) for _ in range(2)
    )
    assert all(torch.equal(a, b) for a, b in zip(first, second))


@anywhere
def test_strides_of_tokens_and_gradients_do_not_matter():
    x, weights = make((5, 6), 2, 8)
    views = [
        x,
        x.permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1),
        torch.stack([x, x], -1)[..., 0],
    ]
    found = []
    for view in views:
        leaf = view.detach().requires_grad_()
        y = triton.run(leaf, weights, 0.05, 1.0, 'ortho', True)
        assert y.is_contiguous()
        y.sum((0, 2)).square().sum().backward()  # an expanded gradient
        found.append((y, leaf.grad))
    for y, grad in found[1:]:
        assert torch.equal(y, found[0][0]) and torch.equal(grad, found[0][1])


@anywhere
def test_empty_batch():
    x, weights = make((4, 5), 2, 8, batch=0)
    y, *gradients = value_and_gradients(triton, x, weights, 0.05, 1.0, 'ortho', True)
    assert y.shape == x.shape and gradients[0].shape == x.shape
    assert not any(g.any() for g in gradients[1:])


@anywhere
@pytest.mark.parametrize('dense', [True, False])
def test_training_after_inference_mode(dense, monkeypatch):
    """On a grid that nothing before has seen."""
    monkeypatch.setattr(transforms, 'is_dense', lambda *_: dense)
    x, weights = make((3, 11), 1, 8)
    with torch.inference_mode():
        before = triton.run(x, weights, 0.05, 1.0, 'ortho', True)
    after, *_ = value_and_gradients(triton, x, weights, 0.05, 1.0, 'ortho', True)
    assert torch.equal(before, after)


@anywhere
@pytest.mark.parametrize('use_reentrant', [True, False])
def test_activation_checkpointing(use_reentrant):
    x, weights = make((4, 5), 2, 8)
    plain = value_and_gradients(triton, x, weights, 0.05, 1.0, 'ortho', True)
    leaf = x.clone().requires_grad_()
    y = checkpoint(
        lambda t: triton.run(t, weights, 0.05, 1.0, 'ortho', True),
        leaf,
        use_reentrant=use_reentrant,
    )
    y.backward(torch.linspace(-1, 1.3, y.numel(), device=DEVICE).sin().view_as(y))
    assert torch.equal(leaf.grad, plain[1])


@anywhere
def test_distributed(tmp_path):
    x, weights = make((4, 5), 2, 8)
    settings = (0.05, 1.0, 'ortho', True)
    _, _, *expected = value_and_gradients(triton, x, weights, *settings)
    torch.distributed.init_process_group(
        'nccl' if DEVICE == 'cuda' else 'gloo',
        init_method=f'file://{tmp_path}/store',
        rank=0,
        world_size=1,
    )
    try:

        class Mixer(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.weights = torch.nn.ParameterList(weights)

            def forward(self, x):
                return triton.run(x, list(self.weights), *settings)

        y = torch.nn.parallel.DistributedDataParallel(Mixer())
        mixer, y = y.module, y(x)
        y.backward(torch.linspace(-1, 1.3, y.numel(), device=DEVICE).sin().view_as(y))
    finally:
        torch.distributed.destroy_process_group()
    for parameter, grad in zip(mixer.weights, expected):
        assert torch.equal(parameter.grad, grad)


@anywhere
def test_second_derivatives_are_refused():
    x, weights = make((4, 5), 2, 8)
    x.requires_grad_()
    y = triton.run(x, weights, 0.05, 1.0, 'ortho', True)
    (grad,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match='AFNO_MM_BACKEND=composed'):
        grad.sum().backward()


@anywhere
def test_not_a_number_reaches_the_output():
    """Where a loss scale is too high, it has to be seen."""
    x, weights = make((4, 5), 1, 8)
    for parameter in range(4):
        bad = [w.clone() for w in weights]
        bad[parameter].flatten()[0] = float('nan')
        assert triton.run(x, bad, 0.05, 1.0, 'ortho', True).isnan().any()


@anywhere
def test_operators_are_well_formed():
    """Schemas, shapes without data, and the gradients' registration."""
    x, weights = make((4, 5), 2, 8)
    leaves = [t.requires_grad_() for t in (x, *weights)]
    settings = (0.05, 4, 3, True, True, torch.float32)
    checks = ('test_schema', 'test_autograd_registration', 'test_faketensor')
    torch.library.opcheck(triton._forward, (*leaves, *settings, True), test_utils=checks)
    with torch.no_grad():
        dy, z, survivors = triton._forward(*leaves, *settings, True)
    for asked in [(True, True), (True, False), (False, True)]:
        torch.library.opcheck(
            triton._backward,
            (dy, z, survivors, *(w.detach() for w in weights), True, True, *asked),
            test_utils=checks,
        )


@anywhere
@pytest.mark.parametrize('dynamic', [False, True])
def test_compiles_without_graph_breaks(dynamic):
    x, weights = make((4, 5), 2, 8)

    def apply(*leaves):
        return afno_operator(*leaves, 0.05, 0.5, residual=True).square().sum()

    leaves = [t.requires_grad_() for t in (x, *weights)]
    backend = 'aot_eager' if DEVICE == 'cpu' else 'inductor'
    compiled = torch.compile(apply, fullgraph=True, dynamic=dynamic, backend=backend)
    for a, b in zip(*(torch.autograd.grad(f(*leaves), leaves) for f in (compiled, apply))):
        torch.testing.assert_close(a, b)


def survivors_forgotten(monkeypatch):
    from afno_mm.ops.afno.triton import block_mlp as triton_mlp

    right = triton_mlp.forward
    monkeypatch.setattr(triton_mlp, 'forward', lambda *a: (right(*a)[0], right(*a)[1] | 3))


def nyquist_counted_twice(monkeypatch):
    monkeypatch.setattr(
        transforms,
        '_counts',
        lambda _, columns, device: torch.tensor([1.0] + [2.0] * (columns - 1))[:, None].to(device),
    )
    monkeypatch.setattr(transforms, '_across', transforms._across.__wrapped__)


def middle_rows_kept(monkeypatch):
    right = transforms._down.__wrapped__
    monkeypatch.setattr(
        transforms,
        '_down',
        lambda size, rows, *a: right(size, size, *a)[
            [p * size + r for p in (0, 1) for r in range(rows)]
        ],
    )


@anywhere
@pytest.mark.parametrize('fault', [survivors_forgotten, nyquist_counted_twice, middle_rows_kept])
def test_a_planted_fault_would_be_seen(fault, monkeypatch):
    x, weights = make((6, 8), 2, 12)
    fraction = 0.5 if fault is middle_rows_kept else 1.0
    assert max(errors(x, weights, 0.05, fraction, 'ortho', False)) < 1e-5
    fault(monkeypatch)
    assert max(errors(x, weights, 0.05, fraction, 'ortho', False)) > 1e-2


@anywhere
def test_choice():
    x = torch.randn(1, 4, 4, 8, device=DEVICE)
    assert choose_backend(x)[0] == 'triton'
    backend, reason = choose_backend(x.double())
    assert backend != 'triton' and 'not triton: the tokens are torch.float64' in reason


def no_compiler(monkeypatch):
    from afno_mm.ops.afno.triton import block_mlp as triton_mlp

    def fail(*args):
        raise RuntimeError('Failed to find\n C compiler')

    monkeypatch.setattr(triton_mlp, 'forward', fail)


def not_a_number(monkeypatch):
    from afno_mm.ops.afno.triton import self_test

    monkeypatch.setattr(
        self_test,
        '_error',
        lambda run, grid, *args: torch.tensor(
            float('nan') if grid == self_test.SIZES[-1][0] else 0.0
        ),
    )


@anywhere
@pytest.mark.parametrize(
    'fault, reason',
    [
        (survivors_forgotten, 'are wrong: relative error'),
        (nyquist_counted_twice, 'are wrong: relative error'),
        (middle_rows_kept, 'are wrong: relative error'),
        (not_a_number, 'are wrong: relative error nan'),
        (no_compiler, 'failed: RuntimeError: Failed to find C compiler'),
    ],
)
def test_what_fails_its_trial_is_not_chosen(fault, reason, monkeypatch):
    from afno_mm.ops.afno.triton import self_test

    x, weights = make((4, 5), 2, 8)
    self_test._failure.cache_clear()
    with monkeypatch.context() as patch:
        fault(patch)
        with pytest.warns(UserWarning, match='does without its Triton kernels: their'):
            backend, why = choose_backend(x)
        assert backend != 'triton' and reason in why
        with torch.inference_mode():
            assert afno_operator(x, *weights, 0.05).isfinite().all()
    assert reason in choose_backend(x)[1]  # It is not tried again.
    self_test._failure.cache_clear()
    assert choose_backend(x)[0] == 'triton'


@anywhere
@pytest.mark.parametrize('dtype', [torch.float32, torch.float16])
def test_trial_runs_all_kernels_and_both_transforms(dtype, monkeypatch):
    from afno_mm.ops.afno.triton import block_mlp as triton_mlp
    from afno_mm.ops.afno.triton import self_test

    ran = set()

    def spied(module, name, what):
        original = getattr(module, name)

        def spy(*args, **kwargs):
            result = original(*args, **kwargs)
            ran.add(what(args, result))
            return result

        monkeypatch.setattr(module, name, spy)

    spied(triton_mlp, '_linear', lambda args, _: args[0])
    spied(triton_mlp, '_launch', lambda args, _: args[0])
    spied(transforms, 'is_dense', lambda _, dense: dense)
    assert self_test._reason(triton.run, torch.device(DEVICE), dtype, 3e-2) is None
    kernels = triton_mlp.kernels
    assert ran == {
        'hidden',
        'output',
        'd_hidden',
        'd_input',
        True,
        False,
        kernels.linear_kernel,
        kernels.fused_forward_kernel,
        kernels.fused_backward_kernel,
    }


@anywhere
@pytest.mark.parametrize(
    'surroundings',
    [
        torch.inference_mode,
        torch.no_grad,
        lambda: torch.autocast(DEVICE, torch.float16),
        lambda: torch.device('meta'),
    ],
)
def test_trial_does_not_mind_where_it_happens(surroundings):
    from afno_mm.ops.afno.triton import self_test

    x, weights = make((4, 5), 2, 8)
    before = torch.random.get_rng_state()
    self_test._failure.cache_clear()
    with surroundings():
        assert choose_backend(x)[0] == 'triton'
    assert torch.equal(torch.random.get_rng_state(), before)


@anywhere
def test_trial_while_compiling():
    from afno_mm.ops.afno.triton import self_test

    x, weights = make((4, 5), 2, 8)
    self_test._failure.cache_clear()
    compiled = torch.compile(
        lambda x: afno_operator(x, *weights, 0.05), fullgraph=True, backend='aot_eager'
    )
    torch.testing.assert_close(compiled(x), afno_operator(x, *weights, 0.05))
    assert choose_backend(x)[0] == 'triton'


@anywhere
@pytest.mark.parametrize('use_reentrant', [True, False])
def test_trial_in_a_checkpointed_block(use_reentrant):
    from afno_mm.ops.afno.triton import self_test

    x, weights = make((4, 5), 2, 8)
    x.requires_grad_()
    self_test._failure.cache_clear()
    y = checkpoint(lambda x: afno_operator(x, *weights, 0.05), x, use_reentrant=use_reentrant)
    y.square().sum().backward()
    (expected,) = torch.autograd.grad(afno_operator(x, *weights, 0.05).square().sum(), x)
    assert torch.equal(x.grad, expected) and choose_backend(x)[0] == 'triton'


@pytest.mark.skipif(INTERPRETED, reason='the interpreter takes CPU tokens')
def test_refuses_what_is_not_on_a_gpu():
    assert 'cpu' in triton.refusal(torch.randn(1, 4, 4, 8)) or not triton._HAS_TRITON


def test_without_triton():
    """The package imports, and AFNO says why it takes another backend."""
    code = """if True:
        import sys
        sys.modules['triton'] = None  # as if it were not installed
        import torch
        from afno_mm.ops import choose_backend
        backend, reason = choose_backend(torch.randn(1, 4, 4, 8))
        assert backend != 'triton' and 'triton is not installed' in reason, (backend, reason)"""
    env = {k: v for k, v in os.environ.items() if k not in ('AFNO_MM_BACKEND', 'TRITON_INTERPRET')}
    subprocess.run([sys.executable, '-c', code], check=True, env=env, cwd=Path(__file__).parents[2])


STAGES = [
    ((256, 256), 1, 208),
    ((128, 128), 2, 144),
    ((64, 64), 5, 88),
    ((32, 32), 8, 64),
    ((56, 56), 1, 768),
    ((14, 14), 16, 24),
]


@on_gpu
@pytest.mark.parametrize('grid, num_blocks, block_size', STAGES)
@pytest.mark.parametrize('fraction', [1.0, 0.5])
@pytest.mark.parametrize(
    'kind, bound', [('exact', 1e-5), ('tf32', 2e-3), ('float16', 3e-3), ('bfloat16', 1e-2)]
)
def test_paper_stages(grid, num_blocks, block_size, fraction, kind, bound):
    """Where ReLU and shrinkage have no kinks near."""
    dtype = getattr(torch, kind, torch.float32)
    x, weights = make(grid, num_blocks, block_size, dtype=dtype)
    allowed = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = kind == 'tf32'
    try:
        found = errors(x, away_from_kinks(weights), 1.0, fraction, 'ortho', True)
        generic = [t.double() for t in (x, *weights)]
        exact = composed.run(generic[0], generic[1:], 0.01, fraction, 'ortho', True)
        y = triton.run(x, weights, 0.01, fraction, 'ortho', True)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = allowed
    found.append(((y - exact).norm() / exact.norm()).item())
    assert max(found) < bound, found


@pytest.mark.skipif(
    DEVICE == 'cpu' or torch.cuda.mem_get_info()[1] < 60 * 2**30,
    reason='needs a CUDA GPU of more than 60 GB',
)
def test_offsets_beyond_32_bits():
    """A spectrum of more than 2^31 values: the last image is computed as if alone."""
    x, weights = make((256, 256), 1, 128, batch=260, dtype=torch.bfloat16)
    with torch.no_grad():
        many, alone = (triton.run(t, weights, 0.01, 1.0, 'ortho', True) for t in (x, x[-1:]))
    torch.testing.assert_close(many[-1:], alone)


@on_gpu
def test_waits_for_the_gpu_only_once_per_grid():
    x, weights = make((16, 16), 2, 32)
    value_and_gradients(triton, x, weights, 0.05, 1.0, 'ortho', True)
    torch.cuda.set_sync_debug_mode('error')
    try:
        value_and_gradients(triton, x, weights, 0.05, 1.0, 'ortho', True)
    finally:
        torch.cuda.set_sync_debug_mode('default')


@on_gpu
def test_in_a_cuda_graph():
    x, weights = make((16, 16), 2, 32)
    with torch.no_grad():
        expected = triton.run(x, weights, 0.05, 1.0, 'ortho', True)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            y = triton.run(x, weights, 0.05, 1.0, 'ortho', True)
        graph.replay()
    assert torch.equal(y, expected)


@on_gpu
def test_compiles_into_cuda_graphs():
    x, weights = make((16, 12), 2, 32)
    leaves = [t.requires_grad_() for t in (x, *weights)]
    compiled = torch.compile(
        lambda *t: afno_operator(*t, 0.05, residual=True).square().sum(),
        fullgraph=True,
        mode='reduce-overhead',
    )
    expected = torch.autograd.grad(
        afno_operator(*leaves, 0.05, residual=True).square().sum(), leaves
    )
    for _ in range(4):
        torch.library.cudagraph_mark_step_begin()
        for a, b in zip(torch.autograd.grad(compiled(*leaves), leaves), expected):
            torch.testing.assert_close(a, b)
