"""Write scenes to files, in the layout of Cityscapes."""

import json
from functools import partial
from pathlib import Path

import numpy as np
from cityscapesscripts.helpers.annotation import Annotation
from cityscapesscripts.preparation.json2instanceImg import createInstanceImage
from cityscapesscripts.preparation.json2labelImg import json2labelImg
from PIL import Image

from ..files import claim, make_all, write_whole
from .render import render_scene

# Raise it when the scenes change: a folder has scenes of one version only.
VERSION = 1
SMALLEST = (64, 128)
CITIES = {
    'train': ('birkenau', 'eschfurt', 'lindhagen', 'rotbruck', 'tannheide'),
    'val': ('muhlwerder', 'steinfelde'),
}


def _write_instances(source, to):
    """Write instance ids with 16 bits, as Cityscapes has them.

    json2instanceImg saves an image of mode I as PNG, which Pillow 13 cannot do.
    """
    annotation = Annotation()
    annotation.fromJsonFile(source)
    instances = np.asarray(createInstanceImage(annotation, 'ids'))
    Image.fromarray(instances.astype(np.uint16)).save(to)


LABEL_MAKERS = {
    'labelIds.png': lambda source, to: json2labelImg(source, to, 'ids'),
    'instanceIds.png': _write_instances,
    'color.png': lambda source, to: json2labelImg(source, to, 'color'),
    'labelTrainIds.png': lambda source, to: json2labelImg(source, to, 'trainIds'),
}


def make_scenes(
    root: str | Path,
    num_train: int = 160,
    num_val: int = 40,
    size: tuple[int, int] = (256, 512),
    seed: int = 0,
    workers: int = 1,
) -> int:
    """Write scenes below ``root``. Return the number of new ones.

    Existing files stay, and no partial file is ever left. Repeat the call to complete an
    interrupted run, or with larger numbers to add scenes.

    Args:
        root: Gets ``leftImg8bit/`` and ``gtFine/``.
        num_train: Number of training scenes.
        num_val: Number of validation scenes.
        size: Height and width in pixels.
        seed: Another seed gives other scenes.
        workers: Number of processes.

    Raises:
        FileExistsError: If ``root`` has scenes of another size, seed or version, or data in
            the layout of Cityscapes that this function did not write.
        ValueError: If a number is out of range.
    """
    root = Path(root)
    size = tuple(int(length) for length in size)
    if len(size) != 2 or size[0] < SMALLEST[0] or size[1] < SMALLEST[1]:
        raise ValueError(
            f'found size={size}; wanted (height, width) of at '
            f'least {SMALLEST}, for example size=(256, 512)'
        )
    if min(num_train, num_val) < 0 or workers < 1:
        raise ValueError(
            f'found num_train={num_train}, num_val={num_val}, '
            f'workers={workers}; wanted counts >= 0 and workers >= 1'
        )
    counts = dict(train=num_train, val=num_val)
    claim(
        root,
        'scenes.json',
        dict(version=VERSION, size=list(size), seed=seed),
        {f'num_{split}': number for split, number in counts.items()},
        real='Cityscapes',
        folders=('leftImg8bit', 'gtFine', 'gtCoarse'),
        tool='make_scenes.py',
    )
    todo = [
        (root, split, index, size, seed)
        for split, count in counts.items()
        for index in range(count)
        if not all(path.is_file() for path in scene_files(root, split, index).values())
    ]
    make_all(_write_scene, todo, workers)
    return len(todo)


def scene_files(root: str | Path, split: str, index: int) -> dict[str, Path]:
    """Return the files of a scene: end of the name -> path."""
    cities = CITIES[split]
    city = cities[index % len(cities)]
    stem = f'{city}_{index:06d}_000019'
    labels = Path(root, 'gtFine', split, city)
    files = {'leftImg8bit.png': Path(root, 'leftImg8bit', split, city, f'{stem}_leftImg8bit.png')}
    for end in ('polygons.json', *LABEL_MAKERS):
        files[end] = labels / f'{stem}_gtFine_{end}'
    return files


def _write_scene(scene):
    root, split, index, size, seed = scene
    files = scene_files(root, split, index)
    picture, polygons = files['leftImg8bit.png'], files['polygons.json']
    for path in (picture, polygons):
        path.parent.mkdir(parents=True, exist_ok=True)
    if not (picture.is_file() and polygons.is_file()):
        image, annotation = render_scene(seed, split, index, size)
        if not polygons.is_file():
            text = json.dumps(annotation)
            write_whole(polygons, lambda to: Path(to).write_text(text))
        if not picture.is_file():
            write_whole(picture, Image.fromarray(image).save)
    for end, make in LABEL_MAKERS.items():
        if not files[end].is_file():
            write_whole(files[end], partial(make, str(polygons)))
