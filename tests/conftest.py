import ctypes
import logging
import os
from pathlib import Path

import pytest
import torch
from mmengine.logging import MMLogger

# Without a GPU, Triton interprets its kernels. It reads the variable when it is imported, so this
# stands before the import of any test.
if not torch.cuda.is_available():
    os.environ.setdefault('TRITON_INTERPRET', '1')


def pytest_collection_modifyitems(items):
    """Start with the files that have slow tests: one of them alone at the end would take longer."""
    slow = {item.path for item in items if item.get_closest_marker('slow')}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(autouse=True, scope='session')
def freed_memory_goes_back():
    """Let no test make the whole process keep the memory that any test has used."""
    from afno_mm.engine import runner

    runner.keep_freed_memory = lambda: False


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def logs_are_on():
    """Undo what an earlier test left: logging.disable, and log files in folders that are gone."""
    for logger in MMLogger._instance_dict.values():
        for handler in [*logger.handlers]:
            file = getattr(handler, 'baseFilename', None)
            if file and not Path(file).is_file():
                logger.removeHandler(handler)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(autouse=True)
def fragments_go_back():
    """Give freed memory back to the system. The heap of a worker grew to 12 GB without this."""
    yield
    pages = int(Path('/proc/self/statm').read_text().split()[1])
    if pages * os.sysconf('SC_PAGE_SIZE') > 2 * 2**30:
        ctypes.CDLL(None).malloc_trim(0)
