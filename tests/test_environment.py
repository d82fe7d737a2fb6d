"""Planted broken installations are named with the command that mends them."""
import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import afno_mm
from afno_mm.environment import DISTRIBUTION, find_problems, installed_version

WANTED = [Requirement(r) for r in metadata.requires(DISTRIBUTION)]


def problems(**planted):
    def version_of(name):
        return planted.get(name.replace('-', '_'), installed_version(name))
    return find_problems(WANTED, version_of)


def test_this_environment_is_fine():
    assert problems() == []


@pytest.mark.parametrize('planted, found, command', [
    (dict(mmengine='0.10.7'), 'onedl-mmengine .*, mmengine 0.10.7 are installed side by side',
     'pip uninstall -y onedl-mmengine mmengine && pip install "onedl-mmengine'),
    (dict(mmcv_lite='2.1.0'), 'mmcv-lite 2.1.0 are installed side by side', 'onedl-mmcv mmcv-lite'),
    (dict(torch='2.5.1'), 'torch 2.5.1 is installed, wanted is torch>=2.6', 'pip install "torch>=2.6"'),
    (dict(numpy='2.4.0'), 'numpy 2.4.0 .*np.in1d', 'pip install "numpy<2.4"'),
    (dict(onedl_mmsegmentation='9.0'), 'onedl-mmsegmentation 9.0 is installed', 'pip install'),
    (dict(pillow='13.0.0'), 'mode I', 'pip install "pillow<13"'),
    (dict(onedl_mmcv=None, mmcv='2.2.0'), 'mmcv 2.2.0 is installed; this package works with',
     'pip uninstall -y mmcv && pip install "onedl-mmcv'),
    (dict(cityscapesscripts=None), 'cityscapesscripts is not installed', 'pip install "cityscapes'),
])
def test_planted_fault(planted, found, command):
    (text, mend), = problems(**planted)
    assert re.search(found, text) and command in mend


def test_upstream_set_alone_is_accepted():
    older = dict(onedl_mmengine=None, mmengine='0.10.7', onedl_mmcv=None, mmcv='2.1.0',
                 onedl_mmsegmentation=None, mmsegmentation='1.2.2',
                 onedl_mmpretrain=None, mmpretrain='1.2.0')
    assert problems(**older) == []


def plant(folder, name, version, *requires):
    info = folder / f'{name}-{version}.dist-info'
    info.mkdir()
    lines = ['Metadata-Version: 2.1', f'Name: {name}', f'Version: {version}']
    (info / 'METADATA').write_text('\n'.join(lines + [f'Requires-Dist: {r}' for r in requires]))


def import_with(folder):
    result = subprocess.run(
        [sys.executable, '-c', 'import afno_mm'], capture_output=True, text=True,
        env=dict(os.environ, PYTHONPATH=str(folder)))
    return result.returncode, result.stderr


def test_both_sets_stop_the_import(tmp_path):
    plant(tmp_path, 'mmengine', '0.10.7')
    code, text = import_with(tmp_path)
    assert code == 1 and 'side by side' in text and 'run: pip uninstall -y' in text


def test_cpu_only_torch_beside_cuda_torchvision(tmp_path):
    plant(tmp_path, 'torch', '2.15.0+cpu')
    plant(tmp_path, 'torchvision', '0.30.0', 'torch>=2.6')
    (tmp_path / 'torchvision.py').write_text(
        "raise RuntimeError('operator torchvision::nms does not exist')")
    code, text = import_with(tmp_path)
    assert code == 1 and 'CPU-only torch, CUDA torchvision' in text
    assert 'pip install torch torchvision' in text


def test_cpu_only_torch_with_a_torchvision_that_works_is_accepted(tmp_path):
    plant(tmp_path, 'torch', '2.15.0+cpu')
    plant(tmp_path, 'torchvision', '0.30.0', 'torch>=2.6')
    (tmp_path / 'torchvision.py').write_text('')
    assert import_with(tmp_path)[0] == 0


def test_torchvision_for_another_torch(tmp_path):
    plant(tmp_path, 'torch', '2.15.0')
    plant(tmp_path, 'torchvision', '0.24.0', 'torch==2.9.0')
    code, text = import_with(tmp_path)
    assert code == 1 and 'torch 2.15.0 and torchvision 0.24.0 are of different builds' in text


def test_not_installed_names_the_command(tmp_path):
    """A bare checkout on the path, without its metadata."""
    shutil.copytree(Path(afno_mm.__file__).parent, tmp_path / 'afno_mm')
    finder = 'import sys; sys.path.insert(0, sys.argv[1]); from importlib import metadata\n' \
             'def requires(name): raise metadata.PackageNotFoundError(name)\n' \
             'metadata.requires = requires; import afno_mm'
    result = subprocess.run([sys.executable, '-c', finder, str(tmp_path)],
                            capture_output=True, text=True)
    assert result.returncode == 1 and 'run: pip install -e .' in result.stderr
