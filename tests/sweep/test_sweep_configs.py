"""The paper's sweeps fit the configs that they vary."""

from pathlib import Path

import pytest
import torch
from afno_mm.engine.runner import build_runner
from afno_mm.sweep import load_sweep, record
from generators.images import make_images
from mmengine.config import Config

SWEEPS = sorted((Path(__file__).parents[2] / 'configs/sweeps').glob('*.py'))


def versions():
    for path in SWEEPS:
        yield pytest.param(path, False, id=path.stem)
        if 'small' in Config.fromfile(path):
            yield pytest.param(path, True, id=f'{path.stem}-small')


@pytest.mark.slow
@pytest.mark.parametrize('path, small', list(versions()))
def test_sweep_sets_only_keys_that_its_configs_have(path, small):
    sweep = load_sweep(str(path), 'train.py', small=small)
    for name, runs in sweep.points.items():
        for run in (*sweep.trials.get(name, ())[:1], *runs[: len(sweep.stages)]):
            assert isinstance(run.config, Config)  # an option that leads nowhere raises
    header = path.read_text().split('label =')[0]
    assert f'tools/sweep.py configs/sweeps/{path.name}' in header and 'Expect: ' in header
    assert not small or f'{path.name} --small' in header


@pytest.mark.slow
@pytest.mark.parametrize(
    'name, small, bound',
    [
        ('study', False, 1.01),
        ('scenes', False, 1.01),
        ('scenes_b0', False, 1.013),
        ('init', False, 1),
        ('sizes', False, 1.01),
        ('sizes_b0', False, 1.02),
        ('table6', True, 1.01),
        ('figure5', True, 1.01),
    ],
)
def test_models_that_are_compared_have_equal_parameters(name, small, bound):
    points = load_sweep(f'{SWEEPS[0].parent}/{name}.py', 'train.py', small=small).points
    # Only at a height of 128: position embeddings and GFN's filters grow with the image.
    names = [n for n in points if not name.startswith('sizes') or n.endswith('-128')]
    sizes = [record.parameters(points[n][0].config) for n in names]
    assert max(sizes) <= bound * min(sizes)


@pytest.mark.slow
def test_arms_of_one_seed_see_the_same_images_and_masks_and_equal_shapes_start_equal(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    make_images('data/images', num_train=1, num_val=1)
    sweep = load_sweep(f'{SWEEPS[0].parent}/study.py', 'train.py', seeds=[3, 4])
    batches, weights = {}, {}
    for name, run in [(n, r) for n in ('AFNO', 'AFNO-0.1', 'GFN') for r in sweep.points[n]]:
        run.config.work_dir = str(tmp_path / name / str(run.seed))
        runner = build_runner(run.config)
        runner._init_model_weights()
        state = runner.model.state_dict()
        weights[name, run.seed] = {key: value.clone() for key, value in state.items()}
        batches[name, run.seed] = list(runner.train_loop.dataloader)
    for seed in (3, 4):
        for other in ('AFNO-0.1', 'GFN'):
            for one, two in zip(batches['AFNO', seed], batches[other, seed], strict=True):
                assert torch.equal(one['inputs'], two['inputs'])
                masks = [torch.stack([s.mask for s in b['data_samples']]) for b in (one, two)]
                assert torch.equal(*masks)
    a, b = (batches['AFNO', seed][0]['inputs'] for seed in (3, 4))
    assert not torch.equal(a, b)
    start, same = weights['AFNO', 3], weights['AFNO-0.1', 3]
    assert all(torch.equal(start[key], same[key]) for key in start)
    key = 'backbone.layers.0.attn.w1'
    assert not torch.equal(start[key], weights['AFNO', 4][key])


@pytest.mark.slow
def test_models_with_different_numbers_of_blocks_have_equal_parameters():
    points = load_sweep(str(SWEEPS[0].with_name('blocks.py')), 'train.py').points
    sizes = {name: record.parameters(runs[0].config) / 1e6 for name, runs in points.items()}
    assert list(sizes) == ['1', '2', '4', '8', '16', '32', '64']
    for name, size in sizes.items():
        wanted, tolerance = (16.0, 0.05) if int(name) < 16 else (15.8, 0.65)
        assert size == pytest.approx(wanted, abs=tolerance), name
