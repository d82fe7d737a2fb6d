"""The Triton backend of AFNO against the backend 'composed' in float64.

On a CUDA GPU the tests run there. Without one, Triton interprets the kernels on the CPU: see
``tests/conftest.py``.
"""

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from afno_mm.mixers import AFNO
from afno_mm.ops.afno import afno_operator, choose_backend, composed, planar
from afno_mm.ops.afno.triton import operator as triton
from afno_mm.ops.frequency_filter import whole_filter
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.checkpoint import checkpoint

pytest.importorskip('triton', reason='triton is not installed')

from afno_mm.ops.afno.triton import block_mlp, kernels, self_test, transforms  # noqa: E402

INTERPRETED = os.environ.get('TRITON_INTERPRET') == '1'
DEVICE = 'cpu' if INTERPRETED else 'cuda'
if not INTERPRETED and not torch.cuda.is_available():
    pytest.skip('needs a CUDA GPU, or TRITON_INTERPRET=1', allow_module_level=True)


def on_gpu(test):
    """Mark a test that the interpreter cannot run."""
    return pytest.mark.gpu(pytest.mark.skipif(INTERPRETED, reason='needs a CUDA GPU')(test))


@pytest.fixture(autouse=True)
def accept_interpreted_kernels(monkeypatch):
    monkeypatch.setattr(triton, 'ACCEPT_INTERPRETED', True)
    monkeypatch.delenv('AFNO_MM_BACKEND', raising=False)


def make(grid, num_blocks, block_size, hidden_size=None, batch=2, dtype=torch.float32):
    """Return tokens and weights for which ReLU and shrinkage keep about half of the numbers."""
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
    """Return weights whose biases alone decide what ReLU and shrinkage by 1 keep: about half."""
    w1, b1, w2, b2 = weights
    b1 = torch.where(b1 > 0, 8.0, -8.0)
    w2 = w2 / 32
    return [w1, b1, w2, 4 * (b2 > 0) * torch.where(b2 > 0.2, 1.0, -1.0)]


def run(x, weights, *settings, backend=triton):
    """Run a backend without a frequency filter."""
    return backend.run(x, (*weights, None, None), settings)


def value_and_gradients(backend, x, weights, *settings, wanted=None):
    """Return the output, and the gradients of x, w1, b1, w2 and b2 for a fixed grad_output."""
    leaves = [
        t.detach().clone().requires_grad_(wanted is None or wanted[i])
        for i, t in enumerate([x, *weights])
    ]
    y = run(leaves[0], leaves[1:], *settings, backend=backend)
    grad_output = torch.linspace(-1, 1.3, y.numel(), device=y.device).sin().view_as(y)
    y.backward(grad_output.to(y.dtype))
    return [y.detach(), *(t.grad for t in leaves)]


def errors(x, weights, *settings):
    """Return the relative errors of :func:`value_and_gradients` against float64."""
    actual = value_and_gradients(triton, x, weights, *settings)
    expected = value_and_gradients(composed, x.double(), [w.double() for w in weights], *settings)
    for a, t in zip(actual, [x, x, *weights]):
        assert a.dtype == t.dtype and a.shape == t.shape
    return [((a.double() - e).norm() / e.norm()).item() for a, e in zip(actual, expected)]


@pytest.mark.parametrize('grid', [(1, 1), (1, 5), (8, 8), (9, 8), (7, 16), (6, 7)])
@pytest.mark.parametrize(
    'fraction, norm, threshold, residual',
    [(1.0, 'ortho', 0.05, True), (0.5, 'forward', 0.05, False), (0.3, 'ortho', 0.0, True)],
)
@pytest.mark.parametrize('dense', [True, False])
def test_float32_agrees_with_float64(grid, fraction, norm, threshold, residual, dense, monkeypatch):
    monkeypatch.setattr(planar, 'is_dense', lambda *_: dense)
    x, weights = make(grid, 2, 12, 20)
    worst = max(errors(x, weights, threshold, fraction, norm, residual))
    assert worst < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize(
    'num_blocks, block_size, hidden_size',
    [(2, 1, 1), (1, 8, 40), (3, 33, 9), (2, 88, 88), (1, 144, 144), (1, 129, 200)],
)
def test_blocks_of_any_size_agree(num_blocks, block_size, hidden_size):
    """Blocks up to 32 run fused, larger ones one product at a time."""
    x, weights = make((3, 4), num_blocks, block_size, hidden_size)
    assert max(errors(x, weights, 0.05, 1.0, 'ortho', True)) < 1e-5


