"""Token mixers: modules that map a grid of tokens ``(B, H, W, C)`` to a grid of tokens."""
from .afno import AFNO
from .build import build_mixer, mixer_per_stage

__all__ = ['AFNO', 'build_mixer', 'mixer_per_stage']
