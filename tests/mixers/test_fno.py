"""FNO and AFNO with static weights: reference vectors, definitions, invariants."""

import pytest
import torch
from afno_mm.mixers import AFNO, FNO, StaticAFNO
from afno_mm.mixers.afno import local_bias
from afno_mm.ops import irfft2, naive, rfft2_modes
from vectors import VECTORS, assert_reproduces, load

GRIDS = [(1, 1), (1, 5), (8, 8), (9, 8), (7, 16), (6, 7)]
MODES = [(3, 2), (4, 5), (6, 9)]


def test_there_are_vectors():
    assert len(VECTORS('fno_*.npz')) == 2


@pytest.mark.parametrize('path', VECTORS('fno_*.npz'), ids=lambda p: p.stem)
def test_reference_vectors(path):
    data = load(path)
    modes = data['meta.modes1'], data['meta.modes2']
    assert_reproduces(FNO(data['input'].shape[1], modes), data)


def assert_defined_by(mixer, x, definition):
    weights = mixer.weights1, mixer.weights2
    actual, expected = mixer(x), definition(x, *weights)
    torch.testing.assert_close(actual, expected)
    weight = torch.randn_like(x)
    for a, b in zip(
        *(
            torch.autograd.grad((y * weight).sum(), [x, *weights], materialize_grads=True)
            for y in (actual, expected)
        )
    ):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize('grid', GRIDS)
@pytest.mark.parametrize('num_modes', MODES)
def test_fno_definition(grid, num_modes):
    x = torch.randn(2, *grid, 3, dtype=torch.float64, requires_grad=True)
    assert_defined_by(
        FNO(3, num_modes).double(), x, lambda x, w1, w2: naive.mode_product(x, w1[None], w2[None])
    )


@pytest.mark.parametrize('grid', GRIDS)
@pytest.mark.parametrize('num_modes', MODES)
@pytest.mark.parametrize('sparsity_threshold', [0, 0.3])
def test_static_afno_definition(grid, num_modes, sparsity_threshold):
    mixer = StaticAFNO(6, 2, num_modes, sparsity_threshold).double()
    x = torch.randn(2, *grid, 6, dtype=torch.float64, requires_grad=True)
    assert_defined_by(
        mixer, x, lambda x, w1, w2: x + naive.mode_product(x, w1, w2, sparsity_threshold, 'ortho')
    )


@pytest.mark.parametrize('grid', [(4, 4), (3, 5), (6, 5), (1, 1)])
@pytest.mark.parametrize(
    'mixer',
    [FNO(2, (2, 3)), StaticAFNO(4, 2, 2, 0.05, 'conv'), StaticAFNO(2, 1, (1, 2), bias='none')],
)
def test_gradcheck(mixer, grid):
    mixer = mixer.double()
    x = torch.randn(1, *grid, mixer.embed_dims, dtype=torch.float64, requires_grad=True)
    names, values = zip(*mixer.named_parameters())

    def apply(x, *values):
        return torch.func.functional_call(mixer, dict(zip(names, values)), (x,))

    assert torch.autograd.gradcheck(apply, (x, *values), fast_mode=True)
    assert torch.autograd.gradgradcheck(apply, (x, *values), fast_mode=True)


@pytest.mark.parametrize('grid', [(8, 8), (9, 8), (7, 16)])
@pytest.mark.parametrize('mixer', [FNO(4, 3), StaticAFNO(4, 2, 3, sparsity_threshold=0)])
def test_shift_equivariance(mixer, grid):
    x = torch.randn(1, *grid, 4, dtype=torch.float64)
    shifted = mixer.double()(x.roll((3, 2), (1, 2)))
    torch.testing.assert_close(shifted, mixer(x).roll((3, 2), (1, 2)))


def test_resolution_invariance():
    """Sec. 3.2: a field of |f| <= 3 comes out the same from a grid of 16 and one of 32."""
    mixer = FNO(4, (4, 4)).double()
    spectrum = rfft2_modes(torch.randn(1, 16, 16, 4, dtype=torch.float64), 7, 4, 'forward')
    at_16, at_32 = (irfft2(spectrum, (n, n), 'forward') for n in (16, 32))
    torch.testing.assert_close(mixer(at_32)[:, ::2, ::2], mixer(at_16))


