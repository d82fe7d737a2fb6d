"""Every backend of the AFNO operator against its float64 definition, and the choice among them."""

import copy
import math
import os
import re
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
import torch
from afno_mm.ops import afno_operator, choose_backend, naive, use_backend
from afno_mm.ops.afno import BACKENDS, VARIABLE, dispatch, eager, planar
from torch._dynamo.testing import CompileCounterWithBackend
from torch.utils.checkpoint import checkpoint

GRIDS = [(1, 1), (1, 5), (6, 1), (2, 2), (8, 8), (9, 8), (7, 16), (6, 7), (13, 10)]
THRESHOLD = 1.5


@pytest.fixture(params=[*BACKENDS, 'eager by FFT', 'eager by products'])
def backend(request, monkeypatch):
    """Each backend. 'eager' also with each transform, in pieces that do not divide the spectrum."""
    monkeypatch.delenv(VARIABLE, raising=False)
    name, *transform = request.param.split(' by ')
    if transform:
        limit = {'FFT': 0, 'products': math.inf}[transform[0]]
        monkeypatch.setitem(planar.DENSE_OPERATIONS, 'cpu', limit)
        monkeypatch.setattr(eager, 'PIECE', 1000)
    reason = BACKENDS[name].refusal(torch.zeros(1, 8, 8, 12))
    if reason is not None:
        pytest.skip(reason)
    return name


def make(grid=(7, 8), batch=2, channels=12, num_blocks=3, ratio=2, dtype=torch.float32, scale=1):
    """Return tokens and weights that keep ReLU and shrinkage away from their kinks.

    The biases decide what passes. Near a kink a rounding error would flip gradients.
    """
    k, b, h = num_blocks, channels // num_blocks, channels // num_blocks * ratio
    signs = torch.randint(0, 2, (2, k, h)) * 2.0 - 1
    weights = (
        torch.randn(2, k, b, h) * 0.1 * scale,
        3 * signs,
        torch.randn(2, k, h, b) * 0.05,
        3.0 * torch.randint(-1, 2, (2, k, b)),
    )
    x = torch.randn(batch, *grid, channels).clamp(-2, 2)
    return [t.to(dtype).requires_grad_() for t in (x, *weights)]


def naive_afno(x, *weights, mode_fraction=1.0, norm='ortho', threshold=THRESHOLD):
    return naive.afno(x, *weights, threshold, mode_fraction, norm) + x.double()


def gradients(y, inputs):
    torch.manual_seed(1)
    return torch.autograd.grad(y, inputs, torch.randn(y.shape).to(y.dtype))


def doubles(tensors):
    return [t.detach().double().requires_grad_() for t in tensors]


def assert_close(actual, expected, bound=1e-5):
    for a, e in zip(actual, expected, strict=True):
        assert a.shape == e.shape
        error = (a.double() - e).norm() / e.norm().clamp(min=1e-12)
        assert error < bound, f'{error:.1e}'


def assert_agrees(function, inputs, bound=1e-5, **settings):
    """Compare values and all gradients of ``function(x, *weights)`` with the naive definition."""
    y, exact = function(*inputs), doubles(inputs)
    expected = naive_afno(*exact, **settings)
    assert y.dtype == inputs[0].dtype
    assert_close([y, *gradients(y, inputs)], [expected, *gradients(expected, exact)], bound)


@pytest.mark.parametrize('grid', GRIDS)
@pytest.mark.parametrize('mode_fraction', [1.0, 0.5, 0.3])
@pytest.mark.parametrize('norm', ['ortho', 'forward'])
def test_values_and_gradients_agree(backend, grid, mode_fraction, norm):
    settings = dict(mode_fraction=mode_fraction, norm=norm)
    assert_agrees(
        lambda *t: afno_operator(*t[:5], THRESHOLD, **settings, residual=True, backend=backend),
        make(grid),
        **settings,
    )


