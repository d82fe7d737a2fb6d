"""Pages that the system provides when large tensors follow each other."""

import platform
import subprocess
import sys

import pytest

COUNT = """
import resource, sys, torch
from afno_mm.engine import keep_freed_memory
if 'keep' in sys.argv:
    assert keep_freed_memory()
for _ in range(20):  # the heap grows at first
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for size in 2**24, 2**24 + 2**12:
        torch.ones(size)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='for glibc')
def test_pages_of_freed_tensors_are_used_again():
    faults = [
        int(
            subprocess.run(
                [sys.executable, '-c', COUNT, how], check=True, text=True, capture_output=True
            ).stdout
        )
        for how in ('leave', 'keep')
    ]
    assert faults[0] > 10000 > 100 > faults[1]
