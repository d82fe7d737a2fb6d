"""Quality over cost of the models of a sweep."""

import json

import pytest
from running import REPOSITORY, tool

SWEEP = f"""
label = 'mixer-height'
plot_over = 'numbers'
points = {{
    f'{{mixer}}-{{height}}': {{
        'model.backbone.mixer.type': mixer,
        'model.backbone.arch.num_layers': 1,
        'model.backbone.img_size': (height, 2 * height),
        'data_preprocessor.size': (height, 2 * height),
        'model.data_preprocessor.size': (height, 2 * height),
    }}
    for mixer in ('AFNO', 'Identity')
    for height in (16, 32)
}}
stages = [dict(config='{REPOSITORY}/configs/vit_afno_scenes.py', metric='mIoU')]
"""


def point(name, *values):
    stages = [dict(state='finished', metric='mIoU', value=value) for value in values]
    return dict(name=name, stages=stages or [dict(state='not trained', metric='mIoU')])


@pytest.mark.slow
def test_costs_grow_with_the_image_and_only_finished_points_are_measured(tmp_path):
    sweep, results = tmp_path / 'tiny.py', tmp_path / 'results.json'
    sweep.write_text(SWEEP)
    points = [point('AFNO-16', 20, 22), point('AFNO-32', 30), point('Identity-16', 10)]
    results.write_text(json.dumps(dict(sweep='tiny', points=[*points, point('Identity-32')])))
    script = 'benchmarks/quality_and_cost.py'
    printed = tool(script, sweep, results, '--threads', '1', '--repeats', '1')
    assert '| AFNO-16 | 21.00 ± 1.00 |' in printed and '| AFNO-32 | 30.00 |' in printed
    found = json.loads((tmp_path / 'costs.json').read_text())['costs']
    small, large, none = found
    assert [row['name'] for row in found] == ['AFNO-16', 'AFNO-32', 'Identity-16']
    assert [row['image'] for row in found] == [[16, 32], [32, 64], [16, 32]]
    assert all(large[key] > small[key] for key in ('parameters', 'macs', 'peak_bytes'))
    assert all(none[key] < small[key] for key in ('parameters', 'macs', 'peak_bytes'))
    assert (tmp_path / 'costs.png').stat().st_size > 10_000


@pytest.mark.slow
def test_results_of_another_sweep_are_refused(tmp_path):
    results = tmp_path / 'results.json'
    results.write_text(json.dumps(dict(sweep='other', points=[point('AFNO-16', 20)])))
    scenes = REPOSITORY / 'configs/sweeps/scenes.py'
    said = tool('benchmarks/quality_and_cost.py', scenes, results, succeeds=False)
    assert "has results of the sweep 'other'" in said and "'AFNO+filter'" in said
