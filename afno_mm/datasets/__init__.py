"""Datasets that check themselves before the first step, and transforms."""
from .cityscapes import CityscapesDataset
from .imagenet import ImageNet
from .random_walk import RandomWalkMask

__all__ = ['CityscapesDataset', 'ImageNet', 'RandomWalkMask']