@pytest.mark.parametrize('block_size', [24, 144])
def test_float16_tokens_agree(block_size):
    x, weights = make((8, 9), 1, block_size, dtype=torch.float16)
    found = errors(x, away_from_kinks(weights), 1.0, 1.0, 'ortho', False)
    assert max(found) < 5e-3


def test_float16_tokens_may_have_a_spectrum_beyond_float16():
    """With norm='ortho', the DC coefficient is 32 times the mean: more than float16 can hold."""
    x, weights = make((32, 32), 1, 8, batch=1, dtype=torch.float16)
    x = x + 3000
    found = errors(x, away_from_kinks(weights), 1.0, 0.5, 'ortho', True)
    assert max(found) < 5e-3


@pytest.mark.skipif(
    torch.__version__ < '2.7', reason='in torch 2.6, tensors without values on CUDA need its driver'
)
def test_autocast_on_a_gpu_makes_tokens_and_result_half_precision(monkeypatch):
    """As PyTorch's matrix products do. Without a GPU, tokens without values show it."""
    monkeypatch.setattr(triton, '_self_test_failure', lambda *a: 'not in this test')
    mixer, enabled = AFNO(24, num_blocks=2, bias='conv'), torch.is_autocast_enabled('cuda')
    torch.set_autocast_enabled('cuda', True)
    try:
        with FakeTensorMode(allow_non_fake_inputs=True):
            x = torch.empty(1, 6, 7, 24, device='cuda')
            shapes = {name: p.shape for name, p in mixer.named_parameters()}
            weights = {name: torch.empty(shape, device='cuda') for name, shape in shapes.items()}
            half = torch.get_autocast_dtype('cuda')
            assert torch.func.functional_call(mixer, weights, (x,)).dtype == half
            weights = [weights[name] for name in ('w1', 'b1', 'w2', 'b2')]
            assert afno_operator(x, *weights, 0.1).dtype == half
            assert afno_operator(x.double(), *weights, 0.1).dtype == torch.float64
    finally:
        torch.set_autocast_enabled('cuda', enabled)


@pytest.mark.parametrize('width, columns', [(8, 5), (9, 5), (16, 4), (1, 1), (2, 2), (100, 51)])
@pytest.mark.parametrize('channels', [24, 7])
@pytest.mark.parametrize('with_tokens', [True, False])
def test_inverse_along_w_is_the_product_with_the_fourier_matrix(
    width, columns, channels, with_tokens
):
    """Imaginary parts of DC and Nyquist columns have no effect, whatever they are."""
    z = torch.randn(3, 2 * columns, channels, device=DEVICE).half()
    add = torch.randn(3, width, channels, device=DEVICE).half() if with_tokens else None
    for mirrored in (True, False):
        found = transforms.inverse_along_w(z, width, mirrored, 0.5, add)
        matrix = planar.matrix_along_w(width, columns, mirrored, torch.float64, z.device)
        exact = 0.5 * matrix.t() @ z.double() + (add.double() if with_tokens else 0)
        torch.testing.assert_close(found.double(), exact, rtol=2e-3, atol=2e-2)


@pytest.mark.skipif(not INTERPRETED, reason='runs one program of a kernel by the interpreter')
def test_inverse_along_w_reaches_columns_beyond_32_bits(monkeypatch):
    """Memory that is never written takes no room, and only the last program runs."""
    from triton.runtime.interpreter import interpreter_builder

    lines, channels = 2**25 + 2, 64
    z = torch.empty(lines, 2, channels, dtype=torch.half)
    z[-2:] = torch.randn(2, 2, channels)
    matrix, out = torch.full((1, 16), 3.0, dtype=torch.half), z.new_empty(lines, 1, channels)
    last = lines * channels // 128 - 1
    monkeypatch.setattr(interpreter_builder, 'grid_dim', (last + 1, 1, 1), raising=False)
    monkeypatch.setattr(interpreter_builder, 'set_grid_dim', lambda *grid: None)
    choose = interpreter_builder.set_grid_idx
    monkeypatch.setattr(interpreter_builder, 'set_grid_idx', lambda *index: choose(last, 0, 0))
    tiles = dict(TILE=16, COLUMN_TILE=128, TERM_TILE=32, num_warps=4, num_stages=3)
    sizes = dict(WIDTH=1, TERMS=1, ROWS=2, CHANNELS=channels, ALIGNED=16, ADD=False)
    transforms.inverse_along_w_kernel[(1,)](z, matrix, out, out, 1.0, lines, **sizes, **tiles)
    torch.testing.assert_close(out[-2:, 0], 3 * z[-2:, 0])


