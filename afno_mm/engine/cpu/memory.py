"""Memory of CPU tensors."""

import ctypes

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # from glibc's malloc.h


def keep_freed_memory() -> bool:
    """Make the C library keep the memory of freed tensors for later ones.

    By default, glibc returns the memory of large tensors to the system. The system then provides
    the next ones page by page and fills each page with zeros. On a CPU this takes a large part of
    a training step. With this setting, the process never shrinks.

    Returns:
        True if the setting was made. It needs glibc, the C library of most Linux systems.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, TypeError, OSError):
        return False
    return bool(mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, -1))
