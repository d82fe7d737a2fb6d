"""Programs that PyTorch makes of the mixers: exported, traced, compiled, or transformed."""

import io

import pytest
import torch
from afno_mm.mixers import AFNO, ESA, FNO, GFN, LS, SA, StaticAFNO
from afno_mm.ops import choose_backend, kept_modes
from afno_mm.ops.afno import VARIABLE
from torch._dynamo.backends.registry import lookup_backend
from torch.autograd import forward_ad

MIXERS = {
    'AFNO': lambda: AFNO(12, 3),
    'AFNO-25%': lambda: AFNO(12, 3, mode_fraction=0.5, hidden_ratio=2, bias='conv'),
    'AFNO-1/3': lambda: AFNO(12, 3, 0, mode_fraction=1 / 3, norm='forward', bias='none'),
    'AFNO-filter': lambda: AFNO(12, 3, mode_fraction=0.5, frequency_filter='smooth'),
    'GFN': lambda: GFN(12, (9, 10)),
    'GFN-exact': lambda: GFN(12, (9, 10), 'exact'),
    'FNO': lambda: FNO(12, (2, 2)),
    'AFNO-local': lambda: AFNO(12, 3, bias='depthwise', padding=0.25),
    'StaticAFNO': lambda: StaticAFNO(12, 3, (6, 9), bias='conv'),
    'LS': lambda: LS(12, 2),
    'LS-3': lambda: LS(12, 2, window_size=3),
    'SA': lambda: SA(12, 2),
    'ESA': lambda: ESA(12, 2, sr_ratio=2),
    'ESA-8': lambda: ESA(12, 2, sr_ratio=8),
}
every_mixer = pytest.mark.parametrize('name', MIXERS)
EXAMPLE = (2, 9, 10, 12)
SHAPES = [EXAMPLE, (3, 7, 16, 12), (1, 10, 10, 12), (4, 6, 13, 12), (2, 2, 3, 12), (2, 32, 17, 12)]
DYNAMIC = torch.export.Dim.DYNAMIC
on_new_torch = pytest.mark.skipif(
    not hasattr(torch.compiler, 'is_exporting'), reason='this torch does not tell of an export'
)


def make(name):
    """Return a mixer in which every parameter changes the output."""
    mixer = MIXERS[name]().eval()
    with torch.no_grad():
        for p in mixer.parameters():
            p.normal_(std=0.3)
    return mixer


def assert_same(program, mixer, shapes=SHAPES, bound=1e-5):
    for shape in shapes:
        x = torch.randn(shape)
        with torch.no_grad():
            expected, actual = mixer(x), program(x)
        assert actual.shape == expected.shape
        error = (actual - expected).abs().max() / expected.abs().max()
        assert error < bound, f'{shape}: {error:.1e}'


@pytest.mark.slow
@on_new_torch
@every_mixer
@pytest.mark.parametrize('dim', [DYNAMIC, torch.export.Dim.AUTO], ids=['DYNAMIC', 'AUTO'])
def test_one_exported_program_takes_any_grid(name, dim):
    mixer = make(name)
    shapes = ({0: dim, 1: dim, 2: dim},)
    program = torch.export.export(mixer, (torch.randn(EXAMPLE),), dynamic_shapes=shapes)
    operators = {str(n.target) for n in program.graph.nodes if n.op == 'call_function'}
    assert not any('fft' in o or 'complex' in o or 'afno_mm' in o for o in operators)
    assert_same(program.module(), mixer)


@on_new_torch
@every_mixer
@pytest.mark.slow
def test_onnx_runtime_agrees_on_any_grid(name, tmp_path):
    for library in ('onnx', 'onnxscript'):
        pytest.importorskip(library)
    runtime = pytest.importorskip('onnxruntime')
    mixer, file = make(name), tmp_path / 'mixer.onnx'
    shapes = ({0: DYNAMIC, 1: DYNAMIC, 2: DYNAMIC},)
    arguments = mixer, (torch.randn(EXAMPLE),), file
    torch.onnx.export(*arguments, dynamo=True, verbose=False, dynamic_shapes=shapes)
    session = runtime.InferenceSession(file, providers=['CPUExecutionProvider'])
    (tokens,) = session.get_inputs()

    def program(x):
        return torch.from_numpy(session.run(None, {tokens.name: x.numpy()})[0])

    assert_same(program, mixer, [*SHAPES, (1, 1, 1, 12)], 1e-4)


@on_new_torch
@pytest.mark.parametrize('name', ['AFNO-25%', 'LS'])
@pytest.mark.slow
def test_onnx_runtime_takes_float16_modules_and_tokens(name, tmp_path):
    for library in ('onnx', 'onnxscript'):
        pytest.importorskip(library)
    runtime = pytest.importorskip('onnxruntime')
    mixer, x, file = make(name), torch.randn(EXAMPLE), tmp_path / 'mixer.onnx'
    expected = mixer(x)
    torch.onnx.export(mixer.half(), (x.half(),), file, dynamo=True, verbose=False)
    session = runtime.InferenceSession(file, providers=['CPUExecutionProvider'])
    (y,) = session.run(None, {session.get_inputs()[0].name: x.half().numpy()})
    assert y.dtype == 'float16'
    assert (torch.from_numpy(y) - expected).norm() < 5e-3 * expected.norm()


