"""Datasets that check themselves before the first step."""
from .cityscapes import CityscapesDataset

__all__ = ['CityscapesDataset']
