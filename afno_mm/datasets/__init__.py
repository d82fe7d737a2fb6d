"""Datasets that check themselves before the first step."""
from .cityscapes import CityscapesDataset
from .datasetgan import ADECarsDataset, CarsDataset, CatsDataset, FacesDataset

__all__ = ['ADECarsDataset', 'CarsDataset', 'CatsDataset', 'CityscapesDataset', 'FacesDataset']
