"""OpenMMLab's heads with less work."""

from .segformer import SegformerHead

__all__ = ['SegformerHead']
