"""The suites at small sizes, with and without public layers. No time is asserted."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from afno_mm.ops import BACKENDS
from mixer_bench import Settings, limits, run_suites, show, write
from torch import nn

PHYSICSNEMO = 'physicsnemo.models.afno.afno'
NEURALOP = 'neuralop.layers.spectral_convolution'
CONFIGS = Path(__file__).parents[2] / 'configs'


class StandIn(nn.Module):
    """The public layer's parameters and function, written as complex products."""

    bound = 1

    def __init__(self, width, blocks, sparsity_threshold):
        super().__init__()
        b = width // blocks
        self.blocks, self.threshold = blocks, sparsity_threshold
        for name, shape in dict(w1=(b, b), b1=(b,), w2=(b, b), b2=(b,)).items():
            self.register_parameter(name, nn.Parameter(torch.randn(2, blocks, *shape)))

    def forward(self, x):
        z = torch.fft.rfft2(x, dim=(1, 2), norm='ortho').unflatten(-1, (self.blocks, -1))
        w1, b1, w2, b2 = (torch.complex(*w) for w in (self.w1, self.b1, self.w2, self.b2))
        hidden = torch.einsum('...ki,kio->...ko', z, w1) + b1
        hidden = torch.complex(hidden.real.relu(), hidden.imag.relu())
        z = torch.view_as_real(torch.einsum('...ki,kio->...ko', hidden, w2) + b2)
        z = torch.view_as_complex(nn.functional.softshrink(z, self.bound * self.threshold))
        return torch.fft.irfft2(z.flatten(-2), x.shape[1:3], (1, 2), 'ortho') + x


class OtherFunction(StandIn):
    bound = 0


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(limits, 'SIZES', dict(cpu=(64, 1)))
    monkeypatch.setitem(sys.modules, PHYSICSNEMO, SimpleNamespace(AFNO2DLayer=StandIn))
    monkeypatch.setitem(sys.modules, NEURALOP, None)


def settings(**options):
    return Settings(
        **{**dict(repeats=2, threads=1, least=0, variant='b0', configs=str(CONFIGS)), **options}
    )


def names(case):
    return [row['name'] for row in case['rows']]


def test_stages_time_every_path_beside_the_public_layer(tmp_path):
    reports = []
    results = run_suites(
        ['stages'],
        settings(shapes=['8x8x12/2', '9x8x12/3']),
        lambda results: reports.append(len(results['cases'])),
    )
    assert reports == [1, 2]
    for case in results['cases']:
        assert {
            'physicsnemo AFNO2DLayer',
            'AFNO reference',
            'AFNO-25% reference',
            'GFN',
            'FNO',
            'LS',
            'ESA',
            'SA',
            'mmseg EfficientMultiheadAttention',
        } <= set(names(case))
        for path in BACKENDS:
            assert (f'AFNO {path}' in names(case)) != (f'AFNO {path}' in case['left_out'])
        assert sum(row['chosen'] for row in case['rows']) == 2  # of all modes and of 25 %
        for row in case['rows']:
            assert [len(row['seconds'][phase]) for phase in ('forward', 'train')] == [2, 2]
            assert row['peak_bytes'] >= row['saved_bytes'] > 0
        against = {entry['name']: entry['against'] for entry in case['agreement']}
        assert against['AFNO reference'] == 'physicsnemo AFNO2DLayer'
        assert against['ESA'] == 'mmseg EfficientMultiheadAttention'
        assert all(entry['agrees'] for entry in case['agreement'])
        assert 'pip install neuraloperator' in case['left_out']['neuralop SpectralConv']
    files = write(results, tmp_path / 'results' / 'tiny')
    assert all(file.stat().st_size for file in files)
    kept = json.loads(files[0].read_text())
    assert show(kept) == show(results)
    assert kept['circumstances']['threads'] == 1 and kept['circumstances']['packages']['torch']
    assert 'AFNO_MM_BACKEND' in kept['circumstances']['environment']
    assert not kept['circumstances']['keeps_memory']


def test_without_the_public_layer_its_command_is_told_and_the_rest_runs(monkeypatch):
    monkeypatch.setitem(sys.modules, PHYSICSNEMO, None)
    results = run_suites(['stages'], settings(shapes=['8x8x8/2']))
    (case,) = results['cases']
    assert 'pip install nvidia-physicsnemo' in case['left_out']['physicsnemo AFNO2DLayer']
    assert 'AFNO reference' in names(case)
    text = show(results)
    assert 'pip install nvidia-physicsnemo' in text and 'was not run' in text


def test_a_public_layer_that_fails_to_import_is_as_good_as_missing(monkeypatch):
    class Broken:
        def __getattr__(self, name):
            raise RuntimeError('no such operator')

    monkeypatch.setitem(sys.modules, PHYSICSNEMO, Broken())
    (case,) = run_suites(['stages'], settings(shapes=['8x8x8/2'], only=['AFNO']))['cases']
    assert 'RuntimeError: no such operator' in case['left_out']['physicsnemo AFNO2DLayer']