@pytest.mark.parametrize(
    'settings',
    [
        dict(num_blocks=1),
        dict(num_blocks=12, ratio=1),
        dict(ratio=3),
        dict(batch=1),
        dict(channels=9),
        dict(grid=(16, 18), channels=33),
    ],
    ids=str,
)
def test_any_blocks_agree(backend, settings):
    assert_agrees(
        lambda *t: afno_operator(*t, THRESHOLD, residual=True, backend=backend), make(**settings)
    )


def test_no_shrinkage_agrees(backend):
    assert_agrees(
        lambda *t: afno_operator(*t, 0, residual=True, backend=backend), make(), threshold=0
    )


def test_no_residual_agrees(backend):
    inputs = make()
    exact = doubles(inputs)
    y = afno_operator(*inputs, THRESHOLD, backend=backend)
    expected = naive.afno(*exact, THRESHOLD)
    assert_close([y, *gradients(y, inputs)], [expected, *gradients(expected, exact)])


@pytest.mark.parametrize('mode_fraction', [1.0, 0.5])
def test_rounding_errors_are_those_of_float32(backend, mode_fraction):
    """Weights of ordinary size have values near kinks, so compare no gradients."""
    inputs = [torch.randn_like(t) * s for t, s in zip(make((24, 26)), (1, 0.3, 0.1, 0.3, 0.1))]
    y = afno_operator(*inputs, 0.05, mode_fraction, backend=backend)
    assert_close([y], [naive.afno(*inputs, 0.05, mode_fraction)], 2e-6)


@pytest.mark.parametrize('dtype, bound', [(torch.float16, 4e-3), (torch.bfloat16, 3e-2)])
def test_half_precision_tokens_are_computed_in_float32(backend, dtype, bound):
    assert_agrees(
        lambda *t: afno_operator(*t, THRESHOLD, residual=True, backend=backend),
        make(dtype=dtype),
        bound,
    )


def test_autocast_changes_nothing(backend):
    inputs = make()
    exact = doubles(inputs)
    expected = naive_afno(*exact)
    with torch.autocast('cpu', torch.bfloat16):
        y = afno_operator(*inputs, THRESHOLD, residual=True, backend=backend)
        if backend not in (
            'composed',
            'portable',
        ):  # Autograd's own formulas follow an autocast around backward.
            actual = gradients(y, inputs)
    if backend in ('composed', 'portable'):
        actual = gradients(y, inputs)
    assert_close([y, *actual], [expected, *gradients(expected, exact)])


