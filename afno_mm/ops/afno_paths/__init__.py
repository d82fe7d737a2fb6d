"""The AFNO operator: one reference path, and faster ones that agree with it."""

from .choose import PATHS, VARIABLE, afno, choose_path, forced_path

__all__ = ['PATHS', 'VARIABLE', 'afno', 'choose_path', 'forced_path']
