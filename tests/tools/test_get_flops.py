"""The table of tools/get_flops.py."""
from running import REPOSITORY, tool


def test_rows_are_of_the_configs_at_the_size_asked_for():
    configs = [REPOSITORY / f'configs/{name}.py'
               for name in ('vit_gfn_b4_inpainting', 'segformer_afno_b3_cityscapes')]
    head, vit, segformer = (line.split() for line in tool('get_flops.py', *configs)
                            .splitlines()[-3:])
    assert head[:3] == ['image', 'parameters', 'GMACs']
    assert vit == ['vit_gfn_b4_inpainting', '224x224', '89.12M', '178.66', '0.85', '0.85', '0.00',
                   '0.00', '177.80']
    *_, row = tool('get_flops.py', configs[1], '--shape', 512, 1024).splitlines()
    assert row.split()[1:3] == ['512x1024', '50.06M']
    assert abs(float(segformer[3]) / float(row.split()[3]) - 2) < 0.01
