"""AFNO with a smooth filter of frequencies: its start, checkpoints, grids, and what it keeps."""

import copy
import io
import math

import pytest
import torch
from afno_mm.backbones.pretrained import load_pretrained
from afno_mm.mixers import AFNO
from afno_mm.ops import irfft2, kept_modes, naive, rfft2, whole_filter
from afno_mm.registry import MODELS
from mmengine.registry import DefaultScope

KEYS = ['filter.hidden_weight', 'filter.hidden_bias', 'filter.weight']


def make(draw=True, **settings):
    mixer = AFNO(12, 3, frequency_filter='smooth', **settings)
    if draw:
        torch.nn.init.normal_(mixer.filter.weight)
    return mixer


def filter_of(mixer, grid):
    """Return the filter of a grid, ``(2, K1, K2, C)``."""
    made = mixer.filter(torch.zeros(1, *grid, 12, dtype=mixer.w1.dtype), mixer.mode_fraction)
    return whole_filter(*made) if isinstance(made, tuple) else made


def evaluate(mixer, x):
    with torch.no_grad():
        return mixer.eval()(x)


@pytest.mark.parametrize('mode_fraction', [1.0, 0.5])
def test_the_filter_is_the_network_of_the_docs(mode_fraction):
    """Its features are written out here, frequency by frequency."""
    mixer, grid = make(mode_fraction=mode_fraction).double(), (9, 8)
    g = filter_of(mixer, grid)
    for u in naive.kept_frequencies(grid[0], mode_fraction):
        for v in range(kept_modes(grid, mode_fraction)[1]):
            f = math.hypot(u, v)
            features = [math.log(1 + n) for n in (f, v, abs(u))] + [v / (f + 1), u / (f + 1)]
            features += [math.exp(-n) for n in (f, f / 4, f / 16, v, abs(u))]
            features = torch.tensor(features, dtype=torch.float64)
            hidden = mixer.filter.hidden_weight @ features + mixer.filter.hidden_bias
            hidden = hidden * (1 + torch.erf(hidden / 2**0.5)) / 2
            expected = hidden @ mixer.filter.weight[:, :-1] + mixer.filter.weight[:, -1]
            torch.testing.assert_close(g[:, u, v], expected)


@pytest.mark.parametrize('bias', ['identity', 'none'])
def test_the_mixer_adds_the_filtered_spectrum(bias):
    mixer, x = make(bias=bias).double(), torch.randn(2, 6, 7, 12, dtype=torch.float64)
    g = torch.complex(*filter_of(mixer, (6, 7)))
    plain = AFNO(12, 3, bias=bias).double()
    plain.load_state_dict(mixer.state_dict(), strict=False)
    torch.testing.assert_close(mixer(x), plain(x) + irfft2(g * rfft2(x), (6, 7)))


def test_a_frequency_has_the_same_factor_on_every_grid():
    mixer = make()
    small, large = filter_of(mixer, (7, 6)), filter_of(mixer, (16, 21))
    torch.testing.assert_close(large[:, [0, 1, 2, 3, -3, -2, -1], :4], small)
    truncated = make(mode_fraction=0.5)
    truncated.load_state_dict(mixer.state_dict())
    torch.testing.assert_close(filter_of(truncated, (7, 6)), small[:, [0, 1, -1], :2])


def test_an_afno_checkpoint_loads_and_gives_the_same_bits():
    plain, mixer = AFNO(12, 3), make(draw=False)
    result = mixer.load_state_dict(plain.state_dict(), strict=False)
    assert result.missing_keys == KEYS and not result.unexpected_keys
    x = torch.randn(2, 9, 8, 12, requires_grad=True)
    outputs = [m(x) for m in (plain, mixer)]
    assert torch.equal(*outputs)
    assert torch.equal(*(torch.autograd.grad(y.square().sum(), x)[0] for y in outputs))
    assert torch.equal(evaluate(mixer, x), outputs[0])


def test_a_backbone_loads_pretrained_afno_weights_and_reports_the_filter(tmp_path):
    def backbone(**settings):
        with DefaultScope.overwrite_default_scope('mmseg'):
            model = MODELS.build(
                dict(
                    type='afno_mm.MiT',
                    embed_dims=[8, 8, 16, 16],
                    num_layers=[1, 1, 1, 1],
                    num_heads=[1, 1, 2, 2],
                    mixer=dict(type='AFNO', num_blocks=4, **settings),
                )
            )
        model.init_weights()
        return model.eval()

    plain, model = backbone(), backbone(frequency_filter='smooth')
    filters = [m.filter for m in model.modules() if isinstance(m, AFNO)]
    assert len(filters) == 4 and not any(f.weight.any() for f in filters)
    torch.save(dict(state_dict=plain.state_dict()), tmp_path / 'afno.pth')
    report = load_pretrained(model, tmp_path / 'afno.pth')
    assert len(report['missing']) == 12 and all('.filter.' in key for key in report['missing'])
    assert not report['mismatched'] and not report['unused']
    x = torch.randn(1, 3, 64, 32)
    for a, b in zip(plain(x), model(x)):
        assert torch.equal(a, b)


