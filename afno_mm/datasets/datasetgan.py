"""The few-shot sets of DatasetGAN (Zhang et al. 2021): parts of faces, cars and cats.

Names and order of the classes are those of the published labels: of faces and cars from the
release's list, of cats, for which it has none, from works that use its labels.
"""

import colorsys

from mmseg.datasets import BaseSegDataset

from ..registry import DATASETS
from .checked import CheckedFiles

CAR = (
    'background',
    'back bumper',
    'bumper',
    'car body',
    'car light',
    'door',
    'fender',
    'grille',
    'handle',
    'hood',
    'license plate',
    'mirror',
    'roof',
    'running board',
    'tail light',
    'tire',
    'trunk lid',
    'wheel hub',
    'window',
    'windshield',
)
ADE_CAR = (
    'background',
    'car',
    'head light',
    'license plate',
    'mirror',
    'tail light',
    'wheel',
    'window',
    'windshield',
    'door',
    'handle',
    'wheel hub',
)
# What each class of CAR is in ADE_CAR. Whatever has no class of its own there is 'car'.
CAR_TO_ADE = (0, 1, 1, 1, 2, 9, 1, 1, 10, 1, 3, 4, 1, 1, 5, 6, 1, 11, 7, 8)


def palette(num_classes):
    """Distinct colours, black for the background: hues a golden angle apart."""
    shades = ((0.9, 1.0), (0.5, 0.9), (1.0, 0.6))
    return [(0, 0, 0)] + [
        tuple(round(255 * v) for v in colorsys.hsv_to_rgb(0.618034 * k % 1, *shades[k % 3]))
        for k in range(1, num_classes)
    ]


class PartsDataset(CheckedFiles, BaseSegDataset):
    """Images and labels of parts, with the files checked, see :class:`CheckedFiles`.

    Args:
        img_suffix (str): End of the images' names.
        **kwargs: Settings of MMSegmentation's BaseSegDataset.
    """

    LAYOUT = """The layout wanted is
  {root}/images/{{train,val}}/<name>.png
  {root}/labels/{{train,val}}/<name>.png      class ids, uint8"""
    GET_DATA = """Either of these makes it:
  python data/convert_datasetgan.py RELEASE {parent}      of DatasetGAN's published labels
  python data/make_parts.py {parent}      generated pictures with the same classes"""
    MEND_LABELS = f"""Remove the set (rm -r {{root}}) and make it again.
{GET_DATA}"""
    NOT_IDS = 'Is this another set, or a coloured label?'

    def __init__(self, img_suffix='.png', **kwargs):
        super().__init__(img_suffix=img_suffix, **kwargs)


@DATASETS.register_module()
class FacesDataset(PartsDataset):
    """CelebA faces in 34 parts: 16 images to train on."""

    NAME = 'Faces'
    METAINFO = dict(
        classes=(
            'background',
            'head',
            'cheek',
            'chin',
            'ear',
            'ear helix',
            'ear lobule',
            'bottom lid',
            'eyelashes',
            'iris',
            'pupil',
            'sclera',
            'tear duct',
            'top lid',
            'eyebrow',
            'forehead',
            'frown',
            'hair',
            'sideburns',
            'jaw',
            'moustache',
            'inferior lip',
            'oral commissure',
            'superior lip',
            'teeth',
            'neck',
            'nose',
            'ala of nose',
            'nose bridge',
            'nose tip',
            'nostril',
            'philtrum',
            'temple',
            'wrinkles',
        ),
        palette=palette(34),
    )


@DATASETS.register_module()
class CarsDataset(PartsDataset):
    """LSUN cars in 20 parts: 16 images to train on."""

    NAME = 'Cars'
    METAINFO = dict(classes=CAR, palette=palette(20))


@DATASETS.register_module()
class ADECarsDataset(PartsDataset):
    """The 12 parts that labels of ADE20K's cars share with those of :class:`CarsDataset`."""

    NAME = 'ADE cars'
    METAINFO = dict(classes=ADE_CAR, palette=palette(12))


@DATASETS.register_module()
class CatsDataset(PartsDataset):
    """LSUN cats in 16 parts: 30 images to train on."""

    NAME = 'Cats'
    METAINFO = dict(
        classes=(
            'background',
            'limbus',
            'back',
            'belly',
            'chest',
            'leg',
            'paw',
            'head',
            'ear',
            'eye',
            'mouth',
            'tongue',
            'nose',
            'tail',
            'whiskers',
            'neck',
        ),
        palette=palette(16),
    )


# Folder of each set -> its class and the number of images that DatasetGAN trains on.
SETS = dict(
    faces=(FacesDataset, 16),
    cars=(CarsDataset, 16),
    ade_cars=(ADECarsDataset, 16),
    cats=(CatsDataset, 30),
)
