"""The four sets of DatasetGAN, for the generator of parts and the converter of the release."""

from afno_mm.datasets.datasetgan import ADECarsDataset, CarsDataset, CatsDataset, FacesDataset

# Folder of a set -> its dataset class and the number of training images in DatasetGAN.
SETS = dict(
    faces=(FacesDataset, 16),
    cars=(CarsDataset, 16),
    ade_cars=(ADECarsDataset, 16),
    cats=(CatsDataset, 30),
)
# CAR_TO_ADE[i] is the ADE car class of class i of CarsDataset. Parts that the ADE cars do not
# have become 'car'.
CAR_TO_ADE = (0, 1, 1, 1, 2, 9, 1, 1, 10, 1, 3, 4, 1, 1, 5, 6, 1, 11, 7, 8)