def saved(x, weights, threshold):
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        run(x.detach().requires_grad_(), weights, threshold, 1.0, 'ortho', True)
    return kept


def test_forward_saves_the_spectrum_and_the_mask():
    """No mask without shrinkage, and nothing under no_grad."""
    x, weights = make((6, 7), 2, 12)
    own = {w.data_ptr() for w in weights}
    spectrum, mask = (t for t in saved(x, weights, 0.1) if t.data_ptr() not in own)
    assert spectrum.shape == (2, 2, 6, 4, 24) and mask.shape == (2, 24, 24)
    assert mask.dtype == torch.uint8
    sizes = [t.numel() for t in saved(x, weights, 0.0) if t.data_ptr() not in own]
    assert sorted(sizes) == [0, spectrum.numel()]
    with torch.no_grad():
        assert not saved(x, weights, 0.1)
    assert not run(x, weights, 0.1, 1.0, 'ortho', True).requires_grad


@pytest.mark.slow
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
def test_frozen_inputs_get_no_gradient_and_change_no_other(wanted, block_size):
    x, weights = make((3, 4), 1, block_size)
    settings = (0.05, 1.0, 'ortho', True)
    full = value_and_gradients(triton, x, weights, *settings)
    part = value_and_gradients(triton, x, weights, *settings, wanted=wanted)
    for a, b, want in zip(full[1:], part[1:], wanted):
        assert torch.equal(a, b) if want else b is None


def test_results_repeat_bit_by_bit():
    x, weights = make((8, 9), 2, 12)
    first, second = (
        value_and_gradients(triton, x, weights, 0.05, 1.0, 'ortho', True) for _ in range(2)
    )
    assert all(torch.equal(a, b) for a, b in zip(first, second))


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
        y = run(leaf, weights, 0.05, 1.0, 'ortho', True)
        assert y.is_contiguous()
        y.sum((0, 2)).square().sum().backward()  # an expanded gradient
        found.append((y, leaf.grad))
    for y, grad in found[1:]:
        assert torch.equal(y, found[0][0]) and torch.equal(grad, found[0][1])


@pytest.mark.parametrize('dtype', [torch.float16, torch.float32])
def test_kernels_are_launched_on_the_gpu_of_the_tokens(dtype, monkeypatch):
    """Triton launches on the current GPU, which may be another one."""
    current, launched = [], []

    @contextlib.contextmanager
    def device_of(tensor):
        current.append(tensor.device)
        yield
        current.pop()

    class Spy:
        def __init__(self, kernel):
            self.kernel = kernel

        def __getitem__(self, grid):
            launched.extend(current[-1:] or ['the current GPU'])
            return self.kernel[grid]

    monkeypatch.setattr(torch.cuda, 'device_of', device_of)
    for module in (kernels, transforms):
        for name, kernel in list(vars(module).items()):
            if name.endswith('_kernel'):
                monkeypatch.setattr(module, name, Spy(kernel))
    x, weights = make((4, 5), 2, 8, dtype=dtype)
    value_and_gradients(triton, x, weights, 0.05, 1.0, 'ortho', True)
    assert len(launched) >= 6 and set(launched) == {x.device}


def test_an_empty_batch_gives_zero_gradients():
    x, weights = make((4, 5), 2, 8, batch=0)
    y, *gradients = value_and_gradients(triton, x, weights, 0.05, 1.0, 'ortho', True)
    assert y.shape == x.shape and gradients[0].shape == x.shape
    assert not any(g.any() for g in gradients[1:])