def test_published_complex_weights_load_and_own_ones_load_again(load_into):
    state = {f'0.weights{i}': torch.randn(4, 4, 3, 2, dtype=torch.cfloat) for i in (1, 2)}
    model = torch.nn.Sequential(FNO(4, (3, 2)))
    load_into(model, state)
    for key, weight in state.items():
        assert weight.is_complex()  # the caller's own
        assert torch.equal(torch.view_as_complex(model.state_dict()[key]), weight)
    again = torch.nn.Sequential(FNO(4, (3, 2)))
    load_into(again, model.state_dict())
    assert torch.equal(again[0].weights2, model[0].weights2)


def test_weights_of_other_modes_are_refused():
    with pytest.raises(RuntimeError, match='size mismatch for weights1'):
        FNO(4, 3).load_state_dict(FNO(4, (3, 2)).state_dict())


def test_parameter_counts_of_table_6():
    """A.6: a ViT-XS of 16M parameters with 5 of these layers, with 28 x 14 modes."""
    assert sum(p.numel() for p in FNO(64, 14).parameters()) == 2 * (2 * 14 * 14 * 64 * 64)
    static = StaticAFNO(124, 4, 14, bias='none')
    assert sum(p.numel() for p in static.parameters()) == 2 * (2 * 14 * 14 * 4 * 31 * 31)


def test_fno_starts_as_published():
    for weights in (FNO(16, 6).weights1, FNO(16, 6).weights2):
        assert 0 <= weights.min() < 0.01 / 16**2 and 0.99 / 16**2 < weights.max() < 1 / 16**2
        assert weights.mean().item() == pytest.approx(0.5 / 16**2, rel=0.02)


def test_static_afno_may_start_at_the_scale_of_afno():
    scale = AFNO(32, 4).w1.std().item()
    mixer = StaticAFNO(32, 4, 8, init='published')
    for weights in (mixer.weights1, mixer.weights2):
        assert weights.std().item() == pytest.approx(scale, rel=0.05)


@pytest.mark.parametrize('bias', ['identity', 'conv'])
def test_local_term_of_fno_is_that_of_afno(bias):
    x = torch.randn(2, 9, 8, 6)
    mixer, alone = FNO(6, 3, bias), FNO(6, 3)
    alone.load_state_dict({k: v for k, v in mixer.state_dict().items() if 'bias' not in k})
    local = local_bias(bias, 6)
    local.load_state_dict(mixer.bias.state_dict())
    torch.testing.assert_close(mixer(x), alone(x) + local(x))


@pytest.mark.parametrize('num_blocks', [1, 4, 62])
def test_static_afno_starts_with_modes_of_the_same_scale(num_blocks):
    mixer = StaticAFNO(124, num_blocks, 14, sparsity_threshold=0, bias='none')
    x = torch.randn(1, 56, 56, 124)
    kept = irfft2(rfft2_modes(x, 28, 14), (56, 56))
    assert (mixer(x).std() / kept.std()).item() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(
    'build, message',
    [
        (lambda: FNO(24, 0), 'num_modes must be a whole number >= 1 or two'),
        (lambda: FNO(24, (4, 4, 4)), r'num_modes.*\(4, 4, 4\)'),
        (lambda: FNO(24, (4, 0.5)), 'num_modes'),
        (lambda: StaticAFNO(24, 2, 0), 'num_modes'),
        (lambda: StaticAFNO(24, 5, 4), 'num_blocks must divide embed_dims'),
        (lambda: StaticAFNO(24, 2, 4, sparsity_threshold=-1), 'sparsity_threshold must be >= 0'),
        (lambda: StaticAFNO(24, 2, 4, bias='konv'), "bias must be one of .*'konv'"),
        (lambda: StaticAFNO(24, 2, 4, init='small'), "init must be one of .*'small'"),
        (lambda: FNO(24, 2, bias='konv'), "bias must be one of .*'konv'"),
    ],
)
def test_bad_settings_are_named(build, message):
    with pytest.raises(ValueError, match=message):
        build()
