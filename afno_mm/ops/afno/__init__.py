"""The AFNO operator and its backends."""

from .dispatch import BACKENDS, VARIABLE, afno_operator, choose_backend, use_backend

__all__ = ['BACKENDS', 'VARIABLE', 'afno_operator', 'choose_backend', 'use_backend']