@pytest.mark.parametrize('dense', [True, False])
def test_training_after_inference_mode(dense, monkeypatch):
    """The grid is used by no other test, so inference mode fills the caches for it."""
    monkeypatch.setattr(planar, 'is_dense', lambda *_: dense)
    x, weights = make((3, 11), 1, 8)
    with torch.inference_mode():
        before = run(x, weights, 0.05, 1.0, 'ortho', True)
    after, *_ = value_and_gradients(triton, x, weights, 0.05, 1.0, 'ortho', True)
    assert torch.equal(before, after)


@pytest.mark.parametrize('use_reentrant', [True, False])
def test_activation_checkpointing_changes_no_gradient(use_reentrant):
    x, weights = make((4, 5), 2, 8)
    plain = value_and_gradients(triton, x, weights, 0.05, 1.0, 'ortho', True)
    leaf = x.clone().requires_grad_()
    y = checkpoint(
        lambda t: run(t, weights, 0.05, 1.0, 'ortho', True), leaf, use_reentrant=use_reentrant
    )
    y.backward(torch.linspace(-1, 1.3, y.numel(), device=DEVICE).sin().view_as(y))
    assert torch.equal(leaf.grad, plain[1])


def test_distributed_data_parallel_changes_no_gradient(tmp_path):
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
                return run(x, list(self.weights), *settings)

        y = torch.nn.parallel.DistributedDataParallel(Mixer())
        mixer, y = y.module, y(x)
        y.backward(torch.linspace(-1, 1.3, y.numel(), device=DEVICE).sin().view_as(y))
    finally:
        torch.distributed.destroy_process_group()
    for parameter, grad in zip(mixer.weights, expected):
        assert torch.equal(parameter.grad, grad)


def test_second_derivatives_are_refused():
    x, weights = make((4, 5), 2, 8)
    x.requires_grad_()
    y = run(x, weights, 0.05, 1.0, 'ortho', True)
    (grad,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match='AFNO_MM_BACKEND=composed'):
        grad.sum().backward()


def test_not_a_number_reaches_the_output():
    """A GradScaler must see inf and NaN, to lower a loss scale that is too high."""
    x, weights = make((4, 5), 1, 8)
    for parameter in range(4):
        bad = [w.clone() for w in weights]
        bad[parameter].flatten()[0] = float('nan')
        assert run(x, bad, 0.05, 1.0, 'ortho', True).isnan().any()


def test_operators_are_well_formed():
    """Check the schemas, the fake implementations and the registration of gradients."""
    x, weights = make((4, 5), 2, 8)
    leaves = [t.requires_grad_() for t in (x, *weights)]
    settings = (0.05, 1.0, 'ortho', True)
    checks = ('test_schema', 'test_autograd_registration', 'test_faketensor')
    for of_filter in [(None, None), (torch.ones(4, 3, 5), torch.ones(2, 6, 16))]:
        of_filter = [t if t is None else t.to(DEVICE).requires_grad_() for t in of_filter]
        inputs = (*leaves, *of_filter, *settings, True)
        torch.library.opcheck(triton._afno, inputs, test_utils=checks)
        with torch.no_grad():
            y, *kept = triton._afno(*inputs)
        constants = [t if t is None else t.detach() for t in (*weights, *of_filter)]
        for asked in [(True, True), (True, False), (False, True)]:
            inputs = (y, *constants, *kept, *settings, *asked, of_filter[0] is not None)
            torch.library.opcheck(triton._gradient, inputs, test_utils=checks)


@pytest.mark.slow
@pytest.mark.parametrize(
    'dtype, of_filter', [(torch.float16, torch.float32), (torch.float32, torch.float16)]
)
@pytest.mark.parametrize('is_pair', [True, False])
def test_compiled_programs_know_the_dtypes_of_all_gradients(dtype, of_filter, is_pair):
    """They read a gradient in the dtype that the fake implementation gives it."""
    x, weights = make((1, 5), 2, 8, dtype=dtype)
    pair = torch.ones(1, 3, 5, device=DEVICE), torch.ones(2, 6, 16, device=DEVICE)
    factors = (
        [t.to(of_filter) for t in pair] if is_pair else [whole_filter(*pair).to(of_filter), None]
    )
    inputs = *(w.to(dtype) for w in weights), *factors
    y, *kept = triton._afno(x, *inputs, 0.05, 1.0, 'ortho', True, True)
    for asked in [(True, True, True), (False, False, False)]:
        inputs_of_gradient = (y, *inputs, *kept, 0.05, 1.0, 'ortho', True, *asked)
        torch.library.opcheck(triton._gradient, inputs_of_gradient, test_utils='test_faketensor')


