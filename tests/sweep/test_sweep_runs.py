"""Trainings of a sweep: stopped, continued, failed, finished."""

import json
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from afno_mm.sweep import dry_run, record, run_sweep
from PIL import Image
from running import REPOSITORY
from tiny_sweep import SWEEP, TRAINER, load

pytestmark = pytest.mark.slow


def wait_for(path, process):
    for _ in range(3000):
        if path.exists():
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    raise TimeoutError(path)


@pytest.fixture(scope='module')
def stopped(folder):
    """Press Ctrl-C during the validation of epoch 2, after its checkpoint was saved."""
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
        # A shell starts background jobs with Ctrl-C ignored. The tests may be such a job.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    wait_for(folder / 'runs/2/climb/epoch_2.pth', process)
    with pytest.raises(ValueError, match=f'process {process.pid} and its training') as refused:
        run_sweep(sweep)
    process.send_signal(signal.SIGINT)
    while 'stopping the training' not in process.stdout.readline():
        assert process.poll() is None
    time.sleep(0.5)  # The training gets SIGTERM. It ends after the validation step that it is in.
    (folder / 'hold').unlink()
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 130 and 'the same command continues the sweep' in output
    training = str(refused.value).split('training, process ')[1].split(',')[0]
    assert not Path('/proc', training).exists()
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
def test_training_with_other_settings_is_not_continued(stopped, sweep, arguments, change):
    with pytest.raises(ValueError, match='2: climb has begun with other settings') as refused:
        run_sweep(load(stopped, sweep=sweep, **arguments))
    assert change in str(refused.value) and 'runs/2/climb' in str(refused.value)


def test_settings_that_do_not_change_the_result_may_change(stopped):
    options = {'model.hold': str(stopped / 'hold'), 'train_dataloader.num_workers': 2}
    assert record.check(load(stopped, cfg_options=options).points['2'][0])


@pytest.fixture(scope='module')
def finished(stopped):
    failures = run_sweep(load(stopped))
    return stopped, failures


def test_stopped_training_continues_from_its_newest_checkpoint(finished):
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


def test_point_that_fails_is_reported_and_the_others_run(finished):
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


def test_finished_training_is_not_run_again(finished, capsys):
    folder = finished[0]
    before = sorted((folder / 'runs/2').rglob('*'))
    assert run_sweep(load(folder), ['2']) == {}
    assert sorted((folder / 'runs/2').rglob('*')) == before
    assert 'is finished: PSNR -2, best at epoch 1' in capsys.readouterr().out
    with pytest.raises(ValueError, match='2: climb is finished with other settings'):
        run_sweep(load(folder, cfg_options={'train_cfg.max_epochs': 4}), ['2'])


def test_stage_is_refused_if_its_start_was_trained_again(finished):
    folder = finished[0]
    shutil.copytree(folder / 'runs', folder / 'anew', dirs_exist_ok=True)
    shutil.rmtree(folder / 'anew/2/climb')
    with pytest.raises(ValueError, match='start: ran with epoch_3.pth of .*, now not trained yet'):
        run_sweep(load(folder, 'anew'), ['2'])


def test_best_checkpoint_to_start_from_is_the_best_by_the_metric(finished):
    folder = finished[0]
    shutil.copytree(folder / 'runs/2/climb', folder / 'best/2/climb', dirs_exist_ok=True)
    sweep = SWEEP.replace("metric='mIoU'", "metric='mIoU', start_from='best'")
    run = load(folder, 'best', sweep).points['2'][1]
    assert record.checkpoint_to_start_from(run) == run.previous.folder / 'best_PSNR_epoch_1.pth'
    (run.previous.folder / 'best_PSNR_epoch_1.pth').unlink()
    with pytest.raises(ValueError, match='checkpoint.save_best=PSNR'):
        record.checkpoint_to_start_from(run)


def test_error_names_a_metric_that_is_not_logged(finished):
    folder = finished[0]
    run = load(folder, sweep=SWEEP.replace('PSNR', 'SSIM')).points['2'][0]
    with pytest.raises(ValueError, match="gives 'SSIM'"):
        record.finish(run, record.check(run))


def test_dry_run_prints_the_commands_of_unfinished_trainings(finished, capsys):
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


def test_dry_run_prints_only_lines_that_can_be_pasted(finished):
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
