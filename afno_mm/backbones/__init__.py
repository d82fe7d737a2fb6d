"""OpenMMLab's backbones with a mixer slot."""

from .mit import MiT
from .swin import SegSwin, Swin
from .vit import SegViT, ViT

__all__ = ['MiT', 'SegSwin', 'SegViT', 'Swin', 'ViT']
