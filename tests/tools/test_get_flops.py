"""The table of tools/get_flops.py."""

import pytest
from running import REPOSITORY, tool

VIT, SEGFORMER = 'vit_gfn_b4_inpainting', 'segformer_afno_b3_cityscapes'


def table(*names):
    """Return the cells by the name of the row; the head is named by its first column."""
    lines = tool('get_flops.py', *names).splitlines()
    return {cells[0]: cells[1:] for cells in map(str.split, lines) if cells}


def config(name):
    return REPOSITORY / f'configs/{name}.py'


@pytest.mark.slow
def test_rows_are_of_the_configs_at_the_size_asked_for():
    rows = table(config(VIT), config(SEGFORMER))
    assert rows['image'][:2] == ['parameters', 'GMACs']
    assert rows[VIT] == ['224x224', '89.12M', '178.66', '0.85', '0.85', '0.00', '0.00', '177.80']
    half = table(config(SEGFORMER), '--shape', 512, 1024)[SEGFORMER]
    assert half[:2] == ['512x1024', '50.06M']
    assert abs(float(rows[SEGFORMER][2]) / float(half[2]) - 2) < 0.01