@pytest.mark.slow
@pytest.mark.parametrize('dynamic', [False, True])
def test_compiles_without_graph_breaks(dynamic):
    torch._dynamo.reset()  # Other tests compile the same functions for other sizes.
    x, weights = make((4, 5), 2, 8)

    def apply(*leaves):
        return afno_operator(*leaves, 0.05, 0.5, residual=True).square().sum()

    leaves = [t.requires_grad_() for t in (x, *weights)]
    backend = 'aot_eager' if DEVICE == 'cpu' else 'inductor'
    compiled = torch.compile(apply, fullgraph=True, dynamic=dynamic, backend=backend)
    for a, b in zip(*(torch.autograd.grad(f(*leaves), leaves) for f in (compiled, apply))):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-4)


def mask_ignored(monkeypatch):
    right = block_mlp.forward
    monkeypatch.setattr(block_mlp, 'forward', lambda *a: (right(*a)[0], right(*a)[1] | 3))


def nyquist_counted_twice(monkeypatch):
    monkeypatch.setattr(
        planar,
        '_multiplicity',
        lambda _, columns, device: torch.tensor([1.0] + [2.0] * (columns - 1))[:, None].to(device),
    )
    monkeypatch.setattr(planar, 'matrix_along_w', planar.matrix_along_w.__wrapped__)


def middle_rows_kept(monkeypatch):
    right = planar._along_h.__wrapped__
    monkeypatch.setattr(
        planar,
        '_along_h',
        lambda size, rows, *a: right(size, size, *a)[
            [p * size + r for p in (0, 1) for r in range(rows)]
        ],
    )


@pytest.mark.parametrize('fault', [mask_ignored, nyquist_counted_twice, middle_rows_kept])
def test_a_planted_fault_is_found(fault, monkeypatch):
    x, weights = make((6, 8), 2, 12)
    fraction = 0.5 if fault is middle_rows_kept else 1.0
    assert max(errors(x, weights, 0.05, fraction, 'ortho', False)) < 1e-5
    fault(monkeypatch)
    assert max(errors(x, weights, 0.05, fraction, 'ortho', False)) > 1e-2


@pytest.mark.slow
def test_the_dispatch_takes_it_for_all_but_float64():
    x = torch.randn(1, 4, 4, 8, device=DEVICE)
    assert choose_backend(x)[0] == 'triton'
    backend, reason = choose_backend(x.double())
    assert backend != 'triton' and 'not triton: the tokens are torch.float64' in reason


@pytest.fixture
def short_self_test(monkeypatch):
    """The self-test at its first size, on half and all modes. The others take seconds on a CPU."""
    first = self_test.SIZES[0]
    monkeypatch.setattr(self_test, 'SIZES', (first, (*first[:3], 1.0)))
    self_test._failure.cache_clear()
    yield
    self_test._failure.cache_clear()


def no_compiler(monkeypatch):
    def fail(*args):
        raise RuntimeError('Failed to find\n C compiler')

    monkeypatch.setattr(block_mlp, 'forward', fail)


def not_a_number(monkeypatch):
    monkeypatch.setattr(
        self_test,
        '_error',
        lambda run, grid, *args: torch.tensor(
            float('nan') if grid == self_test.SIZES[-1][0] else 0.0
        ),
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    'fault, reason',
    [
        (mask_ignored, 'are wrong: relative error'),
        (nyquist_counted_twice, 'are wrong: relative error'),
        (middle_rows_kept, 'are wrong: relative error'),
        (not_a_number, 'are wrong: relative error nan'),
        (no_compiler, 'failed: RuntimeError: Failed to find C compiler'),
    ],
)
def test_the_dispatch_takes_another_backend_if_the_self_test_fails(
    fault, reason, short_self_test, monkeypatch
):
    x, weights = make((4, 5), 2, 8)
    with monkeypatch.context() as patch:
        fault(patch)
        with pytest.warns(UserWarning, match='does not use its Triton kernels: their'):
            backend, why = choose_backend(x)
        assert backend != 'triton' and reason in why
        with torch.inference_mode():
            assert afno_operator(x, *weights, 0.05).isfinite().all()
    assert reason in choose_backend(x)[1]  # It does not run again.
    self_test._failure.cache_clear()
    assert choose_backend(x)[0] == 'triton'


