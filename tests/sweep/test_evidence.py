"""docs/evidence.md states what the committed results of the studies say, and nothing else."""

import json
import re
from pathlib import Path

import pytest
from afno_mm.sweep import load_sweep

REPOSITORY = Path(__file__).parents[2]


# The section of the page that has the comparisons of a sweep. Those of the study have several.
SECTIONS = {
    'scenes': 'Segmentation of scenes',
    'scenes_b0': 'SegFormer-B0 on scenes',
    'init': 'Initial values',
}


@pytest.mark.parametrize('name', ['study', *SECTIONS])
def test_page_has_the_comparisons_of_a_study_and_their_committed_results(name):
    sweep = load_sweep(str(REPOSITORY / f'configs/sweeps/{name}.py'), 'train.py')
    pairs = [pair for pairs in sweep.comparisons.values() for pair in pairs]
    expected = {' - '.join(pair): 'not run' for pair in pairs}
    unit = dict(PSNR='dB', mIoU='mIoU')[sweep.stages[0].metric]
    results = REPOSITORY / f'docs/{name}/results.json'
    for found in json.loads(results.read_text())['comparisons']:
        if 'p_holm' in found:
            value = f'{{mean:+.2f}} ± {{error:.2f}} {unit}, p = {{p_holm:.4f}}'.format(**found)
            expected[' - '.join(found['pair'])] = value
    page = (REPOSITORY / 'docs/evidence.md').read_text()
    sections = dict(part.split('\n', 1) for part in page.split('\n## ')[1:])
    own = {title: sections.pop(title) for title in SECTIONS.values()}
    text = own[SECTIONS[name]] if name in SECTIONS else '\n'.join(sections.values())
    rows = re.findall(r'^\| .+ \| .+ \| ([\w+.-]+ - [\w+.-]+) \| (.+) \|$', text, re.MULTILINE)
    assert dict(rows) == expected


@pytest.mark.parametrize('name', ['sizes', 'sizes_b0'])
def test_tables_of_image_sizes_have_the_means_of_the_committed_results(name):
    expected = {}
    for point in json.loads((REPOSITORY / f'docs/{name}/results.json').read_text())['points']:
        values = [stage['value'] for stage in point['stages'] if stage['state'] == 'finished']
        mixer = point['name'].rpartition('-')[0]
        expected.setdefault(mixer, []).append(f'{sum(values) / len(values):.1f}')
    page = (REPOSITORY / 'docs/evidence.md').read_text()
    rows = [[cell.strip() for cell in line.strip('|').split('|')] for line in page.split('\n')]
    for mixer, means in expected.items():
        assert [mixer, *means, *[''] * (4 - len(means))] in rows