@every_mixer
@pytest.mark.filterwarnings('error::torch.jit.TracerWarning')
def test_a_traced_mixer_is_right_on_any_grid_and_can_be_saved(name):
    mixer, file = make(name), io.BytesIO()
    torch.jit.save(torch.jit.trace(mixer, torch.randn(EXAMPLE)), file)
    file.seek(0)
    assert_same(torch.jit.load(file), mixer, [*SHAPES, (1, 1, 1, 12)])


def test_a_large_exported_grid_is_accurate_in_float32():
    """Phases are whole steps modulo the size. In float32, 2 pi u t would be wrong by 0.01."""
    mixer = AFNO(2, 1, 0, bias='none')
    with torch.no_grad():
        for p in mixer.parameters():
            p.normal_()
    x = torch.randn(1, 1, 4093, 2)
    traced = torch.jit.trace(mixer, torch.randn(1, 4, 4, 2))
    expected = mixer.double()(x.double())
    assert (traced(x) - expected).norm() < 1e-5 * expected.norm()


# Three are the code of others: StaticAFNO (with more modes than some grids), LS-3 and AFNO-1/3.
# LS and FNO take a minute each.
COMPILED = [n for n in MIXERS if n not in ('StaticAFNO', 'LS-3', 'AFNO-1/3', 'LS', 'FNO')]
TWELVE = [(8, 8), (9, 8), (7, 16), (10, 10), (13, 6), (14, 15)]
TWELVE += [(16, 20), (6, 5), (18, 18), (30, 21), (11, 31), (24, 9)]


@pytest.mark.slow
@on_new_torch
@pytest.mark.parametrize('name', COMPILED)
def test_three_compiled_programs_train_on_twelve_grids(name, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    torch._dynamo.reset()
    mixer, programs = make(name).train(), []

    def backend(graph, inputs):
        programs.append(str(graph.graph))
        return lookup_backend('aot_eager')(graph, inputs)

    compiled = torch.compile(mixer, dynamic=True, fullgraph=True, backend=backend)
    for grid in TWELVE:
        # ESA's grids have two windows or more.
        grid = tuple(size + 16 for size in grid) if name == 'ESA-8' else grid
        x = torch.randn(2, *grid, 12, requires_grad=True)
        weight = torch.randn_like(x)
        actual, expected = (
            torch.autograd.grad((f(x) * weight).sum(), x) for f in (compiled, mixer)
        )
        torch.testing.assert_close(actual, expected)
    assert len(programs) <= 3
    fast = choose_backend(x)[0]
    if name.startswith('AFNO') and fast != 'composed':
        assert all(f'{fast}_afno' in program for program in programs)


@every_mixer
@pytest.mark.parametrize('transform', ['vmap', 'grad', 'per sample', 'jvp', 'forward mode'])
def test_function_transforms_agree(name, transform):
    mixer = make(name).double()
    x, tangent = torch.randn(2, 2, 7, 6, 12, dtype=torch.float64)
    parameters = dict(mixer.named_parameters())

    def loss(parameters, x):
        return (torch.func.functional_call(mixer, parameters, (x,)) * tangent[: len(x)]).sum()

    def difference():
        return (mixer(x + 1e-6 * tangent) - mixer(x - 1e-6 * tangent)) / 2e-6

    bounds = {}
    if transform == 'vmap':
        actual, expected = torch.func.vmap(lambda x: mixer(x[None])[0])(x), mixer(x)
    elif transform == 'grad':
        actual = torch.func.grad(loss)(parameters, x)
        expected = dict(
            zip(parameters, torch.autograd.grad(loss(parameters, x), parameters.values()))
        )
    elif transform == 'per sample':
        of_one = torch.func.grad(
            lambda p, x: torch.func.functional_call(mixer, p, (x[None],)).sum()
        )
        actual = torch.func.vmap(of_one, in_dims=(None, 0))(parameters, x)
        actual = {key: gradient.sum(0) for key, gradient in actual.items()}
        expected = dict(zip(parameters, torch.autograd.grad(mixer(x).sum(), parameters.values())))
    elif transform == 'jvp':
        actual, expected = torch.func.jvp(mixer, (x,), (tangent,))[1], difference()
        bounds = dict(atol=1e-6, rtol=1e-6)
    else:
        with forward_ad.dual_level():
            actual = forward_ad.unpack_dual(mixer(forward_ad.make_dual(x, tangent))).tangent
        expected, bounds = difference(), dict(atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(actual, expected, **bounds)


@pytest.mark.parametrize('mode_fraction', [1, 0.5, 32 / 56, 0.3, 1 / 3, 0.1, 0.999, 0.3333333])
def test_kept_modes_in_whole_numbers_are_those_of_the_formula_in_floats(mode_fraction):
    for size in range(1, 4097):
        m = int(mode_fraction * (size // 2) + 1e-9)
        assert kept_modes((size, size), mode_fraction) == (min(2 * m + 1, size), m + 1)


@every_mixer
@pytest.mark.parametrize('weights', [torch.float32, torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize('tokens', [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_tokens_and_weights_may_differ_in_dtype(name, weights, tokens):
    mixer = make(name).to(weights)
    x = torch.randn(EXAMPLE).to(tokens)
    y = mixer(x)
    expected = mixer.double()(x.double())
    assert y.dtype == tokens
    assert (y - expected).norm() < 3e-2 * expected.norm()


def test_transforms_cached_under_another_default_device_still_work():
    mixer, x = AFNO(12, 3), torch.randn(1, 11, 14, 12)
    with torch.device('meta'):
        y = mixer(x)
    torch.testing.assert_close(y, mixer(x))
