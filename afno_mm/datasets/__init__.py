"""Datasets that check their files before the first training step, and their transforms."""

from .cityscapes import CityscapesDataset
from .datasetgan import ADECarsDataset, CarsDataset, CatsDataset, FacesDataset
from .imagenet import ImageNet
from .random_walk import RandomWalkMask
from .report import Report, Sample, inspect_files
from .segmentation import SegDataset

__all__ = ['ADECarsDataset', 'CarsDataset', 'CatsDataset', 'CityscapesDataset', 'FacesDataset']
__all__ += ['ImageNet', 'RandomWalkMask', 'Report', 'Sample', 'SegDataset', 'inspect_files']