@pytest.mark.slow
@pytest.mark.parametrize('dtype', [torch.float32, torch.float16])
def test_the_self_test_runs_all_kernels_and_both_transforms(dtype, monkeypatch):
    ran = set()

    class Spy:
        def __init__(self, kernel):
            self.kernel = kernel

        def __getitem__(self, grid):
            return lambda *args, **options: self.launch(grid, *args, **options)

        def launch(self, grid, *args, **options):
            ran.add(options.get('STEP', self.kernel.__name__))
            self.kernel[grid](*args, **options)

    is_dense = planar.is_dense
    monkeypatch.setattr(planar, 'is_dense', lambda *a: ran.add(is_dense(*a)) or is_dense(*a))
    for module in (kernels, transforms):
        for name, kernel in list(vars(module).items()):
            if name.endswith('_kernel'):
                monkeypatch.setattr(module, name, Spy(kernel))
    assert self_test._reason(triton.run, torch.device(DEVICE), dtype, 3e-2) is None
    fused = {'fused_forward_kernel', 'fused_backward_kernel'}
    steps = {'hidden', 'output', 'grad_hidden', 'grad_input'}
    gradients = {'weight_gradient_kernel', 'bias_gradient_kernel'}
    last = {'inverse_along_w_kernel'} if dtype == torch.float16 else set()
    assert ran == {*fused, *steps, *gradients, *last, True, False}


@pytest.mark.parametrize(
    'surroundings',
    [
        torch.inference_mode,
        torch.no_grad,
        lambda: torch.autocast(DEVICE, torch.float16),
        lambda: torch.device('meta'),
    ],
)
def test_the_self_test_passes_in_any_mode_and_keeps_the_random_state(surroundings, short_self_test):
    x, weights = make((4, 5), 2, 8)
    before = torch.random.get_rng_state()
    with surroundings():
        assert choose_backend(x)[0] == 'triton'
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_self_test_passes_while_compiling(short_self_test):
    x, weights = make((4, 5), 2, 8)
    compiled = torch.compile(
        lambda x: afno_operator(x, *weights, 0.05), fullgraph=True, backend='aot_eager'
    )
    torch.testing.assert_close(compiled(x), afno_operator(x, *weights, 0.05))
    assert choose_backend(x)[0] == 'triton'


@pytest.mark.parametrize('use_reentrant', [True, False])
def test_the_self_test_passes_in_a_checkpointed_block(use_reentrant, short_self_test):
    x, weights = make((4, 5), 2, 8)
    x.requires_grad_()
    y = checkpoint(lambda x: afno_operator(x, *weights, 0.05), x, use_reentrant=use_reentrant)
    y.square().sum().backward()
    (expected,) = torch.autograd.grad(afno_operator(x, *weights, 0.05).square().sum(), x)
    assert torch.equal(x.grad, expected) and choose_backend(x)[0] == 'triton'


def test_refuses_tokens_that_are_not_on_a_gpu(monkeypatch):
    monkeypatch.setattr(triton, '_INTERPRETED', False)
    assert 'the tokens are on cpu' in triton.refusal(torch.randn(1, 4, 4, 8))


def test_refuses_a_gpu_before_ampere_and_says_what_it_found(monkeypatch):
    monkeypatch.setattr(triton, '_INTERPRETED', False)
    t4 = SimpleNamespace(major=7, minor=5)
    monkeypatch.setattr(torch.cuda, 'get_device_properties', lambda device: t4)
    tokens = SimpleNamespace(dtype=torch.float16, device=torch.device('cuda'))
    reason = 'the GPU has compute capability 7.5, it needs 8.0 (Ampere)'
    assert triton.refusal(tokens) == reason


