"""The Triton kernels compile for GPUs that this machine does not have, and fit their registers.

The interpreter, which runs the kernels in other tests, knows neither types nor limits. Kernels that
it interprets cannot be compiled in the same process, so each test runs a script in its own.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from kernel_resources import SHARED_MEMORY

pytest.importorskip('triton', '3.3', reason='triton is not installed, or too old')

REPOSITORY = Path(__file__).parents[2]
# Bytes of spilled registers a thread that were faster than tiles without spills, on an H200.
FASTER_WITH_SPILLS = {(90, '5x88', 'fused_forward'): 16, (90, '5x88', 'fused_backward'): 8}


def compiled(capability, shape, kind):
    path = os.pathsep.join([str(REPOSITORY), os.environ.get('PYTHONPATH', '')])
    env = {k: v for k, v in os.environ.items() if k != 'TRITON_INTERPRET'} | {'PYTHONPATH': path}
    script = REPOSITORY / 'benchmarks' / 'kernel_resources.py'
    case = ['--capabilities', str(capability), '--shapes', shape, '--kinds', kind, '--jobs', '1']
    done = subprocess.run(
        [sys.executable, str(script), *case, '--json'], env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize(
    'capability, shape, kind, tensor_cores',
    [
        (90, '5x88', 'half', 'wgmma.mma_async|mma.sync'),
        (86, '1x208', 'tf32', 'mma.sync'),
        (86, '5x24', 'exact', 'mma.sync'),
        (120, '2x144', 'exact', 'mma.sync'),
    ],
)
def test_kernels_use_tensor_cores_and_vector_loads_and_do_not_spill(
    capability, shape, kind, tensor_cores
):
    """Forward and backward. Loads are vectors where channels come in multiples of eight."""
    found = compiled(capability, shape, kind)
    products = [kernel for kernel in found if kernel['kernel'] != 'bias_gradient']
    assert {'weight_gradient', 'bias_gradient'} < {kernel['kernel'] for kernel in found}
    for kernel in found:
        expected = FASTER_WITH_SPILLS.get((capability, shape, kernel['kernel']), 0)
        assert kernel['spilled'] <= expected, kernel
        assert kernel['shared'] <= SHARED_MEMORY[capability], kernel
    for kernel in products:
        assert re.search(tensor_cores, kernel['ptx'])
        if kind == 'exact':
            continue  # Its tiles have too few rows for vectors.
        loads = r'ld\.global\S*\.v[24]|cp\.async\S* .*, 0x10|cp\.async\.cg'
        assert re.search(loads, kernel['ptx'])
