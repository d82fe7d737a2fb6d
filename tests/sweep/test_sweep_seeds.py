"""Sweeps with several seeds, trials and jobs. A stand-in for tools/train.py writes the results."""

import json
import os
from dataclasses import replace

import pytest
from afno_mm.sweep import dry_run, record, run_sweep
from tiny_sweep import load

pytestmark = pytest.mark.slow

TRAINER = """
import json, sys, time
from pathlib import Path
work = Path(sys.argv[sys.argv.index('--work-dir') + 1])
options = dict(text.split('=', 1) for text in sys.argv[sys.argv.index('--cfg-options') + 1:])
gain, rate = float(options['model.gain']), float(options.get('optim_wrapper.optimizer.lr', 1))
if gain > 50:
    sys.exit('too steep')
seed = int(options['randomness.seed'])
start = time.time()
time.sleep(0.2)
# All points of a seed have the same luck. The best rate of a point is near its gain.
height = gain + (37 * seed % 11) - abs(rate - gain)
scalars = work / time.strftime('%Y%m%d_%H%M%S') / 'vis_data/scalars.json'
scalars.parent.mkdir(parents=True)
scalars.write_text(''.join(
    json.dumps(dict(step=step, PSNR=height * step / 3, SSIM=height / 10)) + '\\n'
    for step in (1, 2, 3)))
(work / 'last_checkpoint').write_text('epoch_3.pth')
(work / 'times').write_text(f'{start} {time.time()}')
"""
SWEEP = """
label = 'gain'
points = {name: {'model.gain': gain} for name, gain in
          (('slow', 1), ('fast', 2), ('also-fast', 2), ('broken', 100))}
stages = [dict(config='climb.py', metric='PSNR', others=['SSIM'])]
seeds = list(range(6))
tune = dict(key='optim_wrapper.optimizer.lr', values=[1.0, 2.0], seed=9)
comparisons = {
    'which gain': [('fast', 'slow'), ('fast', 'also-fast'), ('broken', 'slow')],
    'one pair': [('fast', 'slow')],
}
"""


@pytest.fixture(scope='module')
def ran(folder):
    trainer = folder / 'train.py'
    trainer.write_text(TRAINER)
    patch = pytest.MonkeyPatch()
    patch.delenv('OMP_NUM_THREADS')
    sweep = load(folder, 'seeds', SWEEP, trainer)
    failures = run_sweep(sweep, jobs=2)
    threads = os.environ.get('OMP_NUM_THREADS')
    patch.undo()
    yield sweep, failures, threads


def test_each_point_takes_the_best_value_of_its_trials_for_all_seeds(ran):
    sweep, failures, _ = ran
    assert sweep.chosen == {'slow': 1.0, 'fast': 2.0, 'also-fast': 2.0}
    for name, rate in sweep.chosen.items():
        for run in sweep.points[name]:
            settings = record.check(run)['settings']
            assert settings['optim_wrapper.optimizer.lr'] == rate
            assert settings['randomness.seed'] == run.seed
    assert list(failures) == ['broken'] and 'too steep' in failures['broken']
    assert failures['broken'].startswith('broken: trial_')


def test_comparisons_find_the_planted_effect_and_no_other(ran):
    results = json.loads((ran[0].folder / 'results.json').read_text())
    effect, none, alone, ssim_effect, ssim_none, _ = results['comparisons']
    assert effect['differences'] == pytest.approx([1.0] * 6) and effect['seeds'] == list(range(6))
    assert effect['p'] == 2 / 64 and effect['p_holm'] == 6 / 64
    assert alone == effect | dict(question='one pair', p_holm=2 / 64)
    assert none['mean'] == 0 and none['p'] == none['p_holm'] == 1
    assert ssim_effect['mean'] == pytest.approx(0.1) and 'p' not in ssim_effect
    assert ssim_none['metric'] == 'SSIM'


def test_results_have_raw_values_trials_curves_and_versions(ran):
    results = json.loads((ran[0].folder / 'results.json').read_text())
    fast = results['points'][1]
    assert [run['seed'] for run in fast['stages']] == list(range(6))
    assert [run['value'] for run in fast['stages']][:3] == [2, 6, 10]
    assert fast['stages'][1]['curve'] == {'1': 2, '2': 4, '3': 6}
    assert fast['stages'][1]['others'] == {'SSIM': 0.6}
    trials = [(trial['optim_wrapper.optimizer.lr'], trial['value']) for trial in fast['trials']]
    assert trials == [(1, 4), (2, 5)]
    (versions,) = results['versions']
    assert versions['torch'] and versions['threads'] == ran[2]