def test_refuses_to_interpret_its_kernels_outside_tests(monkeypatch):
    monkeypatch.setattr(triton, '_INTERPRETED', True)
    monkeypatch.setattr(triton, 'ACCEPT_INTERPRETED', False)
    x = torch.randn(1, 4, 4, 8)
    assert choose_backend(x)[0] != 'triton' and 'TRITON_INTERPRET=1' in triton.refusal(x)


@pytest.mark.slow
def test_afno_works_without_triton_and_says_so():
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
    'kind, bound', [('exact', 1e-5), ('tf32', 2e-3), ('float16', 3e-3), ('bfloat16', 2e-2)]
)
def test_the_stages_of_the_paper_agree(grid, num_blocks, block_size, fraction, kind, bound):
    """Gradients are compared away from the kinks of ReLU and shrinkage.

    Those of the weights have the largest errors: there they are sums that nearly cancel.
    """
    dtype = getattr(torch, kind, torch.float32)
    x, weights = make(grid, num_blocks, block_size, dtype=dtype)
    allowed = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = kind == 'tf32'
    try:
        found = errors(x, away_from_kinks(weights), 1.0, fraction, 'ortho', True)
        generic = [t.double() for t in (x, *weights)]
        exact = run(generic[0], generic[1:], 0.01, fraction, 'ortho', True, backend=composed)
        y = run(x, weights, 0.01, fraction, 'ortho', True)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = allowed
    found.append(((y - exact).norm() / exact.norm()).item())
    assert max(found) < bound, found


@pytest.mark.skipif(
    DEVICE == 'cpu' or torch.cuda.mem_get_info()[1] < 60 * 2**30,
    reason='needs a CUDA GPU of more than 60 GB',
)
@pytest.mark.gpu
def test_the_last_image_of_a_spectrum_beyond_32_bits_is_computed_as_if_alone():
    """The spectrum has more than 2^31 values."""
    x, weights = make((256, 256), 1, 128, batch=260, dtype=torch.bfloat16)
    with torch.no_grad():
        many, alone = (run(t, weights, 0.01, 1.0, 'ortho', True) for t in (x, x[-1:]))
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
def test_runs_in_a_cuda_graph():
    x, weights = make((16, 16), 2, 32)
    with torch.no_grad():
        expected = run(x, weights, 0.05, 1.0, 'ortho', True)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            y = run(x, weights, 0.05, 1.0, 'ortho', True)
        for side in range(20, 100):  # more sizes than the caches of matrices hold
            run(x[:, :1, :1].expand(-1, side, 1, -1), weights, 0.05, 1.0, 'ortho', True)
        graph.replay()
    assert torch.equal(y, expected)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason='needs two CUDA GPUs')
@pytest.mark.gpu
def test_tokens_may_be_on_another_gpu_than_the_current_one():
    x, weights = make((16, 12), 2, 32)
    expected = value_and_gradients(triton, x, weights, 0.05, 1.0, 'ortho', True)
    x, *weights = (t.to('cuda:1') for t in (x, *weights))
    assert choose_backend(x)[0] == 'triton'
    found = value_and_gradients(triton, x, weights, 0.05, 1.0, 'ortho', True)
    for a, b in zip(found, expected):
        torch.testing.assert_close(a.to(b.device), b)


@on_gpu
def test_compiles_into_cuda_graphs():
    x, weights = make((16, 12), 2, 32)
    leaves = [t.requires_grad_() for t in (x, *weights)]
    compiled = torch.compile(
        lambda *t: afno_operator(*t, 0.05, residual=True).square().sum(),
        fullgraph=True,
        mode='reduce-overhead',
    )
    for make_matrix in (planar._along_h, planar.matrix_along_w, transforms.term_matrix):
        make_matrix.cache_clear()  # The first call makes them: no call without compiling did.
    found = []
    for _ in range(4):
        torch.compiler.cudagraph_mark_step_begin()
        grads = torch.autograd.grad(compiled(*leaves), leaves)
        found.append([grad.clone() for grad in grads])
    expected = torch.autograd.grad(
        afno_operator(*leaves, 0.05, residual=True).square().sum(), leaves
    )
    for grads in found:
        for a, b in zip(grads, expected):
            # The compiled program rounds the gradient of the sum otherwise.
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)
