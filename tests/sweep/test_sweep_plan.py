"""Reading a sweep, and the lock on its folder."""

import logging
import os
import runpy
import signal
import sys

import pytest
from afno_mm.sweep import dry_run, launch, record
from running import REPOSITORY
from tiny_sweep import SWEEP, TRAINER, TUNE, load


def test_several_gpus_are_launched_by_torchrun(folder):
    command = load(folder, gpus=8).points['2'][0].command()
    assert command[1:5] == ['-m', 'torch.distributed.run', '--standalone', '--nproc_per_node=8']
    assert command[5:9] == [str(TRAINER), str(folder / 'climb.py'), '--launcher', 'pytorch']
    sweep = SWEEP.replace("metric='PSNR'", "metric='PSNR', gpus=1")
    assert load(folder, sweep=sweep, gpus=8).points['2'][0].command()[1] == str(TRAINER)


@pytest.mark.parametrize(
    'old, new, message',
    [
        ('points =', 'grid =', 'is no sweep: points is None'),
        ('points =', "plot_over = 'size'\npoints =", "plot_over of .* is 'size'"),
        ('points =', "plot_over = 'numbers'\npoints =", "the point '2' has no number"),
        ("metric='mIoU'", "metrics='mIoU'", r"a stage .* it needs \['metric'\]"),
        ("'best'", "'highest'", r"collect of the stage of PSNR is 'highest'"),
        ('climb_on.py', 'nowhere.py', 'there is no such file'),
        ('climb_on.py', 'climb.py', 'would share the folder climb'),
        ('str(gain)', "f'{gain}/10'", 'names a folder'),
        ('gain}', "'2'}", "cannot set model.gain to '2'"),
        ('gain}', "gain, 'configs': ['climb.py']}", '1 configs .* for the 2 stages'),
        ("'model.gain'", "'model.hold'", "sets \\['model.hold'\\] for every point"),
        ('points =', "comparisons = [('2', '3')]\npoints =", "comparisons of .* has .*'3'"),
        ('points =', 'seeds = [0, 1, 0]\npoints =', r'the seeds of .* are \[0, 1, 0\]: they must'),
        ('points =', f'seeds = [0, 9]\n{TUNE}points =', 'that of tune is 9: they must all differ'),
        ('points =', "tune = dict(key='model.gain')\npoints =", r"tune .* needs \['key', 'values'"),
        ('gain}', "gain, 'of_stages': [{}]}", 'of_stages of 2 has 1 entries for 2 stages'),
    ],
)
def test_invalid_sweep_is_refused(folder, old, new, message):
    assert old in SWEEP
    with pytest.raises(ValueError, match=message):
        load(folder, sweep=SWEEP.replace(old, new))


def test_comparisons_may_be_a_list(folder):
    sweep = load(folder, sweep=f"{SWEEP}\ncomparisons = [('2', '100')]\n")
    assert sweep.comparisons == {'': [('2', '100')]}


def test_point_may_have_its_own_configs(folder):
    sweep = SWEEP.replace('gain}', "gain, 'configs': ['climb_on.py', 'climb.py']}")
    assert [run.folder.name for run in load(folder, sweep=sweep).points['2']] == [
        'climb_on',
        'climb',
    ]
    with pytest.raises(ValueError, match='--stages would replace'):
        load(folder, sweep=sweep, stages=[folder / 'climb.py'] * 2)
    stages = [str(folder / f'{name}.py') for name in ('climb_on', 'climb')]
    assert [run.config_file for run in load(folder, stages=stages).points['2']] == stages


def test_point_may_have_its_own_options_for_each_stage(folder):
    sweep = SWEEP.replace('gain}', "gain, 'of_stages': [{'optim_wrapper.optimizer.lr': 2.0}, {}]}")
    first, second = load(folder, sweep=sweep).points['2']
    assert first.config.optim_wrapper.optimizer.lr == 2 and first.config.model.gain == 2
    assert second.config.optim_wrapper.optimizer.lr == 1 and second.config.model.gain == 2


def test_small_version_replaces_settings_and_says_so(folder):
    sweep = SWEEP + "small = dict(points={'tiny': {'model.gain': 1}}, seeds=[4])"
    small = load(folder, work=None, sweep=sweep, small=True)
    assert list(small.points) == ['tiny'] and small.seeds == [4]
    assert small.name == small.folder.name == 'gains_small'
    assert 'not the setting of' in small.note and not load(folder, sweep=sweep).note
    with pytest.raises(ValueError, match='no small version'):
        load(folder, small=True)


def test_a_chosen_value_is_that_of_all_stages(folder):
    first, second = load(folder).points['2']
    chosen = second.with_options({'optim_wrapper.optimizer.lr': 0.5})
    assert chosen.previous.options == {**first.options, 'optim_wrapper.optimizer.lr': 0.5}


def test_a_training_without_a_checkpoint_may_begin_with_other_settings(folder):
    (run, _) = load(folder, 'begun').points['2']
    record.begin(run)
    assert record.check(run) is None
    assert record.check(run.with_options({'optim_wrapper.optimizer.lr': 0.5})) is None


def test_the_tool_passes_its_options_on_and_names_what_failed(folder, monkeypatch):
    main = runpy.run_path(str(REPOSITORY / 'tools/sweep.py'))['main']
    ran = []
    main.__globals__['run_sweep'] = lambda *arguments: ran.append(arguments) or {'2': 'too steep'}
    (folder / 'told').mkdir()
    (folder / 'told/results.md').touch()
    monkeypatch.setattr(logging.root.manager, 'disable', logging.NOTSET)  # main() changes it
    options = f'{folder}/gains.py --work-dir {folder}/told --seeds 3 4 --points 2 --jobs 5 --gpus 2'
    monkeypatch.setattr(sys, 'argv', ['sweep.py', *options.split()])
    with pytest.raises(SystemExit, match='failed: 2'):
        main()
    ((sweep, points, jobs),) = ran
    assert (points, jobs) == (['2'], 5) and sweep.folder == folder / 'told'
    assert {run.seed for run in sweep.points['2']} == {3, 4} and sweep.points['2'][0].gpus == 2


def test_orphaned_training_keeps_the_lock(tmp_path):
    with launch._lock(tmp_path) as lock:
        training = launch._launch(['sleep', '60'], tmp_path / 'log', lock)
    assert os.getsid(training.pid) == training.pid  # Ctrl-C does not reach it
    with pytest.raises(ValueError, match='choose another --work-dir'):
        with launch._lock(tmp_path):
            pass
    training.kill()
    training.wait()
    with launch._lock(tmp_path):
        pass


def test_nohup_keeps_a_sweep_from_stopping():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with launch._stop_on_signals():
            os.kill(os.getpid(), signal.SIGHUP)
            with pytest.raises(SystemExit):
                os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_the_time_that_is_left_is_shared_by_the_jobs(folder):
    queue = launch._Queue(load(folder, 'timed'), ['2'], 4, None)
    queue.took = {'2': [15.0, 25.0]}
    assert len(queue.waiting) == 2 and queue._time_left() == ', about 0:00:10 left'


def test_dry_run_finds_the_best_checkpoint_of_a_stage_that_has_not_run(folder, capsys):
    sweep = SWEEP.replace("metric='mIoU'", "metric='mIoU', start_from='best'")
    dry_run(load(folder, 'best_later', sweep), ['2'])
    second = capsys.readouterr().out.splitlines()[1]
    assert second.endswith(f'="$(ls {folder}/best_later/2/climb/best_PSNR_*.pth)"')
