"""Token mixers for high-resolution vision in MMSegmentation and MMPretrain."""

from .environment import check_environment
from .version import __version__

check_environment()

__all__ = ['__version__']
