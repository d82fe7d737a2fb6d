"""docs/evidence.md states what the committed results of the study say, and nothing else."""

import json
import re
from pathlib import Path

from afno_mm.sweep import load_sweep

REPOSITORY = Path(__file__).parents[2]
RESULTS = REPOSITORY / 'docs/study/results.json'


def test_page_has_the_study_s_comparisons_and_their_committed_results():
    sweep = load_sweep(str(REPOSITORY / 'configs/sweeps/study.py'), 'train.py')
    pairs = [pair for pairs in sweep.comparisons.values() for pair in pairs]
    expected = {' - '.join(pair): 'not run' for pair in pairs}
    if RESULTS.exists():
        for found in json.loads(RESULTS.read_text())['comparisons']:
            if 'p_holm' in found:
                value = '{mean:+.2f} ± {error:.2f} dB, p = {p_holm:.4f}'.format(**found)
                expected[' - '.join(found['pair'])] = value
    page = (REPOSITORY / 'docs/evidence.md').read_text()
    rows = re.findall(r'^\| .+ \| .+ \| ([\w+-]+ - [\w+-]+) \| (.+) \|$', page, re.MULTILINE)
    assert dict(rows) == expected
