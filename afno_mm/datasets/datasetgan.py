"""The few-shot sets of DatasetGAN (Zhang et al. 2021): parts of faces, cars and cats.

Class names and their order follow the published labels. The names for faces and cars are listed in
the release. It has no list for cats: their names come from works that use its labels.
"""

import colorsys
from collections.abc import Sequence
from typing import Any

from ..registry import DATASETS
from .segmentation import CheckedFiles


def metainfo(names: str) -> dict[str, Sequence]:
    """Return the class names, split at the commas, and a colour for each.

    The first class is the background, in black. The hues of the others are a golden angle apart.
    """
    classes = tuple(names.split(', '))
    shades = ((0.9, 1.0), (0.5, 0.9), (1.0, 0.6))
    palette = [(0, 0, 0)]
    for k in range(1, len(classes)):
        red, green, blue = colorsys.hsv_to_rgb(0.618034 * k % 1, *shades[k % 3])
        palette.append((round(255 * red), round(255 * green), round(255 * blue)))
    return dict(classes=classes, palette=palette)


class PartsDataset(CheckedFiles):
    """Images and labels of parts, with the files checked, see :class:`CheckedFiles`."""

    LAYOUT = """Expected are the folders
  {root}/images/{{train,val}}/<name>.png
  {root}/labels/{{train,val}}/<name>.png      class ids, uint8"""
    GET_DATA = """Use one of these commands:
  python {scripts}/convert_datasetgan.py RELEASE {parent}      converts DatasetGAN's release
  python {scripts}/make_parts.py {parent}      generates pictures with the same classes"""
    MEND_LABELS = f"""Remove the set (rm -r {{root}}) and make it again.
{GET_DATA}"""
    NOT_IDS = 'Is this another set, or a coloured label?'

    def __init__(self, img_suffix: str = '.png', **kwargs: Any) -> None:
        super().__init__(img_suffix=img_suffix, **kwargs)


@DATASETS.register_module()
class FacesDataset(PartsDataset):
    """CelebA faces with 34 classes, background included: 16 images to train on."""

    NAME = 'Faces'
    METAINFO = metainfo(
        'background, head, cheek, chin, ear, ear helix, ear lobule, bottom lid, eyelashes, '
        'iris, pupil, sclera, tear duct, top lid, eyebrow, forehead, frown, hair, sideburns, '
        'jaw, moustache, inferior lip, oral commissure, superior lip, teeth, neck, nose, ala of '
        'nose, nose bridge, nose tip, nostril, philtrum, temple, wrinkles'
    )


@DATASETS.register_module()
class CarsDataset(PartsDataset):
    """LSUN cars with 20 classes, background included: 16 images to train on."""

    NAME = 'Cars'
    METAINFO = metainfo(
        'background, back bumper, bumper, car body, car light, door, fender, grille, handle, '
        'hood, license plate, mirror, roof, running board, tail light, tire, trunk lid, wheel '
        'hub, window, windshield'
    )


@DATASETS.register_module()
class ADECarsDataset(PartsDataset):
    """Cars with the 12 classes that the labels of ADE20K and of :class:`CarsDataset` share."""

    NAME = 'ADE cars'
    METAINFO = metainfo(
        'background, car, head light, license plate, mirror, tail light, wheel, window, '
        'windshield, door, handle, wheel hub'
    )


@DATASETS.register_module()
class CatsDataset(PartsDataset):
    """LSUN cats with 16 classes, background included: 30 images to train on."""

    NAME = 'Cats'
    METAINFO = metainfo(
        'background, limbus, back, belly, chest, leg, paw, head, ear, eye, mouth, tongue, nose, '
        'tail, whiskers, neck'
    )
