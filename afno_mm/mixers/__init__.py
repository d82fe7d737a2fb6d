"""Token mixers: modules that map a grid of tokens ``(B, H, W, C)`` to a grid of tokens.

They take grids of any size, which may differ from call to call, and any floating dtype. The output
has the shape and the dtype of the input. ``embed_dims`` is C, the paper's d. Arguments out of range
and tokens that are not ``(B, H, W, embed_dims)`` raise ValueError.
"""

from .afno import AFNO
from .attention import ESA, SA
from .build import build_mixer, mixer_takes
from .fno import FNO, StaticAFNO
from .gfn import GFN
from .identity import Identity
from .long_short import LS
from .per_stage import MixerConfig, mixer_per_stage

__all__ = ['AFNO', 'ESA', 'FNO', 'GFN', 'Identity', 'LS', 'MixerConfig', 'SA', 'StaticAFNO']
__all__ += ['build_mixer', 'mixer_per_stage', 'mixer_takes']
