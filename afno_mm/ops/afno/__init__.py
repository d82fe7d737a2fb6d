"""The AFNO operator and the backends that compute it."""

from .dispatch import BACKENDS, VARIABLE, afno_operator, choose_backend, use_backend

__all__ = ['BACKENDS', 'VARIABLE', 'afno_operator', 'choose_backend', 'use_backend']
