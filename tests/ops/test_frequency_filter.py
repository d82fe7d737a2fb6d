"""The filter of frequencies beside AFNO's MLP: every backend against the float64 definition."""

import os
import re

import pytest
import torch
from afno_mm.ops import afno_operator, kept_modes, naive
from afno_mm.ops.afno import BACKENDS, VARIABLE, eager, planar
from afno_mm.ops.afno.triton import operator as triton
from test_afno_backends import THRESHOLD, assert_close, doubles, gradients, make

# The last takes seconds under Triton's interpreter.
GRIDS = [(8, 8), (9, 8), (7, 16), (1, 5), pytest.param((16, 64), marks=pytest.mark.slow)]
NAMES = [*BACKENDS, 'eager by FFT']


@pytest.fixture(params=NAMES)
def backend(request, monkeypatch):
    """Each backend: 'eager' in pieces that do not divide the spectrum, 'triton' interpreted."""
    monkeypatch.delenv(VARIABLE, raising=False)
    name, *transform = request.param.split(' by ')
    if name == 'triton' and os.environ.get('TRITON_INTERPRET') == '1':
        monkeypatch.setattr(triton, 'ACCEPT_INTERPRETED', True)
    monkeypatch.setattr(eager, 'PIECE', 1000)
    monkeypatch.setattr(planar, 'is_dense', lambda *_: not transform)
    reason = BACKENDS[name].refusal(torch.zeros(1, 8, 8, 12))
    if reason is not None:
        pytest.skip(reason)
    return name


def make_filter(grid, mode_fraction, factored, channels=12, rank=3):
    """Return a filter without any symmetry, whole or as factors, in a list."""
    modes = kept_modes(grid, mode_fraction)
    factors = [(*modes, rank), (2, rank + 1, channels)]
    shapes = factors if factored else [(2, *modes, channels)]
    return [torch.randn(shape, requires_grad=True) for shape in shapes]


def filtered(x, w1, b1, w2, b2, *factors, mode_fraction=1.0, **settings):
    of_filter = factors if len(factors) == 2 else factors[0]
    settings.update(residual=True, frequency_filter=of_filter)
    return afno_operator(x, w1, b1, w2, b2, THRESHOLD, mode_fraction, **settings)


def naive_filtered(x, w1, b1, w2, b2, *factors, mode_fraction=1.0, norm='ortho'):
    g = factors[0]
    if len(factors) == 2:
        basis = torch.cat([factors[0], torch.ones_like(factors[0][..., :1])], -1)
        g = torch.einsum('uvr,prc->puvc', basis, factors[1])
    return naive.afno(x, w1, b1, w2, b2, THRESHOLD, mode_fraction, norm, g) + x.double()


def assert_agrees(function, inputs, bound=1e-5, **settings):
    y, exact = function(*inputs), doubles(inputs)
    expected = naive_filtered(*exact, **settings)
    assert y.dtype == inputs[0].dtype
    assert_close([y, *gradients(y, inputs)], [expected, *gradients(expected, exact)], bound)


@pytest.mark.parametrize('grid', GRIDS)
@pytest.mark.parametrize(
    'mode_fraction, norm, factored', [(1.0, 'ortho', True), (0.5, 'forward', False)]
)
def test_values_and_gradients_agree(backend, grid, mode_fraction, norm, factored):
    settings = dict(mode_fraction=mode_fraction, norm=norm)
    inputs = make(grid) + make_filter(grid, mode_fraction, factored)
    assert_agrees(lambda *t: filtered(*t, **settings, backend=backend), inputs, **settings)


@pytest.mark.parametrize('grid, num_blocks, channels', [((6, 10), 1, 33), ((12, 7), 3, 60)])
def test_more_images_and_channels_than_a_vector_agree(backend, grid, num_blocks, channels):
    inputs = make(grid, 3, channels, num_blocks, ratio=1)
    inputs += make_filter(grid, 1.0, True, channels, rank=32)
    assert_agrees(lambda *t: filtered(*t, backend=backend), inputs)


@pytest.mark.parametrize('trained', [[0], [1, 2, 3, 4], [5], [6], [0, 5, 6]], ids=str)
def test_gradients_of_some_inputs_when_others_are_frozen(backend, trained):
    inputs = make((6, 7)) + make_filter((6, 7), 1.0, True)
    for i, t in enumerate(inputs):
        t.requires_grad_(i in trained)
    y, exact = filtered(*inputs, backend=backend), doubles(inputs)
    expected = gradients(naive_filtered(*exact), [exact[i] for i in trained])
    assert_close(gradients(y, [inputs[i] for i in trained]), expected)


