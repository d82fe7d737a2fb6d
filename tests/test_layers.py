"""Imports go down through the rooms of the package, and no room grows too large."""

import ast
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / 'afno_mm'
OPENMMLAB = {'mmengine', 'mmcv', 'mmseg', 'mmpretrain'}
# From the lowest room to the highest: what each may import besides itself, torch and the standard
# library.
ALLOWED = {
    'version': set(),
    'environment': {'packaging'},
    'plain': set(),
    'names': {'yaml', 'mmengine', 'mmpretrain'},
    'command_line': {'names'},
    'cli': {'version', 'names'},
    'registry': {'plain', 'mmengine'},
    'weight_files': {'mmengine', 'numpy', 'safetensors'},
    'ops': {'triton'},
    'mixers': {'registry', 'ops', 'mmengine'},
    'backbones': {'names', 'registry', 'weight_files', 'ops', 'mixers', *OPENMMLAB, 'numpy'},
    'heads': {'registry', 'ops', 'mmcv', 'mmseg'},
    'datasets': {'names', 'registry', *OPENMMLAB, 'numpy', 'PIL', 'cv2', 'cityscapesscripts'},
    'evaluation': {'registry', *OPENMMLAB, 'numpy', 'cityscapesscripts', 'torchmetrics'},
    'tasks': {'names', 'registry', 'weight_files', 'backbones', 'evaluation', *OPENMMLAB, 'numpy'},
    'engine': {
        'plain',
        'names',
        'command_line',
        'registry',
        'weight_files',
        'backbones',
        'tasks',
        'mmengine',
        'numpy',
    },
    'hub': {
        'version',
        'names',
        'weight_files',
        'tasks',
        'engine',
        'mmengine',
        'safetensors',
        'huggingface_hub',
    },
    'export': {
        'version',
        'backbones',
        'tasks',
        'engine',
        'hub',
        *OPENMMLAB,
        'numpy',
        'onnx',
        'onnxruntime',
    },
    'analysis': {
        *('registry', 'ops', 'mixers', 'backbones', 'datasets', 'tasks', 'engine'),
        *('mmengine', 'numpy', 'PIL', 'matplotlib', 'scipy', 'sklearn'),
    },
    'sweep': {'engine', 'mmengine', 'numpy', 'matplotlib'},
}
MAX_LINES = 17_100
MAX_SHARE = 0.4


def imported(path):
    """Yield the rooms of this package and the names of other packages that a file imports."""
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


def room_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix('.py')


FILES = sorted(p for p in PACKAGE.rglob('*.py') if p != PACKAGE / '__init__.py')


@pytest.mark.parametrize('path', FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_upward_import(path):
    room = room_of(path)
    allowed = ALLOWED[room] | {'torch', room} | sys.stdlib_module_names
    assert set(imported(path)) <= allowed


def test_the_table_of_rooms_goes_down():
    rooms = list(ALLOWED)
    for number, room in enumerate(rooms):
        assert not ALLOWED[room] & set(rooms[number:]), room


def test_an_upward_import_would_be_seen(tmp_path, monkeypatch):
    monkeypatch.setattr('test_layers.PACKAGE', tmp_path)
    (tmp_path / 'ops/afno').mkdir(parents=True)
    bad = tmp_path / 'ops/afno/bad.py'
    bad.write_text(
        'from ...mixers import AFNO\nimport mmseg.models\n'
        'from ... import registry\nfrom afno_mm.tasks import Task\nfrom ..spectral import rfft2\n'
    )
    assert set(imported(bad)) == {'mixers', 'mmseg', 'registry', 'tasks', 'ops'}


def lines_by_room():
    """Count the lines of Python and C in each room."""
    lines = {}
    for path in PACKAGE.rglob('*'):
        if path.suffix in ('.py', '.c', '.h'):
            room = room_of(path)
            lines[room] = lines.get(room, 0) + len(path.read_text().splitlines())
    return lines


def test_package_stays_small():
    lines = lines_by_room()
    assert sum(lines.values()) < MAX_LINES, lines


def test_no_room_dominates():
    lines = lines_by_room()
    total = sum(lines.values())
    assert {room: n for room, n in lines.items() if n > MAX_SHARE * total} == {}