def test_without_a_filter_nothing_changes():
    torch.manual_seed(1)
    mixer = AFNO(12, 3)
    torch.manual_seed(1)
    same = AFNO(12, 3, frequency_filter='none')
    assert list(mixer.state_dict()) == ['w1', 'b1', 'w2', 'b2'] == list(same.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(mixer.parameters(), same.parameters()))
    with pytest.raises(ValueError, match='frequency_filter must be'):
        AFNO(12, 3, frequency_filter='free')


def test_training_moves_all_parameters():
    mixer = make(draw=False)
    before = copy.deepcopy(mixer.state_dict())
    optimizer = torch.optim.SGD(mixer.parameters(), 0.1)
    x = torch.randn(2, 8, 8, 12)
    for _ in range(2):  # The first layer has no gradient while the last one is zero.
        optimizer.zero_grad()
        mixer(x).square().mean().backward()
        optimizer.step()
    assert not any(torch.equal(before[key], mixer.state_dict()[key]) for key in KEYS)


def step(mixer, other):
    mixer.filter.weight.grad = torch.ones_like(mixer.filter.weight)
    torch.optim.SGD([mixer.filter.weight], 0.1).step()


def swap_data(mixer, other):
    """Averaged weights are swapped in like this, which leaves the version of a tensor alone."""
    for p, q in zip(mixer.parameters(), other.parameters()):
        p.data.copy_(q.data)


def assign(mixer, other):
    mixer.load_state_dict(other.state_dict(), assign=True)


CHANGES = {
    'optimizer': step,
    'load_state_dict': lambda mixer, other: mixer.load_state_dict(other.state_dict()),
    'assign': assign,
    'data': swap_data,
    'new parameter': lambda mixer, other: setattr(mixer.filter, 'weight', other.filter.weight),
    'dtype': lambda mixer, other: mixer.bfloat16(),
    'first layer': lambda mixer, other: mixer.filter.hidden_bias.data.add_(1),
}


@pytest.mark.parametrize('change', CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize('mode', [torch.no_grad, torch.inference_mode])
def test_the_kept_filter_does_not_go_stale(change, mode):
    mixer, other, x = make().eval(), make(), torch.randn(1, 8, 8, 12)
    with mode():
        before = mixer(x)
    assert mixer.filter._kept is not None
    change(mixer, other)
    with mode():
        after = mixer(x)
    fresh = make(draw=False).to(mixer.w1.dtype).eval()
    fresh.load_state_dict(mixer.state_dict())
    assert not torch.equal(after, before) and torch.equal(after, evaluate(fresh, x))


def test_other_grids_and_dtypes_get_their_own_filter():
    mixer, exact = make().eval(), make().double()
    exact.load_state_dict(mixer.state_dict())
    for shape in ((2, 8, 8, 12), (2, 8, 9, 12), (2, 8, 8, 12), (1, 1, 5, 12)):
        x = torch.randn(shape, dtype=torch.float64)
        torch.testing.assert_close(evaluate(mixer, x), exact(x))
        torch.testing.assert_close(evaluate(mixer, x.float()), exact(x).float())


def test_evaluation_makes_the_filter_once_and_training_every_time(monkeypatch):
    mixer, made = make(), []
    factors = mixer.filter._factors
    monkeypatch.setattr(mixer.filter, '_factors', lambda *a: made.append(a) or factors(*a))
    x = torch.randn(1, 8, 8, 12)
    for count in (1, 1, 1):
        evaluate(mixer, x)
        assert len(made) == count
    mixer.train()
    for count in (2, 3):
        mixer(x).sum().backward()
        assert len(made) == count


def test_gradients_after_evaluation_in_inference_mode():
    mixer, x = make().eval(), torch.randn(1, 6, 7, 12, requires_grad=True)
    with torch.inference_mode():
        mixer(x)
    mixer.requires_grad_(False)
    kept = torch.autograd.grad(mixer(x).square().sum(), x)[0]
    again = torch.autograd.grad(mixer.train()(x).square().sum(), x)[0]
    torch.testing.assert_close(kept, again)


def test_copies_and_files_hold_no_kept_filter():
    mixer = make().eval()
    evaluate(mixer, torch.randn(1, 64, 64, 12))
    file = io.BytesIO()
    torch.save(mixer, file)
    assert len(file.getvalue()) < mixer.filter._kept[2].nbytes / 2
    assert copy.deepcopy(mixer).filter._kept is None
    x = torch.randn(1, 64, 64, 12)
    assert torch.equal(evaluate(copy.deepcopy(mixer), x), evaluate(mixer, x))


def test_fake_tensors_leave_nothing_behind():
    from torch._subclasses import FakeTensorMode

    mixer = AFNO(8, 2, frequency_filter='smooth').eval()
    with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
        mixer(torch.randn(1, 9, 7, 8))
    with torch.no_grad():
        assert type(mixer(torch.randn(1, 9, 7, 8))) is torch.Tensor
