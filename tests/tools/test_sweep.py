"""A sweep of the smallest trainings: one weight that every epoch raises by ``gain``."""

import json
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from afno_mm.sweep import dry_run, launch, load_sweep, record, report, run_sweep
from matplotlib.figure import Figure
from PIL import Image
from running import REPOSITORY

MODULE = """
import os
import time

import torch
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel, BaseModule
from mmengine.registry import METRICS, MODELS


@MODELS.register_module()
class OneWeight(BaseModule):

    def __init__(self, init_cfg=None):
        super().__init__(init_cfg)
        self.weight = torch.nn.Parameter(torch.zeros(1))


@MODELS.register_module()
class Climber(BaseModel):

    def __init__(self, backbone, gain, hold=''):
        super().__init__()
        self.backbone, self.gain, self.hold = MODELS.build(backbone), gain, hold

    def forward(self, inputs, mode):
        height = self.backbone.weight
        if mode == 'loss':
            if self.gain > 50:
                raise ValueError('too steep')
            return dict(loss=-self.gain * height.sum())
        if height > self.gain:
            while os.path.exists(self.hold):
                time.sleep(0.02)
        return [height.item()]


@METRICS.register_module()
class Height(BaseMetric):

    def __init__(self, name, sign):
        super().__init__()
        self.name, self.sign = name, sign

    def process(self, data_batch, data_samples):
        self.results.append(data_samples[0] * self.sign)

    def compute_metrics(self, results):
        return {self.name: results[0]}
"""
CONFIG = """
data_root = '{{{{$DATA_ROOT:nowhere}}}}'
default_scope = 'mmengine'
custom_imports = dict(imports=['climber'])
model = dict(type='Climber', gain=1., backbone=dict(type='OneWeight'{init_cfg}))
train_dataloader = val_dataloader = dict(
    batch_size=1, num_workers=0, dataset=[dict(inputs=[0])],
    sampler=dict(type='DefaultSampler', shuffle=False))
val_evaluator = dict(type='Height', name='{metric}', sign={sign})
train_cfg = dict(by_epoch=True, max_epochs=3, val_interval=1)
val_cfg = dict()
optim_wrapper = dict(optimizer=dict(type='SGD', lr=1.))
default_hooks = dict(
    checkpoint=dict(type='CheckpointHook', interval=1, save_best='{metric}', rule='greater'))
"""
SWEEP = """
label = 'gain'
points = {str(gain): {'model.gain': gain} for gain in (2, 100)}
stages = [dict(config='climb.py', metric='PSNR', collect='best'),
          dict(config='climb_on.py', metric='mIoU')]
"""
TRAINER = REPOSITORY / 'tools/train.py'


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Sweep, stages and model; the first epoch is the best of the first stage."""
    folder = tmp_path_factory.mktemp('sweep')
    (folder / 'climber.py').write_text(MODULE)
    (folder / 'climb.py').write_text(CONFIG.format(metric='PSNR', sign=-1, init_cfg=''))
    (folder / 'climb_on.py').write_text(
        CONFIG.format(metric='mIoU', sign=1, init_cfg=", init_cfg=dict(prefix='backbone.')")
    )
    (folder / 'gains.py').write_text(SWEEP)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('OMP_NUM_THREADS', '1')
        patch.setenv('DATA_ROOT', 'somewhere')  # which MMEngine logs
        patch.setenv('PYTHONPATH', f'{folder}:{REPOSITORY}')
        patch.syspath_prepend(folder)
        yield folder


def load(folder, work='runs', sweep=SWEEP, **arguments):
    path = folder / 'gains.py'
    path.write_text(sweep)
    arguments.setdefault('cfg_options', {'model.hold': str(folder / 'hold')})
    return load_sweep(str(path), TRAINER, folder / work, **arguments)


def wait_for(path, process):
    for _ in range(3000):
        if path.exists():
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    raise TimeoutError(path)


@pytest.fixture(scope='module')
def stopped(folder):
    """Ctrl-C while the second epoch is validated, whose checkpoint has been saved."""
    (folder / 'hold').touch()
    sweep = load(folder)
    process = subprocess.Popen(
        [
            sys.executable,
            REPOSITORY / 'tools/sweep.py',
            folder / 'gains.py',
            '--work-dir',
            folder / 'runs',
            '--cfg-options',
            f'model.hold={folder / "hold"}',
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # Shells start background jobs, which these tests may be, with Ctrl-C ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    wait_for(folder / 'runs/2/climb/epoch_2.pth', process)
    with pytest.raises(ValueError, match=f'process {process.pid} and its training') as refused:
        run_sweep(sweep)
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 130 and 'the same command goes on from here' in output
    training = str(refused.value).split('training, process ')[1].split(',')[0]
    assert not Path('/proc', training).exists()
    (folder / 'hold').unlink()
    assert '| 2 |  | begun | not trained |' in (folder / 'runs/results.md').read_text()
    return folder


@pytest.mark.parametrize(
    'sweep, arguments, change',
    [
        (SWEEP.replace('gain}', '3}'), {}, 'model.gain: ran with 2, now 3'),
        (SWEEP, dict(gpus=2), 'batch_size x gpus: ran with 1, now 2'),
        (
            SWEEP,
            dict(cfg_options={'optim_wrapper.clip_grad.max_norm': 1.0}),
            'optim_wrapper.clip_grad.max_norm: ran with nothing, now 1.0',
        ),
    ],
)
def test_training_with_other_settings_is_not_gone_on_with(stopped, sweep, arguments, change):
    with pytest.raises(ValueError, match='2: climb has begun with other settings') as refused:
        run_sweep(load(stopped, sweep=sweep, **arguments))
    assert change in str(refused.value) and 'runs/2/climb' in str(refused.value)


def test_settings_without_bearing_may_change(stopped):
    options = {'model.hold': str(stopped / 'hold'), 'train_dataloader.num_workers': 2}
    assert record.check(load(stopped, cfg_options=options).points['2'][0])


@pytest.fixture(scope='module')
def finished(stopped):
    failures = run_sweep(load(stopped))
    return stopped, failures


def test_stopped_training_goes_on_from_its_newest_checkpoint(finished):
    work = finished[0] / 'runs'
    validated = [
        [entry['step'] for entry in map(json.loads, path.open()) if 'PSNR' in entry]
        for path in sorted((work / '2/climb').glob('*/vis_data/scalars.json'))
    ]
    assert validated == [[1], [2, 3]]
    assert record.validations(work / '2/climb', 'PSNR') == {1: -2, 2: -4, 3: -6}


def test_next_stage_starts_from_the_last_checkpoint(finished):
    values = record.validations(finished[0] / 'runs/2/climb_on', 'mIoU')
    assert values == {1: 8, 2: 10, 3: 12}


def test_point_that_fails_is_reported_and_the_others_go_on(finished):
    folder, failures = finished
    assert list(failures) == ['100'] and 'ValueError: too steep' in failures['100']
    assert (folder / 'runs/results.md').read_text() == (
        '| gain | parameters | PSNR | mIoU |\n|---|---|---|---|\n'
        '| 2 | 1e-06M | -2, best at epoch 1 | 12, last at epoch 3 |\n'
        '| 100 |  | failed | not trained |\n'
    )
    whole, broken = json.loads((folder / 'runs/results.json').read_text())['points']
    assert 'too steep' in broken['failed'] and whole['failed'] is None
    assert [stage['value'] for stage in whole['stages']] == [-2, 12]
    assert Image.open(folder / 'runs/results.png').size == (1350, 525)


def test_what_is_finished_is_not_run_again(finished, capsys):
    folder = finished[0]
    before = sorted((folder / 'runs/2').rglob('*'))
    assert run_sweep(load(folder), ['2']) == {}
    assert sorted((folder / 'runs/2').rglob('*')) == before
    assert 'is finished: PSNR -2, best at epoch 1' in capsys.readouterr().out
    with pytest.raises(ValueError, match='2: climb is finished with other settings'):
        run_sweep(load(folder, cfg_options={'train_cfg.max_epochs': 4}), ['2'])


def test_stage_whose_start_was_trained_anew_is_refused(finished):
    folder = finished[0]
    shutil.copytree(folder / 'runs', folder / 'anew', dirs_exist_ok=True)
    shutil.rmtree(folder / 'anew/2/climb')
    with pytest.raises(ValueError, match='start: ran with epoch_3.pth of .*, now not trained yet'):
        run_sweep(load(folder, 'anew'), ['2'])


def test_best_checkpoint_to_start_from_is_that_of_the_metric(finished):
    folder = finished[0]
    shutil.copytree(folder / 'runs/2/climb', folder / 'best/2/climb', dirs_exist_ok=True)
    sweep = SWEEP.replace("metric='mIoU'", "metric='mIoU', start_from='best'")
    run = load(folder, 'best', sweep).points['2'][1]
    assert record.checkpoint_to_start_from(run) == run.previous.folder / 'best_PSNR_epoch_1.pth'
    (run.previous.folder / 'best_PSNR_epoch_1.pth').unlink()
    with pytest.raises(ValueError, match='checkpoint.save_best=PSNR'):
        record.checkpoint_to_start_from(run)


def test_metric_that_is_not_logged_is_named(finished):
    folder = finished[0]
    run = load(folder, sweep=SWEEP.replace('PSNR', 'SSIM')).points['2'][0]
    with pytest.raises(ValueError, match="gives 'SSIM'"):
        record.finish(run, record.check(run))


def test_dry_run_prints_commands_of_what_is_left(finished, capsys):
    folder = finished[0]
    dry_run(load(folder))
    *done, first, second = capsys.readouterr().out.splitlines()
    assert done == ['# 2: climb: finished', '# 2: climb_on: finished']
    assert shlex.split(first) == [
        sys.executable,
        str(TRAINER),
        str(folder / 'climb.py'),
        '--work-dir',
        str(folder / 'runs/100/climb'),
        '--resume',
        '--cfg-options',
        'model.gain=100',
        f'model.hold={folder / "hold"}',
    ]
    assert second.endswith(f'checkpoint="$(cat {folder}/runs/100/climb/last_checkpoint)"')


def test_dry_run_prints_nothing_that_cannot_be_pasted(finished):
    folder = finished[0]
    result = subprocess.run(
        [
            sys.executable,
            REPOSITORY / 'tools/sweep.py',
            folder / 'gains.py',
            '--work-dir',
            folder / 'runs',
            '--dry-run',
            '--cfg-options',
            f'model.hold={folder / "hold"}',
        ],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert [line.split()[0] for line in result.stdout.splitlines()] == [
        '#',
        '#',
        sys.executable,
        sys.executable,
    ]


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
        ('gain}', "'2'}", "cannot say that model.gain is '2'"),
        ('gain}', "gain, 'configs': ['climb.py']}", '1 configs .* for the 2 stages'),
        ("'model.gain'", "'model.hold'", "would set \\['model.hold'\\] alike"),
    ],
)
def test_config_that_is_no_sweep_is_refused(folder, old, new, message):
    assert old in SWEEP
    with pytest.raises(ValueError, match=message):
        load(folder, sweep=SWEEP.replace(old, new))


def test_point_may_have_configs_of_its_own(folder):
    sweep = SWEEP.replace('gain}', "gain, 'configs': ['climb_on.py', 'climb.py']}")
    assert [run.folder.name for run in load(folder, sweep=sweep).points['2']] == [
        'climb_on',
        'climb',
    ]
    with pytest.raises(ValueError, match='--stages would replace'):
        load(folder, sweep=sweep, stages=[folder / 'climb.py'] * 2)
    stages = [str(folder / f'{name}.py') for name in ('climb_on', 'climb')]
    assert [run.stage.config for run in load(folder, stages=stages).points['2']] == stages


def test_values_are_those_of_the_launch_that_came_last(tmp_path):
    for name, lines in dict(
        a=['{"PSNR": 1.0, "step": 1}'],
        b=['{"PSNR": 2.0, "step": 1}', '{"PSNR": 3.0, "step": 2}'],
        c=['{"PSNR": 4.0, "step": 2}', '{"loss": 1, "st'],
    ).items():
        (tmp_path / name / 'vis_data').mkdir(parents=True)
        (tmp_path / name / 'vis_data/scalars.json').write_text('\n'.join(lines))
    assert record.validations(tmp_path, 'PSNR') == {1: 2.0, 2: 4.0}
    assert record.validations(tmp_path, 'PSNR', since='c') == {2: 4.0}


def test_orphaned_training_keeps_the_folder(tmp_path):
    with launch._only_one(tmp_path) as lock:
        training = subprocess.Popen(['sleep', '60'], pass_fds=[lock.fileno()])
    with pytest.raises(ValueError, match='choose another --work-dir'):
        with launch._only_one(tmp_path):
            pass
    training.kill()
    training.wait()
    with launch._only_one(tmp_path):
        pass


@pytest.mark.parametrize(
    'names, even',
    [
        (['0', '.001', '.01', '.1', '1', '10'], True),
        (['1', '2', '4', '8', '16'], True),
        (['3', '4', '8'], False),
        (['FNO', 'static', 'AFNO'], True),
    ],
)
def test_points_that_span_decades_are_spread_evenly(names, even):
    axes = Figure().subplots()
    places, _ = report._axis(axes, names)
    steps = np.diff(axes.transData.transform([(x, 0) for x in places])[:, 0])
    assert (steps > 0).all() and (steps.max() < 1.2 * steps.min()) == even


def test_points_of_a_name_are_joined_over_their_parameters():
    axes = Figure().subplots()
    report._over_parameters(
        axes,
        {
            name: dict(parameters=size * 1e6, value=value)
            for name, size, value in [
                ('AFNO-B1', 14, 78),
                ('ESA-B0', 4, 74),
                ('AFNO-B0', 4, 76),
                ('alone', 9, 70),
            ]
        },
    )
    lines = {line.get_label(): line.get_xydata().tolist() for line in axes.get_lines()}
    assert lines == {'AFNO': [[4, 76], [14, 78]], 'ESA': [[4, 74]], 'alone': [[9, 70]]}
    assert [text.get_text() for text in axes.get_legend().get_texts()] == list(lines)
