"""The suites at small sizes, with and without public layers. The tests assert no times."""

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


class PublicLayer(nn.Module):
    """The parameters and the function of physicsnemo's layer, written as complex products."""

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


class OtherFunction(PublicLayer):
    bound = 0


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(limits, 'SIZES', dict(cpu=(64, 1)))
    monkeypatch.setitem(sys.modules, PHYSICSNEMO, SimpleNamespace(AFNO2DLayer=PublicLayer))
    monkeypatch.setitem(sys.modules, NEURALOP, None)


def settings(**options):
    return Settings(
        **{**dict(repeats=2, threads=1, least=0, variant='b0', configs=str(CONFIGS)), **options}
    )


def names(case):
    return [row['name'] for row in case['rows']]


@pytest.mark.slow
def test_stages_time_every_backend_beside_the_public_layer(tmp_path):
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
            'AFNO composed',
            'AFNO-25% composed',
            'AFNO + filter',
            'GFN',
            'FNO',
            'LS',
            'ESA',
            'SA',
            'mmseg EfficientMultiheadAttention',
        } <= set(names(case))
        for backend in BACKENDS:
            assert (f'AFNO {backend}' in names(case)) != (f'AFNO {backend}' in case['left_out'])
        assert sum(row['chosen'] for row in case['rows']) == 2  # AFNO and AFNO-25%
        assert {row['backend'] for row in case['rows']} <= {None, *BACKENDS}
        for row in case['rows']:
            assert [len(row['seconds'][phase]) for phase in ('forward', 'train')] == [2, 2]
            assert row['peak_bytes'] >= row['saved_bytes'] > 0
        against = {entry['name']: entry['against'] for entry in case['agreement']}
        assert against['AFNO composed'] == 'physicsnemo AFNO2DLayer'
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


def test_a_missing_public_layer_is_reported_with_its_command_and_the_rest_runs(monkeypatch):
    monkeypatch.setitem(sys.modules, PHYSICSNEMO, None)
    results = run_suites(['stages'], settings(shapes=['8x8x8/2']))
    (case,) = results['cases']
    assert 'pip install nvidia-physicsnemo' in case['left_out']['physicsnemo AFNO2DLayer']
    assert 'AFNO composed' in names(case)
    text = show(results)
    assert 'pip install nvidia-physicsnemo' in text and 'was not run' in text


def test_a_public_layer_that_fails_to_import_counts_as_missing(monkeypatch):
    class Broken:
        def __getattr__(self, name):
            raise RuntimeError('no such operator')

    monkeypatch.setitem(sys.modules, PHYSICSNEMO, Broken())
    (case,) = run_suites(['stages'], settings(shapes=['8x8x8/2'], only=['AFNO']))['cases']
    assert 'RuntimeError: no such operator' in case['left_out']['physicsnemo AFNO2DLayer']


def test_a_layer_that_computes_another_function_is_not_timed(monkeypatch):
    monkeypatch.setitem(sys.modules, PHYSICSNEMO, SimpleNamespace(AFNO2DLayer=OtherFunction))
    results = run_suites(['stages'], settings(shapes=['8x8x8/2'], only=['AFNO']))
    (case,) = results['cases']
    assert 'AFNO composed' not in names(case) and 'AFNO-25% composed' in names(case)
    assert 'does not compute the same function' in case['left_out']['AFNO composed']
    assert 'MORE THAN' in show(results)


def test_on_wide_grids_afno_is_not_compared_with_the_public_layer(monkeypatch):
    monkeypatch.setitem(sys.modules, PHYSICSNEMO, SimpleNamespace(AFNO2DLayer=OtherFunction))
    (case,) = run_suites(['stages'], settings(shapes=['4x16x8/2'], only=['AFNO']))['cases']
    assert 'AFNO composed' in names(case) and 'wider than high' in case['notes']


