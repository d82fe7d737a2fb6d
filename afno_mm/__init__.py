"""Token mixers for high-resolution vision in MMSegmentation and MMPretrain.

Where none of OpenMMLab's packages is installed, ``afno_mm.ops`` and ``afno_mm.mixers`` work with
torch alone, and the other parts do not.
"""

from typing import Any

from .names import list_models, register_models
from .plain import is_installed
from .version import __version__

if is_installed('mmengine', 'mmcv', 'mmseg', 'mmpretrain'):
    from .environment import check_environment, is_command

    # The command starts each tool as a program of its own. So 'afno-mm doctor' works in any case.
    if not is_command():
        check_environment()

__all__ = ['__version__', 'from_pretrained', 'list_models', 'register_models']


def __getattr__(name: str) -> Any:
    """Import from_pretrained at its first use: it needs OpenMMLab, which loads slowly."""
    if name != 'from_pretrained':
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    from . import engine  # noqa: F401  names the command if OpenMMLab is missing
    from .hub import from_pretrained

    return from_pretrained