def test_table_has_means_with_errors_and_the_tests(ran):
    rows = (ran[0].folder / 'results.md').read_text().splitlines()
    assert rows[0] == '| gain | parameters | lr | PSNR | SSIM |'
    assert (
        rows[3] == '| fast | 1e-06M | 2.0 | 6.5 ± 1.5 (6 of 6 seeds) | 0.65 ± 0.15 (6 of 6 seeds) |'
    )
    assert rows[5] == '| broken |  | not chosen | failed | not trained |'
    assert '| which gain | fast - slow | PSNR | 6 | +1.000 ± 0.000 | 0.0312 | 0.0938 |' in rows
    assert (ran[0].folder / 'curves.png').stat().st_size > 5000


def times(sweep):
    """Start, end and seed of each training, in the order of their starts."""
    runs = [run for name in ('slow', 'fast', 'also-fast') for run in sweep.runs(name)]
    texts = [(run.folder / 'times').read_text().split() for run in runs]
    return sorted((float(start), float(end), run.seed) for (start, end), run in zip(texts, runs))


def test_two_jobs_run_at_a_time_and_share_the_cores(ran):
    spans = times(ran[0])
    assert max(sum(a <= start < b for a, b, _ in spans) for start, *_ in spans) == 2
    assert ran[2] == str(max(1, os.cpu_count() // 2))


def test_trials_come_first_and_then_seed_after_seed(ran):
    seeds = [seed for *_, seed in times(ran[0])]
    assert seeds[:6] == [9] * 6
    # The two that start together may write their times in either order.
    assert all(abs(seed - i // 3) <= 1 for i, seed in enumerate(seeds[6:]))


def test_a_sweep_that_was_cut_off_goes_on(ran, folder, capsys):
    sweep = ran[0]
    lost = sweep.points['fast'][5]
    (lost.folder / 'stage.json').unlink()
    (lost.folder / 'last_checkpoint').unlink()
    before = (sweep.folder / 'results.json').read_text()
    again = load(folder, 'seeds', SWEEP, folder / 'train.py')
    dry_run(again, ['fast'])
    lines = capsys.readouterr().out.splitlines()
    assert [line.startswith('#') for line in lines] == [i != 2 + 5 for i in range(8)]
    assert run_sweep(again, ['slow', 'fast', 'also-fast']) == {}
    output = capsys.readouterr().out
    assert output.count('is finished') == 23 and 'left] fast: seed_5/climb' in output
    ignored = ('seconds', 'finished', 'failed')
    kept = [
        [line for line in text.splitlines() if not any(f'"{word}"' in line for word in ignored)]
        for text in (before, (sweep.folder / 'results.json').read_text())
    ]
    assert kept[0] == kept[1]


def test_threads_that_were_set_stay(ran, folder, monkeypatch):
    monkeypatch.setenv('OMP_NUM_THREADS', '7')
    assert run_sweep(load(folder, 'seeds', SWEEP, folder / 'train.py'), ['fast'], jobs=2) == {}
    assert os.environ['OMP_NUM_THREADS'] == '7'


def test_trials_hold_back_the_seeds_of_a_dry_run(folder, capsys):
    dry_run(load(folder, 'nothing', SWEEP, folder / 'train.py'), ['fast'])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 8 and all('trial_' in line for line in lines[:2])
    assert lines[2] == '# fast: seed_0/climb: its trials choose optim_wrapper.optimizer.lr'


def test_another_metric_of_a_finished_run_is_read_again(ran):
    run = ran[0].points['fast'][0]
    before = record.check(run)
    other = replace(run, stage=replace(run.stage, metric='SSIM', others=['PSNR']))
    read = record.check(other)
    assert read['value'] == before['others']['SSIM'] and read['finished'] == before['finished']
    assert record.check(run)['value'] == before['value']  # and back


@pytest.mark.parametrize('option', ['optim_wrapper.optimizer.lr', 'randomness.seed'])
def test_options_that_the_sweep_sets_itself_are_refused(folder, option):
    with pytest.raises(ValueError, match=rf"\['{option}'\] for every point, and (tune|seeds) of"):
        load(folder, 'options', SWEEP, cfg_options={option: 1})


def test_more_seeds_than_the_test_takes_are_refused_at_once(folder):
    with pytest.raises(ValueError, match='at most 20 seeds, got 21'):
        load(folder, 'many', SWEEP.replace('range(6)', 'range(10, 31)'))
