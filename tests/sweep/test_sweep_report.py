"""Values, comparisons and plots of a sweep."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
from afno_mm.sweep import plot, record, report
from afno_mm.sweep.plan import Stage
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from tiny_sweep import load


def test_validations_of_the_newest_launch_count(tmp_path):
    for name, lines in dict(
        a=['{"PSNR": 1.0, "step": 1}'],
        b=['{"PSNR": 2.0, "step": 1}', '{"PSNR": 3.0, "step": 2}'],
        c=['{"PSNR": 4.0, "step": 2}', '{"loss": 1, "st'],
    ).items():
        (tmp_path / name / 'vis_data').mkdir(parents=True)
        (tmp_path / name / 'vis_data/scalars.json').write_text('\n'.join(lines))
    assert record.validations(tmp_path, 'PSNR') == {1: 2.0, 2: 4.0}
    assert record.validations(tmp_path, 'PSNR', since='c') == {2: 4.0}


@pytest.mark.parametrize('rule, best', [('greater', 3), ('less', 2)])
def test_a_value_that_is_nan_is_not_the_best(rule, best):
    stage = Stage('mIoU', rule=rule)
    assert record._best({1: math.nan, 2: 20.0, 3: 21.0}, stage) == best
    assert record._best({1: math.nan}, stage) == 1


def test_a_training_by_iterations_names_its_best_checkpoint_by_iteration(folder):
    option = {'default_hooks.logger.log_metric_by_epoch': False}
    run = load(folder, 'by_iteration', cfg_options=option).points['2'][0]
    begun = record.begin(run)
    scalars = run.folder / begun['begun'] / 'vis_data/scalars.json'
    scalars.parent.mkdir(parents=True)
    values = {100: 2.0, 200: 3.0, 300: 1.0}
    lines = [json.dumps(dict(step=step, PSNR=value)) for step, value in values.items()]
    scalars.write_text('\n'.join(lines))
    (run.folder / 'last_checkpoint').write_text('/elsewhere/iter_300.pth')
    found = record.finish(run, begun)
    assert (found['value'], found['at'], found['unit']) == (3, 200, 'iter')
    assert (found['best'], found['last']) == ('best_PSNR_iter_200.pth', 'iter_300.pth')


def test_a_comparison_pairs_the_seeds_that_both_points_have():
    begun = dict(state='begun')
    a, b = (
        [[begun if value is None else dict(state='finished', value=value) for value in values]]
        for values in ([1, None, 5, 9], [0, 7, None, 6])
    )
    pairs = {'': [('a', 'b')]}
    sweep = SimpleNamespace(seeds=[3, 4, 5, 6], stages=[Stage('mIoU')], comparisons=pairs)
    (found,) = report._compare(sweep, dict(a=a, b=b))
    assert found['seeds'] == [3, 6] and found['differences'] == [1, 3]
    assert (found['mean'], found['error'], found['p']) == (2, 1, 0.5)


@pytest.mark.parametrize(
    'names, even',
    [
        (['0', '.001', '.01', '.1', '1', '10'], True),
        (['1', '2', '4', '8', '16'], True),
        (['3', '4', '8'], False),
        (['FNO', 'static', 'AFNO'], True),
    ],
)
def test_names_and_numbers_that_span_a_decade_are_spread_evenly(names, even):
    axes = Figure().subplots()
    places, _ = plot._axis(axes, names)
    steps = np.diff(axes.transData.transform([(x, 0) for x in places])[:, 0])
    assert (steps > 0).all() and (steps.max() < 1.2 * steps.min()) == even


def test_a_line_joins_points_whose_names_are_equal_up_to_the_last_dash():
    axes = Figure().subplots()
    places = {'AFNO-B1': 14, 'ESA-B0': 4, 'AFNO-B0': 4, 'alone': 9}
    values = {'AFNO-B1': 78, 'ESA-B0': 74, 'AFNO-B0': 76, 'alone': 70}
    plot._lines(axes, places, {name: dict(values=[value]) for name, value in values.items()})
    lines = {line.get_label(): line.get_xydata().tolist() for line in axes.get_lines()}
    assert lines == {'AFNO': [[4, 76], [14, 78]], 'ESA': [[4, 74]], 'alone': [[9, 70]]}
    assert [text.get_text() for text in axes.get_legend().get_texts()] == list(lines)


@pytest.mark.parametrize('curve', [{'1': 20.0, '2': 22.0}, {'7': 20.0}])
def test_curves_are_seen_even_with_one_validation(curve):
    sweep = SimpleNamespace(stages=[SimpleNamespace(metric='mIoU')], note='')
    outcomes = {'AFNO': [[dict(curve=curve, unit='epoch')]]}
    figure = plot.curves(sweep, outcomes)
    figure.axes[0].get_legend().remove()
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    red, _, blue = np.asarray(canvas.buffer_rgba(), dtype=int)[..., :3].reshape(-1, 3).T
    assert (blue - red > 100).any()  # C0 is blue, all else is black and white
