"""Memory of CPU tensors."""

import ctypes

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's malloc.h


def keep_freed_memory():
    """Has the C library keep the memory of freed tensors for the next ones.

    By default it gives that of large tensors back to the system, which hands out the next ones
    page by page, each filled with zeros first. On a CPU that takes a large part of a training step.
    The process stays as large as it once was.

    Returns:
        bool: Whether it is so now. It is for glibc, the C library of most Linux systems.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, TypeError, OSError):
        return False
    return bool(mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, -1))
