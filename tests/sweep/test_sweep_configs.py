"""The paper's sweeps fit the configs that they vary."""

from pathlib import Path

import pytest
from afno_mm.sweep import load_sweep, record
from mmengine.config import Config

SWEEPS = sorted((Path(__file__).parents[2] / 'configs/sweeps').glob('*.py'))


@pytest.mark.parametrize('path', SWEEPS, ids=lambda p: p.stem)
def test_sweep_sets_only_keys_that_its_configs_have(path):
    for runs in load_sweep(str(path), 'train.py').points.values():
        for run in runs:
            for key in run.options:
                value = Config.fromfile(run.config_file)
                for name in key.split('.'):
                    value = value[name]
    header = path.read_text().split('label =')[0]
    assert f'tools/sweep.py configs/sweeps/{path.name}' in header and 'Expect: ' in header


@pytest.mark.slow
def test_models_with_different_numbers_of_blocks_have_equal_parameters():
    points = load_sweep(str(SWEEPS[0].with_name('blocks.py')), 'train.py').points
    sizes = {name: record.parameters(runs[0].config) / 1e6 for name, runs in points.items()}
    assert list(sizes) == ['1', '2', '4', '8', '16', '32', '64']
    for name, size in sizes.items():
        wanted, tolerance = (16.0, 0.05) if int(name) < 16 else (15.8, 0.65)
        assert size == pytest.approx(wanted, abs=tolerance), name
