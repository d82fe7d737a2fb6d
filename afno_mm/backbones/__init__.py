"""OpenMMLab backbones with a mixer slot. The only layer that knows their classes."""
from .mit import MiT

__all__ = ['MiT']
