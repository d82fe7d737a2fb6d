"""The scripts in data/ pass their options on to the generators."""

import runpy
import sys

import pytest
from running import REPOSITORY

SCRIPTS = {
    'make_images': ('--train', '1', '--val', '1', '--size', '16'),
    'make_parts': ('--train', '1', '--val', '1', '--size', '32'),
    'make_photos': ('--number', '1', '--new', '1', '--size', '48'),
    'make_scenes': ('--train', '1', '--val', '1', '--size', '64', '128'),
    'imagenet_subset': ('--percent', '10'),
}


@pytest.mark.parametrize(
    'name', [pytest.param(n, marks=[pytest.mark.slow] * (n == 'make_scenes')) for n in SCRIPTS]
)
def test_the_seed_of_a_script_changes_its_files(name, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, 'path', [str(REPOSITORY / 'data'), *sys.path])
    files = []
    for folder, seed in (('a', '5'), ('b', '5'), ('c', '6')):
        root = tmp_path / folder
        for image in range(50 * (name == 'imagenet_subset')):
            (root / 'train/n01').mkdir(parents=True, exist_ok=True)
            (root / f'train/n01/{image}.JPEG').touch()
        monkeypatch.setattr(sys, 'argv', [name, str(root), *SCRIPTS[name], '--seed', seed])
        runpy.run_path(str(REPOSITORY / f'data/{name}.py'), run_name='__main__')
        found = [
            path for path in root.rglob('*') if path.suffix in ('.jpg', '.JPEG', '.png', '.txt')
        ]
        files.append({str(path.relative_to(root)): path.read_bytes() for path in found})
    assert files[0] == files[1]
    assert files[0].keys() == files[2].keys() and files[0] != files[2]
