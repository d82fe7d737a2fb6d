"""Processes and machines that die or hang. The short version leaves them to their own tests."""

import re
import subprocess
import sys
from pathlib import Path

import test_distributed
from afno_mm.engine.safety import newest_checkpoint
from harness import Skip, Try, drill
from test_distributed import Launched


def _lost(this, how, seconds):
    """Lose the second of two processes in a random step, then resume."""
    step = this.random.randint(2, 7)
    harm = ('--how', how, '--iteration', step, '--timeout', 4)
    with Launched(this.folder, *harm) as run:
        code, text = run.end(seconds), run.text()
        assert code == 1, f'exit code {code}: {text[-2000:]}'
    newest = newest_checkpoint(this.folder / 'work')
    assert newest and newest.name == f'iter_{step - 1}.pth', f'{newest}: {text[-2000:]}'
    with Launched(this.folder, '--resume') as run:
        assert run.end(90) == 0, run.text()[-1000:]
        assert f'iteration {step} begins' in run.text()
        assert f'iteration {step - 1} begins' not in run.text()
    return text


@drill('one of two processes dies, both are resumed', 10, 0, stock=False)
def rank_dies(this: Try):
    text = _lost(this, 'KILL', 90)
    assert re.search(r'rank\s+: 1 .*\n\s+exitcode\s+: -9', text), text[-2000:]


@drill('one of two processes hangs: ended in 4 s and named, both are resumed', 3, 0, stock=False)
def rank_hangs(this: Try):
    text = _lost(this, ('STOP', 'forward', 'backward')[this.number % 3], 90)
    # In backward all wait for each other: then all are named, with their lines of code.
    named = (
        r'rank 1 \(\S+, process \d+\) has not finished iteration \d for [4-6] s'
        r'|no rank has finished iteration \d for [4-6] s.*rank 1 at \S+train.py:\d+ \(hang\)'
    )
    assert re.search(named, text), text[:4000]


@drill('two machines (network namespaces): one is lost, both are resumed', 3, 0, stock=False)
def machines(this: Try):
    file = Path(test_distributed.__file__)
    test = f'{file}::test_two_machines_train_and_one_lost_ends_the_other_in_time_and_both_resume'
    command = [sys.executable, '-m', 'pytest', '-q', '-rs', test]
    result = subprocess.run(command, capture_output=True, text=True)
    if skipped := re.search(r'SKIPPED .*', result.stdout):
        raise Skip(skipped[0])
    assert result.returncode == 0, result.stdout[-1000:]
