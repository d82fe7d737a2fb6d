"""OpenMMLab backbones with a mixer slot. The only layer that knows their classes."""

from .mit import MiT
from .swin import SegSwin, Swin
from .vit import SegViT, ViT

__all__ = ['MiT', 'SegSwin', 'SegViT', 'Swin', 'ViT']
