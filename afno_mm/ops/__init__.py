"""The mathematics of the mixers: pure functions on tensors."""

from .afno_paths import PATHS, afno, choose_path, forced_path
from .block_mlp import block_mlp, published_weights, scaled_weights, soft_shrinkage
from .global_filter import FILTER_RESIZES, filter_grid
from .long_short import dynamic_projection, long_short
from .mode_product import mode_product
from .precision import full_precision
from .spectral import NORMS, irfft2, kept_modes, rfft2, rfft2_modes

__all__ = [
    'FILTER_RESIZES',
    'NORMS',
    'PATHS',
    'afno',
    'block_mlp',
    'choose_path',
    'dynamic_projection',
    'filter_grid',
    'forced_path',
    'full_precision',
    'irfft2',
    'kept_modes',
    'long_short',
    'mode_product',
    'published_weights',
    'rfft2',
    'rfft2_modes',
    'scaled_weights',
    'soft_shrinkage',
]