@pytest.mark.parametrize('mode', [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize('mode_fraction', [1.0, 0.5])
def test_training_after_evaluation_of_the_same_grid(backend, mode, mode_fraction):
    """Matrices that evaluation has cached must work with autograd."""
    for function in vars(planar).values():
        if hasattr(function, 'cache_clear'):
            function.cache_clear()
    inputs = make((5, 11))

    def function(*inputs):
        return afno_operator(*inputs, THRESHOLD, mode_fraction, residual=True, backend=backend)

    with mode():
        evaluated = function(*inputs)
    assert not evaluated.requires_grad
    assert_agrees(function, inputs, mode_fraction=mode_fraction)
    torch.testing.assert_close(function(*inputs).detach(), evaluated.clone())


@pytest.mark.parametrize('trained', [[0], [1, 2, 3, 4], [0, 2], [3], [1, 4]], ids=str)
def test_gradients_of_some_inputs_when_others_are_frozen(backend, trained):
    inputs = make()
    for i, t in enumerate(inputs):
        t.requires_grad_(i in trained)
    y = afno_operator(*inputs, THRESHOLD, residual=True, backend=backend)
    exact = doubles(inputs)
    expected = gradients(naive_afno(*exact), [exact[i] for i in trained])
    assert_close(gradients(y, [inputs[i] for i in trained]), expected)


def test_inputs_and_saved_tensors_do_not_change_when_backward_runs_twice(backend):
    inputs = make()
    before = copy.deepcopy([t.detach() for t in inputs])
    y = afno_operator(*inputs, THRESHOLD, residual=True, backend=backend)
    weight = torch.randn_like(y)
    first, second = (torch.autograd.grad(y, inputs, weight, retain_graph=r) for r in (True, False))
    for a, b in zip((*inputs, *first), (*before, *second), strict=True):
        assert torch.equal(a, b)


def test_tokens_and_gradients_may_have_any_strides(backend):
    inputs = make((7, 8))
    x = inputs[0].detach().permute(3, 2, 0, 1).contiguous().permute(2, 3, 1, 0).requires_grad_()
    assert_agrees(
        lambda *t: afno_operator(*t, THRESHOLD, residual=True, backend=backend), [x, *inputs[1:]]
    )
    grads = [
        torch.autograd.grad(y, inputs)
        for y in (
            afno_operator(*inputs, THRESHOLD, backend=backend).sum(),  # an expanded gradient
            (afno_operator(*inputs, THRESHOLD, backend=backend) * torch.ones_like(x)).sum(),
        )
    ]
    for a, b in zip(*grads, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize('use_reentrant', [False, True])
def test_checkpointing_agrees(backend, use_reentrant):
    inputs = make()
    exact = doubles(inputs)
    y = checkpoint(
        lambda *t: afno_operator(*t, THRESHOLD, residual=True, backend=backend),
        *inputs,
        use_reentrant=use_reentrant,
    )
    y.square().sum().backward()
    naive_afno(*exact).square().sum().backward()
    assert_close([t.grad for t in inputs], [t.grad for t in exact])


@pytest.mark.slow
@pytest.mark.parametrize('mode_fraction', [1.0, 0.5])
def test_compiles_without_a_break(backend, mode_fraction):
    torch._dynamo.reset()
    function = torch.compile(
        lambda *t: afno_operator(*t, THRESHOLD, mode_fraction, residual=True, backend=backend),
        fullgraph=True,
        backend='aot_eager',
    )
    assert_agrees(function, make((9, 8)), mode_fraction=mode_fraction)
    with torch.no_grad():
        assert_close(
            [function(*(inputs := make((9, 8))))],
            [naive_afno(*inputs, mode_fraction=mode_fraction)],
        )


@pytest.mark.slow
def test_layers_with_different_mode_fractions_compile_together(backend):
    torch._dynamo.reset()
    x, *weights = make((9, 8))

    def function(x, mode_fraction):
        return afno_operator(x, *weights, THRESHOLD, mode_fraction, backend=backend)

    compiled = torch.compile(function, fullgraph=True, backend='aot_eager')
    for mode_fraction in (1.0, 0.5, 0.3):
        torch.testing.assert_close(compiled(x, mode_fraction), function(x, mode_fraction))


@pytest.mark.slow
def test_one_compiled_program_takes_batches_of_any_size(backend):
    if backend == 'composed' and torch.__version__.startswith('2.6.'):
        pytest.skip('torch 2.6 cannot trace an FFT of a symbolic batch size')
    torch._dynamo.reset()
    programs = CompileCounterWithBackend('aot_eager')
    function = torch.compile(
        lambda *t: afno_operator(*t, THRESHOLD, 0.5, backend=backend),
        fullgraph=True,
        backend=programs,
    )
    x, *weights = make((6, 7))
    for batch in (2, 3, 5):
        tokens = x.detach()[:1].repeat(batch, 1, 1, 1).requires_grad_()
        torch._dynamo.mark_dynamic(tokens, 0)
        function(tokens, *weights).sum().backward()
        assert tokens.grad.shape == tokens.shape
    assert programs.frame_count == 1


def test_second_gradients_are_right_or_refused(backend):
    inputs = make((4, 5))

    def penalty(y, x):
        return torch.autograd.grad(y.square().sum(), x, create_graph=True)[0].square().sum()

    try:
        actual = torch.autograd.grad(
            penalty(afno_operator(*inputs, THRESHOLD, residual=True, backend=backend), inputs[0]),
            inputs[:2],
        )
    except RuntimeError as error:
        assert backend != 'composed'
        assert 'AFNO_MM_BACKEND=composed' in str(error)
    else:
        exact = doubles(inputs)
        assert_close(
            actual, torch.autograd.grad(penalty(naive_afno(*exact), exact[0]), exact[:2]), 1e-4
        )


def test_an_empty_batch_gives_an_empty_result_and_zero_gradients(backend):
    inputs = make(batch=0)
    # The backend eager refuses empty tokens, so another one computes them.
    y = afno_operator(
        *inputs, THRESHOLD, residual=True, backend=None if backend == 'eager' else backend
    )
    assert y.shape == (0, 7, 8, 12)
    assert all(not g.any() for g in gradients(y, inputs))


def test_the_first_backend_that_does_not_refuse_is_chosen(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    x = torch.zeros(1, 4, 4, 8)
    first = next(name for name, module in BACKENDS.items() if module.refusal(x) is None)
    assert choose_backend(x)[0] == first != 'composed'
    name, reason = choose_backend(x.double())
    assert name == 'composed' and 'not eager: ' in reason and 'float64' in reason
    assert choose_backend(x.to('meta'))[0] == 'composed'


def test_the_argument_comes_before_use_backend_and_that_before_the_variable(monkeypatch):
    x = torch.zeros(1, 4, 4, 8)
    monkeypatch.setenv(VARIABLE, 'composed')
    assert choose_backend(x)[0] == 'composed'
    with use_backend('eager'):
        assert choose_backend(x)[0] == 'eager'
        assert choose_backend(x, 'composed')[0] == 'composed'


def test_use_backend_ends_with_its_block_even_by_an_error(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    x = torch.zeros(1, 4, 4, 8)
    free = choose_backend(x)[0]
    with use_backend('eager'):
        with pytest.raises(KeyError), use_backend('composed'):
            assert choose_backend(x)[0] == 'composed'
            raise KeyError
        with use_backend(None):
            assert choose_backend(x)[0] == 'eager'
    assert choose_backend(x)[0] == free != 'composed'


def test_use_backend_does_not_leak_into_other_threads(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    x = torch.zeros(1, 4, 4, 8)
    free = choose_backend(x)[0]
    with ThreadPoolExecutor(1) as other:
        with use_backend('composed'):
            assert other.submit(choose_backend, x).result()[0] == free != 'composed'
            assert VARIABLE not in os.environ
            assert choose_backend(x)[0] == 'composed'


@pytest.mark.parametrize(
    'old, new',
    [('compiled', 'cpu'), ('torch', 'eager'), ('reference', 'composed'), ('triton', 'triton')],
)
def test_the_variable_of_old_versions_is_refused_with_its_new_name_and_value(monkeypatch, old, new):
    monkeypatch.setenv('AFNO_MM_PATH', old)
    with pytest.raises(ValueError, match=f'set AFNO_MM_BACKEND={new} in its place'):
        choose_backend(torch.zeros(1, 4, 4, 8))


def test_a_backend_is_added_in_two_edits(monkeypatch):
    """The first edit is a module with ``refusal`` and ``run``, the second its row in BACKENDS."""
    monkeypatch.delenv(VARIABLE, raising=False)

    def refusal(x):
        return 'the tokens are wide' if x.shape[2] > 8 else None

    def run(x, weights, settings):
        return torch.full_like(x, 7)

    stub = SimpleNamespace(refusal=refusal, run=run)
    monkeypatch.setattr(dispatch, 'BACKENDS', {'stub': stub, **BACKENDS})

    x, *weights = make((4, 8))
    wide = make((4, 9))[0]
    assert choose_backend(x)[0] == 'stub'
    assert (afno_operator(x, *weights, THRESHOLD) == 7).all()
    name, reason = choose_backend(wide)
    assert name != 'stub' and 'not stub: the tokens are wide' in reason
    assert not (afno_operator(wide, *weights, THRESHOLD) == 7).any()
    with use_backend('stub'):
        assert choose_backend(x)[0] == 'stub'
        with pytest.raises(ValueError, match="backend='stub' was asked for, but the tokens are"):
            choose_backend(wide)


@pytest.mark.parametrize(
    'asked, dtype, message',
    [
        (
            'fastest',
            torch.float32,
            'AFNO_MM_BACKEND=fastest is not a backend of AFNO; there are .*composed',
        ),
        ('eager', torch.float64, 'AFNO_MM_BACKEND=eager was asked for, but the tokens are float64'),
    ],
)
def test_a_backend_that_does_not_exist_or_refuses_cannot_be_forced(
    monkeypatch, asked, dtype, message
):
    monkeypatch.setenv(VARIABLE, asked)
    with pytest.raises(ValueError, match=message):
        choose_backend(torch.zeros(1, 4, 4, 8, dtype=dtype))


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(x=(1, 4, 4, 24)), r'got \(1, 4, 4, 24\)'),
        (dict(w1=(2, 4, 4, 4)), 'tokens must be'),
        (dict(b1=(2, 2, 3)), 'tokens must be'),
        (dict(w2=(2, 2, 3, 4)), 'tokens must be'),
        (dict(b2=(2, 4, 2)), 'tokens must be'),
        (dict(x=(4, 4, 8)), 'tokens must be'),
        (dict(mode_fraction=2.5), r'mode_fraction must be in \(0, 1\], got 2.5'),
        (dict(mode_fraction=0.0), 'mode_fraction must be'),
    ],
)
def test_shapes_that_do_not_fit_are_refused(change, message):
    shapes = dict(x=(1, 4, 4, 8), w1=(2, 2, 4, 4), b1=(2, 2, 4), w2=(2, 2, 4, 4), b2=(2, 2, 4))
    fraction = change.pop('mode_fraction', 1.0)
    tensors = [torch.zeros(shape) for shape in (shapes | change).values()]
    with pytest.raises(ValueError, match=message):
        afno_operator(*tensors, THRESHOLD, fraction)


def test_a_weight_on_another_device_is_named():
    x, *weights = torch.zeros(1, 4, 4, 8), *(torch.zeros(2, 1, *s) for s in ((8, 8), (8,)) * 2)
    weights[2] = weights[2].to('meta')
    with pytest.raises(ValueError, match='the tokens are on cpu, and w2 is on meta'):
        afno_operator(x, *weights, 0.01)


class Layer(torch.nn.Module):
    def __init__(self, weights):
        super().__init__()
        self.weights = torch.nn.ParameterList(weights)

    def forward(self, x):
        return afno_operator(x, *self.weights, THRESHOLD, 0.5, residual=True)


@pytest.mark.parametrize(
    'as_graph', [lambda layer, x: torch.export.export(layer, (x,)).module(), torch.jit.trace]
)
def test_exported_graphs_hold_plain_operators(monkeypatch, as_graph):
    monkeypatch.delenv(VARIABLE, raising=False)
    x, *weights = (t.detach() for t in make((6, 7)))
    layer = Layer(weights)
    graph = as_graph(layer, x)
    assert not re.search(r'afno_mm(::|\.)', str(graph.graph))
    torch.testing.assert_close(graph(x), layer(x))


@pytest.mark.parametrize(
    'transform',
    [
        torch.func.vmap,
        lambda f: torch.func.grad(lambda x: f(x).sum()),
        lambda f: lambda x: torch.func.jvp(f, (x,), (x,))[1],
    ],
    ids=['vmap', 'grad', 'jvp'],
)
def test_function_transforms_take_the_backend_composed(monkeypatch, transform):
    """Custom operators have no rules for them and would be silently wrong."""
    monkeypatch.delenv(VARIABLE, raising=False)
    x, *weights = (t.detach() for t in make((6, 7)))

    def function(x, backend=None):
        return afno_operator(
            x[None] if x.ndim == 3 else x, *weights, THRESHOLD, backend=backend
        ).reshape(x.shape)

    torch.testing.assert_close(
        transform(function)(x), transform(lambda x: function(x, 'composed'))(x)
    )
