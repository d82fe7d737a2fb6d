"""Imports go one way: tasks -> backbones -> mixers -> ops -> torch."""

import ast
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / 'afno_mm'
# What each layer may import besides itself, torch, numpy and the standard library.
ALLOWED = {
    'environment': {'packaging'},
    'version': set(),
    'registry': {'mmengine'},
    'ops': {'triton'},
    'mixers': {'ops', 'registry', 'mmengine'},
    'backbones': {'mixers', 'registry', 'mmengine', 'mmcv', 'mmseg', 'mmpretrain'},
    'heads': {'registry', 'mmseg'},
    'tasks': {'registry', 'mmpretrain'},
    'datasets': {
        'registry',
        'mmengine',
        'mmcv',
        'mmseg',
        'mmpretrain',
        'PIL',
        'cv2',
        'cityscapesscripts',
    },
    'evaluation': {
        'registry',
        'mmengine',
        'mmseg',
        'mmpretrain',
        'cityscapesscripts',
        'torchmetrics',
    },
    'analysis': {
        'engine',
        'backbones',
        'mixers',
        'ops',
        'mmengine',
        'matplotlib',
        'scipy',
        'sklearn',
    },
    'sweep': {'engine', 'mmengine', 'matplotlib'},
    'engine': {'registry', 'mmengine', 'mmcv', 'mmseg', 'mmpretrain', 'matplotlib'},
}
COMMON = {'torch', 'numpy'}


def imported(path):
    """Layers of this package and names of others that a file imports."""
    own = path.relative_to(PACKAGE).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level:
            base = ['afno_mm', *own][: len(own) + 2 - node.level]
            stem = '.'.join(base + ([node.module] if node.module else []))
            names = [f'{stem}.{alias.name}' for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f'{node.module}.{alias.name}' for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split('.')
            yield parts[1] if parts[0] == 'afno_mm' and len(parts) > 1 else parts[0]


def layer_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix('.py')


FILES = sorted(p for p in PACKAGE.rglob('*.py') if p != PACKAGE / '__init__.py')


@pytest.mark.parametrize('path', FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_upward_import(path):
    layer = layer_of(path)
    allowed = ALLOWED[layer] | COMMON | {layer} | sys.stdlib_module_names
    assert set(imported(path)) <= allowed


def test_an_upward_import_would_be_seen(tmp_path, monkeypatch):
    monkeypatch.setattr('test_layers.PACKAGE', tmp_path)
    (tmp_path / 'ops').mkdir()
    bad = tmp_path / 'ops' / 'bad.py'
    bad.write_text('from ..mixers import AFNO\nimport mmseg.models\nfrom .. import registry\n')
    assert set(imported(bad)) == {'mixers', 'mmseg', 'registry'}
