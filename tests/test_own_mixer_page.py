"""The tutorial on one's own mixer: its commands run, and its transform is that of PyWavelets."""

import ast
import json
import os
import re
import shutil
import subprocess

import numpy as np
import pytest
import pywt
import torch
import wavelet_mixer
from mmengine.config import Config
from running import REPOSITORY, environment

FOLDER = REPOSITORY / 'docs/tutorials/wavelet_mixer'
PAGE = (REPOSITORY / 'docs/tutorials/own_mixer.md').read_text()
BLOCKS = re.findall(r'^```(\w+)\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL)
# What makes the commands small. The last block is a test of its own.
SMALL = {
    'data/make_scenes.py data/scenes': ' --train 4 --val 2',
    'train_cfg.max_epochs=4 train_cfg.val_interval=2': ' train_cfg.max_epochs=1'
    ' train_cfg.val_interval=1 param_scheduler=None default_hooks.logger.interval=1'
    ' default_hooks.pictures.number=1',
}


def small(command):
    for part, options in SMALL.items():
        command = command.replace(part, part + options)
    return command


@pytest.fixture(scope='module')
def ran(tmp_path_factory):
    """A checkout in which the commands of the page have run. pip installs without a network."""
    folder = tmp_path_factory.mktemp('own_mixer')
    for name in ('tools', 'configs'):
        (folder / name).symlink_to(REPOSITORY / name)
    (folder / 'data').mkdir()
    for name in ('make_scenes.py', 'generators'):
        (folder / 'data' / name).symlink_to(REPOSITORY / 'data' / name)
    shutil.copytree(FOLDER, folder / 'docs/tutorials/wavelet_mixer')
    settings = environment(
        CUDA_VISIBLE_DEVICES='',
        PYTHONPATH=os.pathsep.join([str(folder / 'site'), str(REPOSITORY)]),
        XDG_CACHE_HOME=str(folder / 'cache'),
        PIP_TARGET=str(folder / 'site'),
        PIP_NO_DEPS='1',
        PIP_NO_INDEX='1',
        PIP_NO_BUILD_ISOLATION='false',  # pip reads it as: no isolation
    )
    commands = [line for kind, code in BLOCKS[:-1] if kind == 'bash' for line in code.splitlines()]
    said = ''
    for command in map(small, commands):
        result = subprocess.run(
            command.split(), cwd=folder, env=settings, capture_output=True, text=True
        )
        said += result.stdout
        assert result.returncode == 0, f'{result.stdout[-2000:]}{result.stderr[-5000:]}'
    return folder, said


@pytest.mark.slow
def test_the_package_is_installed_and_trains_beside_afno(ran):
    folder, said = ran
    assert (folder / 'site/wavelet_mixer.py').read_text() == (
        FOLDER / 'wavelet_mixer.py'
    ).read_text()
    for name, mixer in (('wavelet_b0_scenes', 'Wavelet'), ('segformer_afno_b0_scenes', 'AFNO')):
        assert name in said
        work = folder / 'work_dirs' / name
        (log,) = work.glob('*/vis_data/scalars.json')
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        assert any('mIoU' in line for line in lines)
        (config,) = work.glob('*.py')
        assert Config.fromfile(config).model.backbone.mixer.type == mixer


def test_the_page_shows_the_code_of_the_package():
    code = (FOLDER / 'wavelet_mixer.py').read_text()
    config = (FOLDER / 'wavelet_b0_scenes.py').read_text()
    shown = [text for language, text in BLOCKS if language == 'python']
    assert len(shown) == 2 and config.endswith(shown[1])
    functions = ast.parse(shown[0]).body[0].body
    assert len(functions) == 2
    assert all(ast.get_source_segment(shown[0], function) in code for function in functions)
    assert BLOCKS[-1][1] == 'python -m pytest tests/test_every_mixer.py -k Wavelet\n'


@pytest.mark.parametrize('wavelet', ['haar', 'db2', 'coif1'])
@pytest.mark.parametrize('grid', [(1, 1), (1, 5), (7, 16), (9, 8)])
def test_the_transform_is_that_of_pywavelets_and_goes_back(wavelet, grid):
    x = torch.randn(2, 3, *grid, dtype=torch.float64)
    analysis, synthesis = (wavelet_mixer.filters(wavelet, kind).double() for kind in ('dec', 'rec'))
    bands = wavelet_mixer.split(x, analysis)
    coarse, details = pywt.dwt2(x.numpy(), wavelet, mode='constant')
    for band, expected in zip(bands, (coarse, *details), strict=True):
        np.testing.assert_allclose(band.numpy(), expected, atol=1e-6)
    back = wavelet_mixer.join([*bands], synthesis, grid)
    torch.testing.assert_close(back, x, atol=2e-6, rtol=0)


def test_levels_decide_how_far_a_token_is_seen():
    x = torch.randn(1, 16, 16, 8)
    other = x.clone()
    other[0, 0, 0] += 1
    for levels in (1, 2, 3):
        mixer = wavelet_mixer.Wavelet(8, levels=levels, num_blocks=2)
        rows, columns = (mixer(x) != mixer(other))[0].any(-1).nonzero().T
        assert max(rows) == max(columns) == 2**levels - 1


def test_wrong_settings_are_refused():
    with pytest.raises(ValueError, match='num_blocks=3 must divide embed_dims=8'):
        wavelet_mixer.Wavelet(8, num_blocks=3)
    with pytest.raises(ValueError, match='got 0'):
        wavelet_mixer.Wavelet(8, levels=0)
    with pytest.raises(ValueError, match='bior2.2 is not orthogonal'):
        wavelet_mixer.Wavelet(8, wavelet='bior2.2')
