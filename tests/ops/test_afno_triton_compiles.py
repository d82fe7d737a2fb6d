"""The Triton kernels compile for real GPUs, none of which is needed, and fit their memory.

The interpreter, with which the kernels are tested elsewhere, knows neither types nor limits.
"""

import os
import re

import pytest
import torch

triton = pytest.importorskip('triton', '3.3', reason='triton is not installed, or too old')

if os.environ.get('TRITON_INTERPRET') == '1':
    pytest.skip('kernels are interpreted in this process', allow_module_level=True)

from afno_mm.ops.afno.triton import block_mlp as triton_mlp  # noqa: E402
from afno_mm.ops.afno.triton import kernels as triton_kernels  # noqa: E402
from triton.backends.compiler import GPUTarget  # noqa: E402
from triton.compiler import ASTSource  # noqa: E402

SHARED_MEMORY = {86: 99 * 1024, 90: 227 * 1024}
TYPES = {
    torch.float32: '*fp32',
    torch.bfloat16: '*bf16',
    torch.uint8: '*u8',
    int: 'i32',
    float: 'fp32',
}


class Compiled:
    """In place of a kernel: compiles what is launched, for one compute capability."""

    def __init__(self, kernel, capability, found):
        self.kernel, self.capability, self.found = kernel, capability, found

    def __getitem__(self, grid):
        return self.launch

    def launch(self, *args, num_warps, num_stages, **constants):
        names = self.kernel.arg_names
        given = dict(zip(names, args))
        signature = {
            name: TYPES[getattr(given[name], 'dtype', type(given[name]))]
            if name in given
            else 'constexpr'
            for name in names
        }
        aligned = {
            (i,): [['tt.divisibility', 16]]
            for i, value in enumerate(args)
            if isinstance(value, torch.Tensor)
        }
        source = ASTSource(
            self.kernel, signature, {(names.index(k),): v for k, v in constants.items()}, aligned
        )
        self.found.append(
            triton.compile(
                source,
                target=GPUTarget('cuda', self.capability, 32),
                options=dict(num_warps=num_warps, num_stages=num_stages),
            )
        )


@pytest.mark.parametrize(
    'capability, block_size, dtype, tf32, tensor_cores',
    [
        (90, 128, torch.bfloat16, False, 'wgmma.mma_async|mma.sync'),
        (86, 150, torch.float32, True, 'mma.sync'),
        (86, 24, torch.float32, False, 'mma.sync'),
    ],
)
def test_forward_and_backward(capability, block_size, dtype, tf32, tensor_cores, monkeypatch):
    """Each launch of both, with vectors to load where channels come in multiples of eight."""
    found = []
    for name in vars(triton_kernels).copy():
        if name.endswith('_kernel'):
            kernel = getattr(triton_kernels, name)
            monkeypatch.setattr(triton_kernels, name, Compiled(kernel, capability, found))
    monkeypatch.setattr(triton_mlp, '_tf32_is_allowed', lambda: tf32)
    z = torch.empty(2, 2, 640, 5 * block_size, dtype=dtype, device='meta')
    weights = tuple(
        torch.empty(2, 5, *sizes, dtype=dtype if len(sizes) == 2 else torch.float32, device='meta')
        for sizes in ((block_size, block_size), (block_size,)) * 2
    )
    _, survivors = triton_mlp.forward(z, weights, 0.01, keep=True)
    triton_mlp.backward(z, survivors, z, weights, True, for_tokens=True, for_weights=True)
    assert len(found) == (4 if block_size in (24, 128) else 7)
    for compiled in found:
        assert compiled.metadata.shared <= SHARED_MEMORY[capability]
        assert re.search(tensor_cores, compiled.asm['ptx'])
        if block_size % 8 == 0:
            assert re.search(
                r'ld\.global\S*\.v4|cp\.async\S* .*, 0x10|cp\.async\.cg', compiled.asm['ptx']
            )