def test_another_function_is_not_timed(monkeypatch):
    monkeypatch.setitem(sys.modules, PHYSICSNEMO, SimpleNamespace(AFNO2DLayer=OtherFunction))
    results = run_suites(['stages'], settings(shapes=['8x8x8/2'], only=['AFNO']))
    (case,) = results['cases']
    assert 'AFNO reference' not in names(case) and 'AFNO-25% reference' in names(case)
    assert 'computes something else' in case['left_out']['AFNO reference']
    assert 'MORE THAN' in show(results)


def test_on_wide_grids_the_public_layer_is_not_the_judge(monkeypatch):
    monkeypatch.setitem(sys.modules, PHYSICSNEMO, SimpleNamespace(AFNO2DLayer=OtherFunction))
    (case,) = run_suites(['stages'], settings(shapes=['4x16x8/2'], only=['AFNO']))['cases']
    assert 'AFNO reference' in names(case) and 'wider than high' in case['notes']


def test_what_fails_is_left_out_and_the_rest_is_timed(monkeypatch):
    class Fails(StandIn):
        def forward(self, x):
            if x.requires_grad and torch.is_grad_enabled():
                raise RuntimeError('out of something')
            return super().forward(x)

    monkeypatch.setitem(sys.modules, PHYSICSNEMO, SimpleNamespace(AFNO2DLayer=Fails))
    (case,) = run_suites(['stages'], settings(shapes=['8x8x8/2'], only=['AFNO']))['cases']
    assert case['left_out']['physicsnemo AFNO2DLayer'] == 'RuntimeError: out of something'
    assert 'AFNO reference' in names(case)


def test_growth_of_two_sizes():
    results = run_suites(['tokens'], settings(shapes=['8x8x8/1', '16x16x8/1'], only=['GFN', 'LS']))
    table = show(results).split('### Growth')[1]
    assert 'forward 64' in table and '| GFN |' in table and '| LS |' in table


def test_all_mixers_of_a_mit_at_their_own_widths():
    (case,) = run_suites(['mit'], settings(shapes=['64x64']))['cases']
    rows = {row['name']: row for row in case['rows']}
    assert {
        'physicsnemo AFNO2DLayer',
        'AFNO reference',
        'AFNO-25% reference',
        'GFN',
        'ESA',
        'mmseg EfficientMultiheadAttention',
    } <= set(rows)
    # Two layers in each stage, 16x16 to 2x2 tokens, of the widths in the configs.
    assert rows['ESA']['input_bytes'] == 4 * 2 * (256 * 32 + 64 * 64 + 16 * 160 + 4 * 256)
    assert rows['AFNO reference']['input_bytes'] > rows['ESA']['input_bytes']
    assert 'segformer_ls_b0' in case['left_out']['LS']


def test_whole_models_with_each_mixer():
    (case,) = run_suites(
        ['model'],
        settings(
            shapes=['64x64'], repeats=1, only=['physicsnemo', 'AFNO reference', 'ESA', 'mmseg']
        ),
    )['cases']
    assert {
        'physicsnemo AFNO2DLayer',
        'physicsnemo AFNO2DLayer, all else ours',
        'ESA',
        'mmseg EfficientMultiheadAttention',
    } <= set(names(case))
    assert case['left_out']['GFN'] == '--only does not name it'


def test_bfloat16_keeps_the_public_layer_without_autocast_too():
    (case,) = run_suites(
        ['stages'], settings(shapes=['8x8x8/2'], only=['AFNO'], dtype='bf16', repeats=1)
    )['cases']
    assert 'physicsnemo AFNO2DLayer fp32' in names(case)


@pytest.mark.parametrize(
    'options, message',
    [(dict(dtype='tf32'), 'tf32 is for GPUs'), (dict(dtype='fp16'), "got 'fp16'")],
)
def test_settings_that_cannot_be_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        settings(**options)


def test_inpainting_models_reconstruct_and_train():
    (case,) = run_suites(
        ['inpainting'], settings(shapes=['32x24'], repeats=1, only=['GFN', 'AFNO'])
    )['cases']
    assert [row['name'] for row in case['rows']] == ['GFN', 'AFNO']
    assert set(case['left_out']) == {'SA', 'LS'} and case['tokens'] == 8 * 6
    for row in case['rows']:
        assert row['input_bytes'] == 4 * 3 * 32 * 24 and row['saved_bytes'] > row['input_bytes']


@pytest.mark.parametrize('suite, shape', [('stages', '64x64'), ('mit', '64x64x64/2')])
def test_shapes_of_another_suite_are_refused(suite, shape):
    with pytest.raises(ValueError, match=f"got '{shape}'"):
        run_suites([suite], settings(shapes=[shape]))
