"""The Triton kernels compile for GPUs that this machine does not have, and fit their memory.

The interpreter, which runs the kernels in other tests, knows neither types nor limits. Kernels that
it interprets cannot be compiled in the same process, so each test compiles in a process of its own:
it runs this file as a script, which prints what the compiler made.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

triton = pytest.importorskip('triton', '3.3', reason='triton is not installed, or too old')

REPOSITORY = Path(__file__).parents[2]
SHARED_MEMORY = {86: 99 * 1024, 90: 227 * 1024}
TYPES = {
    torch.float32: '*fp32',
    torch.bfloat16: '*bf16',
    torch.uint8: '*u8',
    int: 'i32',
    float: 'fp32',
}


@pytest.mark.slow
@pytest.mark.parametrize(
    'capability, block_size, dtype, tf32, tensor_cores',
    [
        (90, 128, 'bfloat16', False, 'wgmma.mma_async|mma.sync'),
        (86, 150, 'float32', True, 'mma.sync'),
        (86, 24, 'float32', False, 'mma.sync'),
    ],
)
def test_kernels_compile_to_tensor_cores_and_vector_loads(
    capability, block_size, dtype, tf32, tensor_cores
):
    """Forward and backward. Loads are vectors where channels come in multiples of eight."""
    path = os.pathsep.join([str(REPOSITORY), os.environ.get('PYTHONPATH', '')])
    env = {k: v for k, v in os.environ.items() if k != 'TRITON_INTERPRET'} | {'PYTHONPATH': path}
    case = [capability, block_size, dtype, int(tf32)]
    done = subprocess.run(
        [sys.executable, __file__, *map(str, case)], env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found) == (4 if block_size in (24, 128) else 7)
    for kernel in found:
        assert kernel['shared'] <= SHARED_MEMORY[capability]
        assert re.search(tensor_cores, kernel['ptx'])
        if block_size % 8 == 0:
            assert re.search(
                r'ld\.global\S*\.v4|cp\.async\S* .*, 0x10|cp\.async\.cg', kernel['ptx']
            )


class Compiler:
    """Stands in for a kernel: compiles what is launched, for one compute capability."""

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
        source = triton.compiler.ASTSource(
            self.kernel, signature, {(names.index(k),): v for k, v in constants.items()}, aligned
        )
        compiled = triton.compile(
            source,
            target=triton.backends.compiler.GPUTarget('cuda', self.capability, 32),
            options=dict(num_warps=num_warps, num_stages=num_stages),
        )
        self.found.append({'shared': compiled.metadata.shared, 'ptx': compiled.asm['ptx']})


def compile_forward_and_backward(capability, block_size, dtype, tf32):
    from afno_mm.ops.afno.triton import block_mlp, kernels

    found = []
    for name, kernel in list(vars(kernels).items()):
        if name.endswith('_kernel'):
            setattr(kernels, name, Compiler(kernel, capability, found))
    block_mlp._tf32_is_allowed = lambda: tf32
    z = torch.empty(2, 2, 640, 5 * block_size, dtype=dtype, device='meta')
    weights = tuple(
        torch.empty(2, 5, *sizes, dtype=dtype if len(sizes) == 2 else torch.float32, device='meta')
        for sizes in ((block_size, block_size), (block_size,)) * 2
    )
    _, mask = block_mlp.forward(z, weights, 0.01, keep=True)
    block_mlp.backward(z, mask, z, weights, True, for_tokens=True, for_weights=True)
    return found


if __name__ == '__main__':
    capability, block_size, dtype, tf32 = sys.argv[1:]
    found = compile_forward_and_backward(
        int(capability), int(block_size), getattr(torch, dtype), tf32 == '1'
    )
    print(json.dumps(found))
