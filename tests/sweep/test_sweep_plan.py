"""Reading a sweep, and the lock on its folder."""

import subprocess

import pytest
from afno_mm.sweep import launch
from tiny_sweep import SWEEP, TRAINER, load


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
        ("metric='mIoU'", "metrics='mIoU'", 'a metric is wanted'),
        ("'best'", "'highest'", r"collect of the stage of PSNR is 'highest'"),
        ('climb_on.py', 'nowhere.py', 'there is no such file'),
        ('climb_on.py', 'climb.py', 'would share the folder climb'),
        ('str(gain)', "f'{gain}/10'", 'names a folder'),
        ('gain}', "'2'}", "cannot set model.gain to '2'"),
        ('gain}', "gain, 'configs': ['climb.py']}", '1 configs .* for the 2 stages'),
        ("'model.gain'", "'model.hold'", "sets \\['model.hold'\\] for every point"),
    ],
)
def test_invalid_sweep_is_refused(folder, old, new, message):
    assert old in SWEEP
    with pytest.raises(ValueError, match=message):
        load(folder, sweep=SWEEP.replace(old, new))


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


def test_orphaned_training_keeps_the_lock(tmp_path):
    with launch._lock(tmp_path) as lock:
        training = subprocess.Popen(['sleep', '60'], pass_fds=[lock.fileno()])
    with pytest.raises(ValueError, match='choose another --work-dir'):
        with launch._lock(tmp_path):
            pass
    training.kill()
    training.wait()
    with launch._lock(tmp_path):
        pass
