"""The mathematics of the mixers: functions of tensors, without modules or parameters.

This package imports only torch, and triton for the backend 'triton'. The AFNO operator chooses one
of several backends (:mod:`.afno.dispatch`). An environment variable can force one.
"""

from .afno import BACKENDS, afno_operator, choose_backend, use_backend
from .block_mlp import block_mlp, published_weights, scaled_weights, soft_shrinkage
from .exporting import is_exported, is_recorded, is_transformed
from .frequency_filter import NUM_FEATURES, Filter, frequency_features, whole_filter
from .global_filter import FILTER_RESIZES, filter_grid, portable_filter
from .long_short import attention, dynamic_projection, gather_tokens, long_short, window_tokens
from .mode_product import mode_product, portable_mode_product
from .precision import as_autocast, autocast_off, full_precision
from .spectral import NORMS, irfft2, kept_modes, rfft2, rfft2_modes

__all__ = ['BACKENDS', 'FILTER_RESIZES', 'NORMS', 'afno_operator', 'autocast_off', 'block_mlp']
__all__ += ['choose_backend', 'dynamic_projection', 'filter_grid', 'full_precision']
__all__ += ['Filter', 'NUM_FEATURES', 'frequency_features', 'whole_filter']
__all__ += ['as_autocast', 'attention', 'gather_tokens', 'irfft2', 'window_tokens']
__all__ += ['is_exported', 'is_recorded', 'is_transformed']
__all__ += ['kept_modes', 'long_short', 'mode_product', 'portable_filter']
__all__ += ['portable_mode_product', 'published_weights', 'rfft2']
__all__ += ['rfft2_modes', 'scaled_weights', 'soft_shrinkage', 'use_backend']
