"""Datasets that check their files before the first training step, and their transforms."""

from .cityscapes import CityscapesDataset
from .datasetgan import ADECarsDataset, CarsDataset, CatsDataset, FacesDataset
from .image_folder import ImageFolder, ImageNet
from .masks import LoadDeepImage, LoadMask
from .random_walk import RandomWalkMask
from .report import Sample, inspect_files
from .rules import Outcome
from .segmentation import SegDataset

__all__ = ['ADECarsDataset', 'CarsDataset', 'CatsDataset', 'CityscapesDataset', 'FacesDataset']
__all__ += ['ImageFolder', 'ImageNet', 'LoadDeepImage', 'LoadMask', 'Outcome', 'RandomWalkMask']
__all__ += ['Sample', 'SegDataset', 'inspect_files']