@pytest.mark.parametrize('factored', [False, True])
@pytest.mark.parametrize('threads', [1, 4])
def test_many_threads_add_the_gradients_of_all_images(threads, factored):
    inputs = make((16, 17), 3) + make_filter((16, 17), 1.0, factored)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        for backend in ('cpu', 'eager'):
            if BACKENDS[backend].refusal(inputs[0]) is None:
                assert_agrees(lambda *t: filtered(*t, backend=backend), inputs)  # noqa: B023
                runs = [gradients(filtered(*inputs, backend=backend), inputs) for _ in range(2)]
                assert all(map(torch.equal, *runs))
    finally:
        torch.set_num_threads(before)


@pytest.mark.slow
def test_half_precision_tokens_agree(backend):
    inputs = make((4, 5), dtype=torch.float16) + make_filter((4, 5), 1.0, True)
    assert_agrees(lambda *t: filtered(*t, backend=backend), inputs, 4e-3)


def test_without_gradients_the_result_is_the_same(backend):
    inputs = make() + make_filter((7, 8), 1.0, False)
    expected = filtered(*inputs, backend=backend).detach()
    with torch.no_grad():
        assert torch.equal(filtered(*inputs, backend=backend), expected)
    again = torch.autograd.grad(filtered(*inputs, backend=backend).sum(), inputs)
    for a, b in zip(torch.autograd.grad(filtered(*inputs, backend=backend).sum(), inputs), again):
        assert torch.equal(a, b)


def test_a_filter_of_zeros_changes_no_bit(backend):
    inputs = make()
    of_filter = [torch.zeros_like(t) for t in make_filter((7, 8), 1.0, False)]
    plain, zero = (
        afno_operator(*inputs, THRESHOLD, residual=True, backend=backend, frequency_filter=g)
        for g in (None, *of_filter)
    )
    for a, b in zip(*([y, *gradients(y, inputs)] for y in (plain, zero))):
        assert torch.equal(a, b)


def test_an_empty_batch_gives_an_empty_result_and_zero_gradients(backend):
    inputs = make(batch=0) + make_filter((7, 8), 1.0, True)
    y = filtered(*inputs, backend=None if backend == 'eager' else backend)
    assert y.shape == (0, 7, 8, 12)
    assert all(not g.any() for g in gradients(y, inputs))


@pytest.mark.slow
def test_compiles_without_a_break(backend, mode_fraction=0.5):
    if backend in ('composed', 'portable'):
        pytest.skip('tests/test_every_mixer.py compiles the mixer')
    torch._dynamo.reset()
    function = torch.compile(
        lambda *t: filtered(*t, mode_fraction=mode_fraction, backend=backend),
        fullgraph=True,
        backend='aot_eager',
    )
    inputs = make((9, 8)) + make_filter((9, 8), mode_fraction, True)
    assert_agrees(function, inputs, mode_fraction=mode_fraction)


def test_the_fast_backends_save_factors_and_not_their_product(backend):
    if backend in ('composed', 'portable'):
        pytest.skip('autograd decides what they save')
    inputs = make((16, 16)) + make_filter((16, 16), 1.0, True)
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t) or t, lambda t: t):
        filtered(*inputs, backend=backend)
    assert any(t.shape == (16, 9, 3) for t in saved)
    assert all(t.shape != (2, 16, 9, 12) for t in saved)


class Layer(torch.nn.Module):
    def __init__(self, tensors):
        super().__init__()
        self.tensors = torch.nn.ParameterList(tensors)

    def forward(self, x):
        return filtered(x, *self.tensors, mode_fraction=0.5)


@pytest.mark.parametrize(
    'as_graph', [lambda layer, x: torch.export.export(layer, (x,)).module(), torch.jit.trace]
)
@pytest.mark.parametrize('factored', [True, False])
def test_exported_graphs_hold_plain_operators(monkeypatch, as_graph, factored):
    monkeypatch.delenv(VARIABLE, raising=False)
    x, *tensors = (t.detach() for t in make((6, 7)) + make_filter((6, 7), 0.5, factored))
    layer = Layer(tensors)
    graph = as_graph(layer, x)
    assert not re.search(r'afno_mm(::|\.)', str(graph.graph))
    torch.testing.assert_close(graph(x), layer(x))


@pytest.mark.parametrize(
    'shapes', [[(2, 7, 4, 12)], [(2, 7, 5, 11)], [(7, 5, 3), (2, 3, 12)], [(7, 4, 3), (2, 4, 12)]]
)
def test_a_filter_of_another_grid_or_width_is_refused(shapes):
    factors = [torch.zeros(shape) for shape in shapes]
    with pytest.raises(ValueError, match=r'tokens \(2, 7, 8, 12\).*make it for this grid'):
        filtered(*make((7, 8)), *factors)