def test_a_candidate_that_fails_is_left_out_and_the_rest_is_timed(monkeypatch):
    class Fails(PublicLayer):
        def forward(self, x):
            if x.requires_grad and torch.is_grad_enabled():
                raise RuntimeError('out of something')
            return super().forward(x)

    monkeypatch.setitem(sys.modules, PHYSICSNEMO, SimpleNamespace(AFNO2DLayer=Fails))
    (case,) = run_suites(['stages'], settings(shapes=['8x8x8/2'], only=['AFNO']))['cases']
    assert case['left_out']['physicsnemo AFNO2DLayer'] == 'RuntimeError: out of something'
    assert 'AFNO composed' in names(case)


@pytest.mark.slow
def test_growth_is_shown_for_two_sizes():
    results = run_suites(['tokens'], settings(shapes=['8x8x8/1', '16x16x8/1'], only=['GFN', 'LS']))
    table = show(results).split('### Growth')[1]
    assert 'forward 64' in table and '| GFN |' in table and '| LS |' in table


@pytest.mark.slow
def test_mit_suite_runs_every_mixer_at_the_widths_of_its_config():
    (case,) = run_suites(['mit'], settings(shapes=['64x64']))['cases']
    rows = {row['name']: row for row in case['rows']}
    assert {
        'physicsnemo AFNO2DLayer',
        'AFNO composed',
        'AFNO-25% composed',
        'GFN',
        'ESA',
        'mmseg EfficientMultiheadAttention',
    } <= set(rows)
    # Two layers in each stage, 16x16 to 2x2 tokens, of the widths in the configs.
    assert rows['ESA']['input_bytes'] == 4 * 2 * (256 * 32 + 64 * 64 + 16 * 160 + 4 * 256)
    assert rows['AFNO composed']['input_bytes'] > rows['ESA']['input_bytes']
    assert 'segformer_ls_b0' in case['left_out']['LS']


def test_model_suite_runs_the_public_layers_in_mmsegmentations_segformer():
    (case,) = run_suites(
        ['model'],
        settings(
            shapes=['64x64'], repeats=1, only=['physicsnemo', 'AFNO composed', 'ESA', 'mmseg']
        ),
    )['cases']
    assert {
        'physicsnemo AFNO2DLayer',
        'physicsnemo AFNO2DLayer, all else ours',
        'ESA',
        'mmseg EfficientMultiheadAttention',
    } <= set(names(case))
    assert case['left_out']['GFN'] == '--only does not name it'


def test_bf16_times_the_public_layer_without_autocast_too():
    (case,) = run_suites(
        ['stages'], settings(shapes=['8x8x8/2'], only=['AFNO'], dtype='bf16', repeats=1)
    )['cases']
    rows = {row['name']: row['work'] for row in case['rows'] if row['work']}
    half, single = rows['physicsnemo AFNO2DLayer'], rows['physicsnemo AFNO2DLayer fp32']
    assert half == rows['AFNO composed'] and half['train']['flops'] == single['train']['flops']
    assert 2 * half['train']['bytes'] == single['train']['bytes']


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(dtype='tf32'), 'tf32 needs a GPU'),
        (dict(dtype='fp8'), "got 'fp8'"),
        (dict(cuda_graphs=True), 'CUDA graphs need a GPU'),
    ],
)
def test_impossible_settings_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        settings(**options)


@pytest.mark.slow
def test_inpainting_models_reconstruct_and_train():
    (case,) = run_suites(
        ['inpainting'], settings(shapes=['32x24'], repeats=1, only=['GFN', 'AFNO'])
    )['cases']
    assert [row['name'] for row in case['rows']] == ['GFN', 'AFNO']
    assert set(case['left_out']) == {'SA', 'LS'} and case['tokens'] == 8 * 6
    for row in case['rows']:
        assert row['input_bytes'] == 4 * 3 * 32 * 24 and row['saved_bytes'] > row['input_bytes']


@pytest.mark.parametrize('suite, shape', [('stages', '64x64'), ('mit', '64x64x64/2')])
def test_a_shape_of_another_suite_is_refused(suite, shape):
    with pytest.raises(ValueError, match=f"got '{shape}'"):
        run_suites([suite], settings(shapes=[shape]))
