"""The doctor says what is broken and what is only missing, with the commands that mend it."""

import os
import re
import runpy
import subprocess
import sys

import pytest
from afno_mm import environment
from afno_mm.ops.afno import dispatch
from running import REPOSITORY

SCRIPT = REPOSITORY / 'tools/doctor.py'


@pytest.fixture
def doctor():
    return runpy.run_path(str(SCRIPT))


def run(cwd, *path, **environment):
    code = 'import sys; sys.argv = ["afno-mm", "doctor"]; from afno_mm.cli import main; main()'
    result = subprocess.run(
        [sys.executable, '-c', code],
        cwd=cwd,
        env=dict(
            os.environ, PYTHONPATH=os.pathsep.join(map(str, [*path, REPOSITORY])), **environment
        ),
        capture_output=True,
        text=True,
    )
    return result.returncode, result.stdout + result.stderr


@pytest.mark.slow
def test_this_installation_is_fine(tmp_path):
    code, text = run(tmp_path, TRITON_INTERPRET='')
    assert code == 0 and 'Nothing is broken' in text
    for title in ('Packages', 'Processor and GPUs', 'Compilers', 'Backends of AFNO', 'Data sets'):
        assert f'\n{title}\n' in text
    assert 'run: afno-mm make-scenes data/scenes' in text


def test_backends_are_named_with_reasons_and_a_wrong_one_is_broken(doctor, monkeypatch):
    findings = [*doctor['backends']()]
    assert all(f.state == 'ok' for f in findings)
    assert re.search(r'521, 523, 8\): eager \(.*a side of 521 tokens', findings[2].text)
    monkeypatch.setenv('AFNO_MM_BACKEND', 'cup')
    first = next(doctor['backends']())
    assert first.state == 'BROKEN' and 'cup is not a backend' in first.text
    assert first.advice.startswith('unset AFNO_MM_BACKEND')


def test_a_backend_with_other_results_is_broken(doctor, monkeypatch):
    right = dispatch.afno_operator

    def operator(*tensors, backend=None):
        return right(*tensors, backend=backend) * (1.01 if backend is None else 1)

    monkeypatch.setattr(dispatch, 'afno_operator', operator)
    *_, last = doctor['backends']()
    assert last.state == 'BROKEN' and 'differs from the composed one' in last.text


def test_a_broken_installation_is_reported_without_a_traceback(tmp_path):
    info = tmp_path / 'mmengine-0.10.7.dist-info'
    info.mkdir()
    (info / 'METADATA').write_text('Metadata-Version: 2.1\nName: mmengine\nVersion: 0.10.7\n')
    code, text = run(tmp_path, tmp_path)
    assert code == 1 and 'Traceback' not in text
    assert 'BROKEN   BrokenEnvironmentError' in text and 'are both installed' in text
    assert 'run: pip uninstall -y' in text and 'Data sets' in text


def test_a_missing_package_is_broken(doctor, monkeypatch):
    def version(name, version_of=environment.installed_version):
        return None if name == 'torchmetrics' else version_of(name)

    monkeypatch.setattr(environment, 'installed_version', version)
    (broken,) = (f for f in doctor['packages']() if f.state == 'BROKEN')
    assert 'torchmetrics is not installed' in broken.text and 'pip install' in broken.advice


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_data_sets_are_counted_and_labels_missed(doctor, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for variable in ('CITYSCAPES_DATASET', 'IMAGENET_DATASET', 'PARTS_DATASET'):
        monkeypatch.delenv(variable, raising=False)

    def found(name):
        return next(f for f in doctor['data_sets']() if f.text.startswith(name))

    assert found('Cityscapes').state == 'missing' and 'csDownload' in found('Cityscapes').advice
    stem = 'a/a_000000_000000_'
    for split in ('train', 'val'):
        touch(tmp_path, f'data/cityscapes/leftImg8bit/{split}/{stem}leftImg8bit.png')
        touch(tmp_path, f'data/cityscapes/gtFine/{split}/{stem}gtFine_labelIds.png')
    assert (
        found('Cityscapes').advice == 'CITYSCAPES_DATASET=data/cityscapes csCreateTrainIdLabelImgs'
    )
    for split in ('train', 'val'):
        touch(tmp_path, f'data/cityscapes/gtFine/{split}/{stem}gtFine_labelTrainIds.png')
        touch(tmp_path, f'elsewhere/{split}/cat/1.JPEG')
    assert (
        found('Cityscapes').state == 'ok'
        and '1 train images with 1 labels' in found('Cityscapes').text
    )
    assert found('ImageNet').state == 'missing'
    monkeypatch.setenv('IMAGENET_DATASET', 'elsewhere')
    assert found('ImageNet').text == 'ImageNet in elsewhere: 1 classes in train/, 1 classes in val/'
    assert 'make-parts data/parts' in found('example parts').advice
    touch(tmp_path, 'data/parts/faces/labels/train/1.png')
    assert found('example parts').text == 'example parts in data/parts: faces'


def test_a_compiler_that_fails_is_broken_and_none_is_missing(doctor, tmp_path, monkeypatch):
    from afno_mm.ops.afno.cpu import library

    def built(source):
        return 'cc failed: no omp.h'

    monkeypatch.setattr(library, 'build', built)
    monkeypatch.setenv('CC', sys.executable)
    first = next(doctor['compilers']())
    assert first.state == 'BROKEN' and 'no omp.h' in first.text
    monkeypatch.setenv('PATH', str(tmp_path))
    monkeypatch.delenv('CC')
    first = next(doctor['compilers']())
    assert first.state == 'missing' and 'apt-get install -y gcc' in first.advice


def test_a_driver_that_torch_cannot_use_is_broken(doctor, monkeypatch):
    monkeypatch.setattr('torch.cuda.is_available', lambda: False)
    monkeypatch.setattr('torch.cuda.device_count', lambda: 0)
    monkeypatch.setattr('pathlib.Path.exists', lambda path: False)
    for driver, state in (('/usr/bin/nvidia-smi', 'BROKEN'), (None, 'note')):
        monkeypatch.setattr('shutil.which', lambda name, path=driver: path)
        *_, last = doctor['accelerators']()
        assert last.state == state


def test_a_check_that_fails_does_not_stop_the_others(doctor):
    def fails():
        raise RuntimeError('no driver')

    doctor['SECTIONS'].clear()
    doctor['SECTIONS'].update({'First': fails, 'Second': lambda: iter(())})
    (first, (finding,)), second = doctor['examine']()
    assert finding.state == 'BROKEN' and 'no driver' in finding.text and second == ('Second', [])
