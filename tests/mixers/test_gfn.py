"""GFN: reference vectors, float64 definition, resizing of filters."""

import numpy as np
import pytest
import torch
from afno_mm.mixers import FNO, GFN, StaticAFNO
from afno_mm.ops import FILTER_RESIZES, filter_grid, naive
from mmengine.model import ExponentialMovingAverage
from torch.func import functional_call, stack_module_state
from vectors import VECTORS, assert_reproduces, load, relative_error

GRIDS = [(1, 1), (1, 5), (8, 8), (9, 8), (7, 16), (6, 7)]
RESIZES = ['bilinear', 'exact']


def test_there_are_vectors():
    assert len(VECTORS('gfn_*.npz')) == 2


@pytest.mark.parametrize('path', VECTORS('gfn_*.npz'), ids=lambda p: p.stem)
def test_reference_vectors(path):
    data = load(path)
    assert_reproduces(GFN(data['input'].shape[-1], (data['meta.H'], data['meta.W'])), data)


@pytest.mark.parametrize('grid', GRIDS)
def test_float64_definition(grid):
    mixer = GFN(3, grid).double()
    x = torch.randn(2, *grid, 3, dtype=torch.float64, requires_grad=True)
    actual, expected = mixer(x), naive.global_filter(x, mixer.complex_weight)
    torch.testing.assert_close(actual, expected)
    weight = torch.randn_like(x)
    for a, b in zip(
        *(
            torch.autograd.grad((y * weight).sum(), [x, mixer.complex_weight])
            for y in (actual, expected)
        )
    ):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize('resize', RESIZES)
@pytest.mark.parametrize(
    'grid', [(3, 6), (1, 1), *(pytest.param(g, marks=pytest.mark.slow) for g in [(4, 4), (5, 3)])]
)
def test_gradcheck(grid, resize):
    mixer = GFN(2, 4, resize).double()
    x = torch.randn(1, *grid, 2, dtype=torch.float64, requires_grad=True)

    def apply(x, weight):
        return torch.func.functional_call(mixer, dict(complex_weight=weight), (x,))

    assert torch.autograd.gradcheck(apply, (x, mixer.complex_weight))
    assert torch.autograd.gradgradcheck(apply, (x, mixer.complex_weight))


@pytest.mark.parametrize('resize', RESIZES)
@pytest.mark.parametrize('grid', [(8, 8), (9, 8), (7, 16)])
def test_shift_equivariance(grid, resize):
    mixer = GFN(4, 8, resize).double()
    x = torch.randn(1, *grid, 4, dtype=torch.float64)
    shifted = mixer(x.roll((3, 2), (1, 2)))
    torch.testing.assert_close(shifted, mixer(x).roll((3, 2), (1, 2)))


@pytest.mark.parametrize('grid', [(8, 8), (9, 8), (6, 7)])
def test_is_fno_with_diagonal_matrices_and_static_afno_with_blocks_of_one_channel(grid):
    """Sec. 3.2 and 4 of the paper."""
    gfn = GFN(4, grid).double()
    m1, m2 = (grid[0] + 1) // 2, grid[1] // 2 + 1
    fno = FNO(4, (m1, m2)).double()
    static = StaticAFNO(4, 4, (m1, m2), sparsity_threshold=0, bias='none').double()
    kernel = gfn.complex_weight.detach().permute(2, 0, 1, 3)  # (C, H, W//2+1, 2)
    negative = grid[0] // 2
    for mixer in (fno, static):
        for weights in (mixer.weights1, mixer.weights2):
            weights.data.zero_()
    for c in range(4):
        for mixer, block in ((fno, (c, c)), (static, (c, 0, 0))):
            mixer.weights1.data[block] = kernel[c, :m1]
            mixer.weights2.data[block][m1 - negative :] = kernel[c, m1:]
    x = torch.randn(2, *grid, 4, dtype=torch.float64)
    torch.testing.assert_close(fno(x), gfn(x))
    torch.testing.assert_close(static(x), gfn(x))


def with_kernel(grid, taps, resize):
    """Make a GFN that convolves with ``taps``, ``{(row offset, column offset): (C,)}``."""
    kernel = torch.zeros(*grid, 2, dtype=torch.float64)
    for offset, value in taps.items():
        kernel[offset] += value
    mixer = GFN(2, grid, resize).double()
    spectrum = torch.fft.rfft2(kernel, dim=(0, 1))
    mixer.load_state_dict(dict(complex_weight=torch.view_as_real(spectrum)))
    return mixer


def convolve(x, taps):
    return sum(value * x.roll(offset, (1, 2)) for offset, value in taps.items())


@pytest.mark.parametrize('new_grid', [(8, 8), (8, 9), (9, 8), (16, 14), (3, 3), (5, 31), (4, 20)])
@pytest.mark.parametrize('grid', [(8, 8), (7, 7), (5, 6)])
def test_exact_resizing_keeps_a_compact_kernel_and_bilinear_does_not(grid, new_grid):
    taps = {(i, j): torch.randn(2).double() for i in (-1, 0, 1) for j in (-1, 0, 1)}
    x = torch.randn(1, *new_grid, 2, dtype=torch.float64)
    expected = convolve(x, taps)
    torch.testing.assert_close(with_kernel(grid, taps, 'exact')(x), expected)
    bilinear = with_kernel(grid, taps, 'bilinear')(x)
    if grid == new_grid:
        torch.testing.assert_close(bilinear, expected)
    else:
        assert relative_error(bilinear, expected) > 0.02


