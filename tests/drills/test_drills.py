"""The drills, few tries of each; and drills that must notice a fault."""

import subprocess
from pathlib import Path

import pytest
from running import environment

RUN = Path(__file__).parent / 'run.py'


def run(*arguments, code=None):
    command = ['python', *(['-c', code] if code else [str(RUN)]), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, env=environment())


@pytest.mark.slow
def test_all_survive():
    result = run('--short')
    assert result.returncode == 0, result.stdout[-5000:] + result.stderr[-2000:]


@pytest.mark.slow
@pytest.mark.parametrize(
    'drill, fault',
    [
        # Files are written under their own names.
        ('keep 1 and the best', 'harness.SlowAtomicBackend.put = harness.SlowLocalBackend.put'),
        ('work dir moved', 'train.newest_checkpoint = lambda folder: None'),
        ('bit, resumed', 'checkpoint_files.damage = weight_files.damage = lambda path: None'),
        ('payloads', 'weight_files.load_from_file = torch_load'),
        ('different augmentation draws, resumed, 0', 'resume.SeededIndex = lambda i, _: i'),
        ('kill -9 with persistent', 'import fcntl; fcntl.lockf = fcntl.flock'),
        ('NaN', 'numbers.FiniteNumbersHook.before_train = lambda *_: None'),
        ('cut at a random', 'library._whole = lambda c, n: next(c.glob("*.so"), None)'),
    ],
)
def test_a_drill_notices_a_fault(drill, fault):
    code = f"""
import sys
sys.path.insert(0, {str(RUN.parent)!r})
import harness, run, torch
from afno_mm import weight_files
from afno_mm.engine.safety import checkpoint_files, numbers, resume
from afno_mm.ops.afno.cpu import library
train = harness.TRAIN
def torch_load(path, map_location=None):
    return torch.load(path, map_location, weights_only=False)
{fault}
sys.exit(run.main())
"""
    result = run('--only', drill, '--seed', '0', code=code)
    assert result.returncode == 1 and '1 drills' in result.stdout, result.stdout + result.stderr


@pytest.mark.slow
def test_names_that_no_drill_has_are_refused():
    result = run('--only', 'unheard of')
    assert result.returncode == 2 and 'work dir moved' in result.stdout
