"""The quickstart with a python that only says what it was asked, and its picture."""

import os
import runpy
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from afno_mm.engine import build_model, read_config
from generators.scenes import make_scenes
from mmengine.registry import DATASETS
from PIL import Image
from running import REPOSITORY

CONFIG = REPOSITORY / 'configs/vit_afno_scenes.py'
DRAW = str(REPOSITORY / 'tools/draw_predictions.py')
IDENTITY = '--cfg-options model.backbone.mixer.type=Identity'
# Write down each call, and what a training or a test leaves in its work dir. FAULT is added.
PYTHON = """#!/bin/bash
echo "$*" >> calls
while [ "$1" != --work-dir ] && [ $# -gt 0 ]; do tool="$tool $1"; shift; done
case $tool in
*train.py*) FAULT; mkdir -p "$2"; echo "$2/epoch_14.pth" > "$2/last_checkpoint" ;;
*test.py*) touch "$2/metrics.json" ;;
esac
"""


@pytest.fixture
def start(tmp_path):
    """Return a function that starts a copy of the script with the fake python, and its calls."""
    (tmp_path / 'tools').mkdir()
    for name in ('quickstart.sh', 'environment.sh'):
        shutil.copy(REPOSITORY / 'tools' / name, tmp_path / 'tools')

    def start(*arguments, fault=':'):
        python = tmp_path / 'python'
        python.write_text(PYTHON.replace('FAULT', fault))
        python.chmod(0o755)
        return subprocess.Popen(
            ['bash', tmp_path / 'tools/quickstart.sh', *arguments],
            env=dict(os.environ, PATH=f'{tmp_path}:{os.environ["PATH"]}', VIRTUAL_ENV='here'),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # A test run in the background ignores SIGINT, and its children would too.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    start.calls = lambda: (tmp_path / 'calls').read_text().splitlines()
    return start


@pytest.mark.parametrize(
    'arguments,config,folder',
    [
        ([], 'vit_afno_scenes', 'segmentation'),
        (['inpainting'], 'vit_afno_inpainting_demo', 'inpainting'),
    ],
)
def test_the_network_is_trained_with_and_without_its_mixer(start, arguments, config, folder):
    output, _ = (process := start(*arguments)).communicate(timeout=60)
    assert process.returncode == 0, output
    calls = start.calls()
    own, control = f'work_dirs/quickstart/{folder}', f'work_dirs/quickstart/{folder}_no_mixer'
    train = f'tools/train.py configs/{config}.py --work-dir'
    assert {f'{train} {own} --resume', f'{train} {control} --resume {IDENTITY}'} <= {*calls}
    # A test needs the mixer of its training.
    tests = [call for call in calls if call.startswith(f'tools/test.py configs/{config}.py')]
    assert sorted((f'{control}/epoch_14.pth' in call, IDENTITY in call) for call in tests) == [
        (False, False),
        (True, True),
    ]
    assert (
        f'tools/baseline.py configs/{config}.py --beside {control}/metrics.json '
        f'{own}/metrics.json --names no mixer AFNO'
    ) in calls


def test_the_segformer_is_a_task_without_a_control(start):
    output, _ = (process := start('segformer')).communicate(timeout=60)
    assert process.returncode == 0, output
    assert not [call for call in start.calls() if 'Identity' in call]
    assert 'segformer/metrics.json' in start.calls()[-1]


def test_an_error_without_the_mixer_is_shown_and_is_the_scripts(start):
    fault = 'case "$*" in *Identity*) echo the disk is full; exit 1 ;; esac'
    output, _ = (process := start(fault=fault)).communicate(timeout=60)
    assert process.returncode == 1
    assert 'the disk is full' in output and 'segmentation_no_mixer.log' in output.splitlines()[-1]
    assert not [call for call in start.calls() if 'baseline.py' in call]


def test_a_stopped_training_stops_the_other_one_and_waits_for_it(start, tmp_path):
    # 75 is the code of a training that was stopped by Ctrl-C. The other one saves a checkpoint.
    fault = (
        'case "$*" in *Identity*) trap "sleep 0.5; touch saved; exit 75" INT; touch started; '
        'for i in {1..200}; do sleep 0.1; done; touch ended ;; '
        '*) while [ ! -e started ]; do sleep 0.05; done; exit 75 ;; esac'
    )
    output, _ = (process := start(fault=fault)).communicate(timeout=40)
    assert process.returncode == 75, output
    assert (tmp_path / 'saved').exists() and not (tmp_path / 'ended').exists()


def test_an_unknown_task_is_refused(start):
    output, _ = (process := start('scenes')).communicate(timeout=60)
    assert process.returncode == 2 and 'segformer|classification|inpainting' in output


@pytest.mark.slow
def test_predictions_are_drawn_beside_the_truth(tmp_path, monkeypatch, capsys):
    make_scenes(str(tmp_path / 'scenes'), num_train=1, num_val=2, size=(64, 128))
    config = tmp_path / 'tiny.py'
    config.write_text(f"""
_base_ = {str(CONFIG)!r}
model = dict(backbone=dict(arch=dict(num_layers=1)))
test_dataloader = dict(dataset=dict(data_root={str(tmp_path / 'scenes')!r}))
""")
    model = build_model(read_config(str(config)), None, 'cpu')
    with torch.no_grad():  # predict class 2 everywhere
        model.decode_head.conv_seg.weight.zero_()
        model.decode_head.conv_seg.bias.copy_(torch.eye(19)[2])
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'weights.pth')

    def draw(*options):
        models = [str(config), str(tmp_path / 'weights.pth')] * 2
        out = ['--out', str(tmp_path / 'drawn/picture.png'), '--names', 'one', 'other']
        monkeypatch.setattr(sys, 'argv', [DRAW, *models, *out, *options])
        runpy.run_path(DRAW, run_name='__main__')

    draw('--images', '1', '0')
    width, height = Image.open(tmp_path / 'drawn/picture.png').size
    assert width > 1000 and 250 < height < width / 2  # four columns, two rows
    assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path / 'drawn/picture.png')
    with pytest.raises(IndexError, match='image 2 was asked for, the test set has images 0 to 1'):
        draw('--images', '2')
    with pytest.raises(SystemExit):
        draw('--names', 'one')
    assert 'a name of its own for each of 2 models, got one' in capsys.readouterr().err

    script = runpy.run_path(DRAW)
    cfg = read_config(str(config))
    sample = DATASETS.build(cfg.test_dataloader.dataset)[0]
    (labels,) = script['predict'](cfg, str(tmp_path / 'weights.pth'), [sample])
    assert labels.shape == (64, 128) and (labels == 2).all()
    black = np.zeros((1, 2, 3), np.uint8)
    coloured = script['colour'](black, np.array([[0, 255]]), [(200, 100, 0)])
    assert coloured.tolist() == [[[130, 65, 0], [0, 0, 0]]]
