"""Ops and mixers with torch alone, and the snippets of docs/outside_openmmlab.md."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from afno_mm.registry import MODELS as OPENMMLABS

REPOSITORY = Path(__file__).parents[1]
PAGE = (REPOSITORY / 'docs/outside_openmmlab.md').read_text()
SNIPPETS = dict(re.findall(r'^## (.+?)\n.*?^```python\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL))
BLOCKED = (
    'mmengine',
    'mmcv',
    'mmseg',
    'mmpretrain',
    'torchvision',
    'cv2',
    'packaging',
    'safetensors',
)
BLOCKERS = {
    'not found': """
import sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in BLOCKED:
            raise ModuleNotFoundError(f'No module named {name!r}', name=name)
sys.meta_path.insert(0, Finder())
""",
    'stopped': 'import sys\nsys.modules.update(dict.fromkeys(BLOCKED))',
}
MIXERS = {
    'AFNO': {},
    'GFN': dict(grid_size=(6, 5)),
    'FNO': dict(num_modes=(3, 2)),
    'StaticAFNO': dict(num_blocks=4, num_modes=(3, 2)),
    'LS': dict(num_heads=2),
    'SA': dict(num_heads=2),
    'ESA': dict(num_heads=2, sr_ratio=2),
}
ALL_MIXERS = """
import afno_mm.ops, torch
from afno_mm import mixers
for name, arguments in MIXERS.items():
    torch.manual_seed(0)
    mixer = mixers.build_mixer(dict(type=name, **arguments), embed_dims=16)
    assert type(mixer) is getattr(mixers, name)
    y = mixer(torch.linspace(-1, 1, 16 * 63).view(1, 9, 7, 16))
    y.square().sum().backward()
    print(name, y.double().sum().item(), flush=True)
assert not [name for name in BLOCKED if sys.modules.get(name)]
"""


def run_without(blocker, code):
    code = f'BLOCKED, MIXERS = {BLOCKED}, {MIXERS}\n{BLOCKERS[blocker]}\n{code}'
    result = subprocess.run(
        [sys.executable, '-c', code],
        env=dict(os.environ, PYTHONPATH=str(REPOSITORY), OMP_NUM_THREADS='1'),
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.slow
@pytest.mark.parametrize('blocker', BLOCKERS)
def test_mixers_work_with_torch_alone_and_give_the_same_numbers(blocker):
    lines = run_without(blocker, ALL_MIXERS).splitlines()
    assert [line.split()[0] for line in lines] == list(MIXERS)
    for line in lines:
        name, found = line.split()
        torch.manual_seed(0)
        mixer = OPENMMLABS.get(name)(embed_dims=16, **MIXERS[name])
        y = mixer(torch.linspace(-1, 1, 16 * 63).view(1, 9, 7, 16))
        assert float(found) == pytest.approx(y.double().sum().item(), rel=1e-5, abs=1e-5)


MISSING = {
    "mixers.build_mixer(dict(type='AFN'), 16)": "Did you mean 'AFNO'",
    "mixers.build_mixer(dict(type='mmseg.X'), 16)": 'mmseg.registry does not import',
    'import afno_mm.engine': 'run: pip install -e .',
    'afno_mm.from_pretrained': 'run: pip install -e .',
    'afno_mm.nothing': "has no attribute 'nothing'",
}


@pytest.mark.slow
def test_the_plain_snippet_runs_and_what_is_missing_is_named():
    tries = f"""
import afno_mm
from afno_mm import mixers
for code in {list(MISSING)}:
    try:
        exec(code)
    except Exception as error:
        print(error)
"""
    lines = run_without('not found', SNIPPETS['Plain PyTorch'] + tries).splitlines()
    assert len(lines) == len(MISSING)
    assert all(message in line for line, message in zip(lines, MISSING.values()))


def test_the_page_has_a_snippet_for_each_library():
    wanted = {'Plain PyTorch', 'timm', 'segmentation_models_pytorch', 'Hugging Face Hub'}
    assert set(SNIPPETS) == wanted


@pytest.mark.parametrize('title', SNIPPETS)
def test_snippets_run_and_train(title, tmp_path, monkeypatch):
    code = SNIPPETS[title]
    for node in ast.parse(code).body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            module = node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
            pytest.importorskip(module)
    monkeypatch.chdir(tmp_path)
    names: dict = {'__name__': 'snippet'}
    exec(code, names)
    model = next(names[name] for name in ('again', 'model', 'block') if name in names)
    names['output'].square().sum().backward()
    mixers = [m for m in model.modules() if type(m).__name__ == 'AFNO']
    assert mixers and all(torch.isfinite(m.w1.grad).all() and m.w1.grad.any() for m in mixers)
