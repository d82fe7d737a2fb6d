"""A wheel has configs, tools and generators in .mim, and works outside the repository."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]


def run(folder, *command, **environment):
    result = subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=folder,
        env=dict(os.environ, OMP_NUM_THREADS='1', **environment),
        capture_output=True,
        text=True,
    )
    output = result.stdout + result.stderr
    assert result.returncode == 0, output[-5000:]
    return output


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    """The unpacked wheel, built from the source distribution."""
    folder = tmp_path_factory.mktemp('wheel')
    run(REPOSITORY, 'setup.py', '-q', 'sdist', '--dist-dir', folder)
    (archive,) = folder.glob('*.tar.gz')
    shutil.unpack_archive(archive, folder)
    (source,) = (path for path in folder.iterdir() if path.is_dir())
    run(source, '-m', 'pip', 'wheel', '-q', '--no-deps', '--no-build-isolation', '-w', folder, '.')
    (wheel,) = folder.glob('*.whl')
    with zipfile.ZipFile(wheel) as files:
        files.extractall(folder / 'site')
    return folder / 'site'


@pytest.mark.parametrize(
    'pattern',
    [
        'configs/**/*.py',
        'configs/**/*.md',
        'configs/*.yml',
        'model-index.yml',
        'tools/*.py',
        'tools/dist*.sh',
        'tools/slurm*.sh',
        'data/*.py',
        'data/generators/**/*.py',
    ],
)
def test_the_wheel_has_all_configs_and_scripts(pattern, site):
    mim = site / 'afno_mm/.mim'
    found = {path.relative_to(mim) for path in mim.glob(pattern)}
    assert found == {path.relative_to(REPOSITORY) for path in REPOSITORY.glob(pattern)} != set()


def test_the_wheel_has_type_hints_and_c_sources(site):
    assert (site / 'afno_mm/py.typed').is_file()
    sources = [path.relative_to(REPOSITORY) for path in REPOSITORY.glob('afno_mm/**/*.[ch]')]
    assert sources and all((site / path).is_file() for path in sources)


@pytest.mark.slow
def test_the_wheel_generates_data_and_trains_outside_the_repository(site, tmp_path):
    mim = site / 'afno_mm/.mim'
    environment = dict(PYTHONPATH=str(site))
    where = run(tmp_path, '-c', 'import afno_mm; print(afno_mm.__file__)', **environment)
    assert str(site) in where
    size = ('--train', 4, '--val', 1, '--size', 64, 128)
    run(tmp_path, mim / 'data/make_scenes.py', *size, **environment)
    config = mim / 'configs/segformer_afno_b0_scenes.py'
    options = [f'{part}_dataloader.num_workers=0' for part in ('train', 'val', 'test')]
    output = run(
        tmp_path,
        mim / 'tools/train.py',
        config,
        '--cfg-options',
        *options,
        'train_cfg.max_epochs=1',
        'train_cfg.val_interval=1',
        'default_hooks.checkpoint.interval=1',
        **environment,
    )
    assert 'mIoU' in output
    assert (tmp_path / 'work_dirs/segformer_afno_b0_scenes/epoch_1.pth').is_file()


def test_the_wheel_has_the_command_and_names_of_configs(site, tmp_path):
    (entry_points,) = site.glob('*.dist-info/entry_points.txt')
    assert 'afno-mm = afno_mm.cli:main' in entry_points.read_text()
    command = ('-m', 'afno_mm.cli', 'list-models', 'segformer_afno_b3')
    output = run(tmp_path, *command, PYTHONPATH=str(site))
    assert output.startswith('segformer_afno_b3_cityscapes   50.06M  80.9 mIoU (reported in the')


@pytest.mark.slow
def test_errors_of_the_wheel_name_its_own_scripts(site, tmp_path):
    code = (
        'import afno_mm.datasets; from mmseg.registry import DATASETS\n'
        "DATASETS.build(dict(type='afno_mm.ImageNet', data_root='none', data_prefix='train'))"
    )
    with pytest.raises(AssertionError, match=f'python {site}/afno_mm/.mim/data/make_images.py'):
        run(tmp_path, '-c', code, PYTHONPATH=str(site))
