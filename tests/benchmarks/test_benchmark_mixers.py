"""The command line of the benchmark."""

import pytest
from running import tool


@pytest.mark.slow
def test_results_are_written_and_shown_again(tmp_path):
    out = tmp_path / 'tiny'
    printed = tool(
        'benchmarks/benchmark_mixers.py',
        '--suite',
        'tokens',
        '--shapes',
        '8x8x8/1',
        '--only',
        'GFN',
        '--repeats',
        '1',
        '--threads',
        '1',
        '--out',
        out,
    )
    assert '| GFN |' in printed
    shown = tool('benchmarks/benchmark_mixers.py', '--show', f'{out}.json')
    assert out.with_suffix('.md').read_text().strip() in shown
    assert '--suite tokens --shapes 8x8x8/1' in shown