@pytest.mark.parametrize('grid', [(8, 8), (7, 9), (6, 5), (1, 4)])
def test_exact_resizing_and_back_gives_the_same_filter(grid):
    exact = FILTER_RESIZES['exact']
    weight = torch.randn(*grid, 3).double()
    weight = torch.view_as_real(torch.fft.rfft2(weight, dim=(0, 1)))
    larger = (grid[0] + 5, grid[1] + 8)
    torch.testing.assert_close(exact(exact(weight, grid, larger), larger, grid), weight)


def test_bilinear_resizing_interpolates_rows_and_columns_between_kept_corners():
    weight = torch.randn(7, 5, 3, 2).double()
    resized = FILTER_RESIZES['bilinear'](weight, (7, 8), (12, 19))
    assert resized.shape == (12, 10, 3, 2)
    rows = np.stack(
        [
            [
                np.interp(np.arange(12) * 6 / 11, np.arange(7), weight[:, j, c, part])
                for j in range(5)
            ]
            for c in range(3)
            for part in range(2)
        ]
    )  # (6, 5, 12)
    both = [
        [np.interp(np.arange(10) * 4 / 9, np.arange(5), rows[n, :, i]) for i in range(12)]
        for n in range(6)
    ]
    expected = torch.from_numpy(np.array(both)).permute(1, 2, 0).unflatten(2, (3, 2))
    torch.testing.assert_close(resized, expected)


@pytest.mark.parametrize(
    'grid, read',
    [
        ((8, 12), (8, 12)),
        ((7, 7), (7, 7)),
        ((14, 14), (14, 14)),
        ((1, 1), (1, 1)),
        ((5, 1), (5, 1)),
        ((1, 2), (1, 2)),
        ((8, 13), (8, 12)),
        ((15, 14), (15, 15)),
    ],
)
def test_grid_read_off_a_filter(grid, read):
    """The last two shapes fit another grid too, so another grid is read."""
    assert filter_grid(GFN(2, grid).complex_weight) == read


@pytest.mark.parametrize('resize', RESIZES)
@pytest.mark.parametrize('grid, new_grid', [((7, 7), (10, 9)), ((8, 12), (4, 5))])
def test_filter_of_another_grid_is_resized_as_it_is_loaded(
    grid, new_grid, resize, load_into, monkeypatch
):
    messages = []
    monkeypatch.setattr('afno_mm.mixers.gfn.print_log', lambda text, **_: messages.append(text))
    source = GFN(4, grid, resize)
    model = torch.nn.Sequential(GFN(4, new_grid, resize))
    state = {'0.complex_weight': source.complex_weight.detach()}
    load_into(model, state)
    assert state['0.complex_weight'] is not None and len(state['0.complex_weight']) == grid[0]
    x = torch.randn(1, *new_grid, 4)
    torch.testing.assert_close(model(x), source(x))
    assert messages == [f'0.complex_weight: filter of grid {grid} resized to {new_grid} ({resize})']


def test_filter_of_the_same_grid_is_loaded_as_it_is(monkeypatch):
    monkeypatch.setattr('afno_mm.mixers.gfn.print_log', None)
    source, mixer = GFN(4, (8, 9)), GFN(4, (8, 9))
    mixer.load_state_dict(source.state_dict())
    assert torch.equal(mixer.complex_weight, source.complex_weight)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float64])
def test_loaded_filter_keeps_its_dtype(dtype):
    source, mixer = GFN(4, 7).to(dtype), GFN(4, 10)
    mixer.load_state_dict(source.state_dict(), assign=True)
    x = torch.randn(1, 10, 10, 4).to(dtype)
    assert mixer.complex_weight.dtype == dtype and mixer.complex_weight.is_leaf
    assert relative_error(mixer(x).double(), source(x).double()) < 1e-2


def test_filter_of_other_channels_is_refused():
    with pytest.raises(RuntimeError, match='size mismatch for complex_weight'):
        GFN(4, 8).load_state_dict(GFN(6, 7).state_dict())


def test_a_moving_average_of_weights_is_followed():
    """MMEngine writes averages in place, into a model that stays in evaluation mode."""
    model = GFN(4, 8)
    average = ExponentialMovingAverage(model, momentum=0.5).eval()
    x = torch.randn(1, 9, 10, 4)
    with torch.no_grad():
        for _ in range(3):
            model.complex_weight.normal_()
            average.update_parameters(model)
            fresh = GFN(4, 8)
            fresh.load_state_dict(average.module.state_dict())
            assert torch.equal(average(x), fresh(x))


@pytest.mark.parametrize('grid', [(8, 8), (9, 10)])
@pytest.mark.parametrize('resize', RESIZES)
def test_weights_in_channels_last_layout(grid, resize):
    mixer, x = GFN(4, 8, resize), torch.randn(1, *grid, 4)
    expected = mixer(x)
    torch.testing.assert_close(mixer.to(memory_format=torch.channels_last)(x), expected)


@pytest.mark.parametrize(
    'settings, message',
    [
        (dict(grid_size=0), 'grid_size must be a whole number'),
        (dict(grid_size=(8, 0)), 'grid_size'),
        (dict(grid_size=(8, 8, 8)), 'grid_size'),
        (dict(grid_size=7.5), 'grid_size.*7.5'),
        (dict(grid_size=8, resize='bicubic'), "resize must be one of .*'bilinear'.*'bicubic'"),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        GFN(24, **settings)


def test_an_ensemble_by_vmap_over_filters():
    mixers = [GFN(8, 4) for _ in range(3)]
    parameters, _ = stack_module_state(mixers)
    x = torch.randn(2, 4, 4, 8)
    with torch.no_grad():
        y = torch.vmap(lambda own: functional_call(mixers[0], own, (x,)))(parameters)
        torch.testing.assert_close(y, torch.stack([mixer(x) for mixer in mixers]))
