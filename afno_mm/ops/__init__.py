"""The mathematics of the mixers: pure functions on tensors."""
from .block_mlp import block_mlp
from .spectral import NORMS, full_precision, highest_frequency, irfft2, rfft2

__all__ = ['NORMS', 'block_mlp', 'full_precision', 'highest_frequency', 'irfft2', 'rfft2']
