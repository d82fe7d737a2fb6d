"""Token mixers for high-resolution vision in MMSegmentation and MMPretrain.

If no OpenMMLab package is installed, ``afno_mm.ops`` and ``afno_mm.mixers`` still work, with torch
alone. The other subpackages need the OpenMMLab packages.
"""

from typing import Any

from .names import list_models, register_models
from .plain import is_installed
from .version import __version__

if is_installed('mmengine', 'mmcv', 'mmseg', 'mmpretrain'):
    from .environment import check_environment, is_command

    # Skip the check in ``afno-mm`` itself, so that 'afno-mm doctor' starts in a broken environment.
    if not is_command():
        check_environment()
        from mmengine.config.utils import MODULE2PACKAGE

        # Work-around for MMEngine: for _base_ = 'mmseg::...' it asks for the package
        # mmsegmentation, and the files are in onedl-mmsegmentation.
        MODULE2PACKAGE['mmseg'] = 'mmseg'

__all__ = ['__version__', 'from_pretrained', 'list_models', 'register_models']


def __getattr__(name: str) -> Any:
    """Import from_pretrained at its first use: it needs OpenMMLab, which loads slowly."""
    if name != 'from_pretrained':
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    from . import engine  # noqa: F401  raises with the pip command if OpenMMLab is missing
    from .hub import from_pretrained

    return from_pretrained
