import os

import pytest
import torch

# Without a GPU, Triton interprets its kernels. It reads the variable when it is imported, so this
# stands before the import of any test.
if not torch.cuda.is_available():
    os.environ.setdefault('TRITON_INTERPRET', '1')


@pytest.fixture(autouse=True, scope='session')
def freed_memory_goes_back():
    """Let no test make the whole process keep the memory that any test has used."""
    from afno_mm.engine import runner

    runner.keep_freed_memory = lambda: False


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)
