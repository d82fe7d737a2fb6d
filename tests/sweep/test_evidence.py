"""docs/evidence.md states what the committed results of the studies say, and nothing else."""

import json
import re
from pathlib import Path

import pytest
from afno_mm.sweep import load_sweep

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize('name, unit', [('study', 'dB'), ('scenes', 'mIoU')])
def test_page_has_the_comparisons_of_a_study_and_their_committed_results(name, unit):
    sweep = load_sweep(str(REPOSITORY / f'configs/sweeps/{name}.py'), 'train.py')
    pairs = [pair for pairs in sweep.comparisons.values() for pair in pairs]
    expected = {' - '.join(pair): 'not run' for pair in pairs}
    results = REPOSITORY / f'docs/{name}/results.json'
    if results.exists():
        for found in json.loads(results.read_text())['comparisons']:
            if 'p_holm' in found:
                value = f'{{mean:+.2f}} ± {{error:.2f}} {unit}, p = {{p_holm:.4f}}'.format(**found)
                expected[' - '.join(found['pair'])] = value
    page = (REPOSITORY / 'docs/evidence.md').read_text()
    before, after = page.split('## Segmentation of scenes')
    scenes, rest = after.split('\n## ', 1)
    text = scenes if name == 'scenes' else before + rest
    rows = re.findall(r'^\| .+ \| .+ \| ([\w+-]+ - [\w+-]+) \| (.+) \|$', text, re.MULTILINE)
    assert dict(rows) == expected
