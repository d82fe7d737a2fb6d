"""Token mixers: modules that map a grid of tokens ``(B, H, W, C)`` to a grid of tokens."""

from .afno import AFNO
from .attention import ESA, SA
from .build import build_mixer, mixer_per_stage, mixer_takes
from .fno import FNO, StaticAFNO
from .gfn import GFN
from .long_short import LS

__all__ = [
    'AFNO',
    'ESA',
    'FNO',
    'GFN',
    'LS',
    'SA',
    'StaticAFNO',
    'build_mixer',
    'mixer_per_stage',
    'mixer_takes',
]
