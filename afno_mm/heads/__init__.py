"""OpenMMLab's heads, computed with less work."""

from .segformer import SegformerHead

__all__ = ['SegformerHead']
