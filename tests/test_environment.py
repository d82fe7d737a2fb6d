"""The check finds broken environments and names the command that repairs each."""

import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import afno_mm
import pytest
from afno_mm.environment import DISTRIBUTION, find_problems, installed_version
from packaging.requirements import Requirement

WANTED = {r.name: r for r in map(Requirement, metadata.requires(DISTRIBUTION))}
OLDEST_TORCH = str(next(iter(WANTED['torch'].specifier)).version)


def problems(**planted):
    def version_of(name):
        return planted.get(name.replace('-', '_'), installed_version(name))

    return find_problems(WANTED.values(), version_of)


def test_this_environment_is_fine():
    assert problems() == []


@pytest.mark.parametrize(
    'planted, found, command',
    [
        (
            dict(mmengine='0.10.7'),
            'onedl-mmengine .* and mmengine 0.10.7 are both installed',
            'pip uninstall -y onedl-mmengine mmengine && pip install "onedl-mmengine',
        ),
        (dict(mmcv_lite='2.1.0'), 'mmcv-lite 2.1.0 are both installed', 'onedl-mmcv mmcv-lite'),
        (
            dict(torch='2.0.1'),
            f'found torch 2.0.1; wanted torch>={OLDEST_TORCH}',
            f'pip install "torch>={OLDEST_TORCH}"',
        ),
        (dict(numpy='2.4.0'), 'numpy 2.4.0; .*np.in1d', 'pip install "numpy<2.4"'),
        (dict(onedl_mmsegmentation='9.0'), 'found onedl-mmsegmentation 9.0', 'pip install'),
        (dict(pillow='13.0.0'), 'mode I', 'pip install "pillow<13"'),
        (
            dict(onedl_mmcv=None, mmcv='2.2.0'),
            'found mmcv 2.2.0; wanted its maintained',
            'pip uninstall -y mmcv && pip install "onedl-mmcv',
        ),
        (
            dict(cityscapesscripts=None),
            'cityscapesscripts is not installed',
            'pip install "cityscapes',
        ),
    ],
)
def test_planted_fault(planted, found, command):
    ((text, mend),) = problems(**planted)
    assert re.search(found, text) and command in mend


@pytest.mark.parametrize('build', ['.0', '.0+cu132', '.0a0+ecf3bae40a.nv25.01'])
def test_builds_of_the_oldest_torch_are_accepted(build):
    assert problems(torch=OLDEST_TORCH + build) == []


def plant(folder, name, version, *requires):
    info = folder / f'{name}-{version}.dist-info'
    info.mkdir()
    lines = ['Metadata-Version: 2.1', f'Name: {name}', f'Version: {version}']
    (info / 'METADATA').write_text('\n'.join(lines + [f'Requires-Dist: {r}' for r in requires]))


def import_with(folder):
    result = subprocess.run(
        [sys.executable, '-c', 'import afno_mm'],
        capture_output=True,
        text=True,
        env=dict(os.environ, PYTHONPATH=str(folder)),
    )
    return result.returncode, result.stderr


def test_both_sets_stop_the_import(tmp_path):
    plant(tmp_path, 'mmengine', '0.10.7')
    code, text = import_with(tmp_path)
    assert code == 1 and 'are both installed' in text and 'run: pip uninstall -y' in text


@pytest.mark.parametrize(
    'torch, torchvision, error',
    [
        ('2.15.0+cpu', '0.30.0', "RuntimeError('operator torchvision::nms does not exist')"),
        ('2.15.0+cu118', '0.30.0', "RuntimeError('different CUDA major versions')"),
        ('2.15.0', '0.30.0+cu118', "OSError('libcudart.so.11: cannot open shared object file')"),
    ],
)
def test_torch_and_torchvision_of_different_builds(tmp_path, torch, torchvision, error):
    plant(tmp_path, 'torch', torch)
    plant(tmp_path, 'torchvision', torchvision, 'torch>=2.6')
    (tmp_path / 'torchvision.py').write_text(f'raise {error}')
    code, text = import_with(tmp_path)
    assert code == 1 and f'torch {torch} and torchvision {torchvision} are of different' in text
    assert ('CPU-only torch, CUDA torchvision' in text) == torch.endswith('cpu')
    assert 'pip install torch torchvision' in text


def test_different_builds_that_work_are_accepted(tmp_path):
    plant(tmp_path, 'torch', '2.15.0+cpu')
    plant(tmp_path, 'torchvision', '0.30.0', 'torch>=2.6')
    (tmp_path / 'torchvision.py').write_text('')
    assert import_with(tmp_path)[0] == 0


def test_opencv_without_its_system_libraries(tmp_path):
    (tmp_path / 'cv2.py').write_text("raise ImportError('libGL.so.1: cannot open shared object')")
    code, text = import_with(tmp_path)
    assert code == 1 and 'apt-get install -y libgl1' in text

    (tmp_path / 'cv2.py').write_text("raise ImportError('numpy.core.multiarray failed to import')")
    code, text = import_with(tmp_path)
    assert code == 1 and 'numpy.core.multiarray' in text and 'apt-get' not in text


def test_torchvision_for_another_torch(tmp_path):
    plant(tmp_path, 'torch', '2.15.0')
    plant(tmp_path, 'torchvision', '0.24.0', 'torch==2.9.0')
    code, text = import_with(tmp_path)
    assert code == 1 and 'torch 2.15.0 and torchvision 0.24.0 are of different builds' in text


def test_not_installed_names_the_command(tmp_path):
    """A checkout on the path has no metadata."""
    shutil.copytree(Path(afno_mm.__file__).parent, tmp_path / 'afno_mm')
    finder = (
        'import sys; sys.path.insert(0, sys.argv[1]); from importlib import metadata\n'
        'def requires(name): raise metadata.PackageNotFoundError(name)\n'
        'metadata.requires = requires; import afno_mm'
    )
    result = subprocess.run(
        [sys.executable, '-c', finder, str(tmp_path)], capture_output=True, text=True
    )
    assert result.returncode == 1 and 'run: pip install -e .' in result.stderr
