"""The files of a tree of scenes, in the layout of Cityscapes."""

import json
from pathlib import Path

import numpy as np
from cityscapesscripts.helpers.annotation import Annotation
from cityscapesscripts.preparation.json2instanceImg import createInstanceImage
from cityscapesscripts.preparation.json2labelImg import json2labelImg
from PIL import Image

from ..files import claim, make_all, write_whole
from .render import render_scene

VERSION = 1  # of the recipe: scenes of another version look different
SMALLEST = (64, 128)
CITIES = {
    'train': ('birkenau', 'eschfurt', 'lindhagen', 'rotbruck', 'tannheide'),
    'val': ('muhlwerder', 'steinfelde'),
}


def _write_instances(source, to):
    """16 bits, as in Cityscapes; json2instanceImg leaves that to Pillow,
    which is about to stop choosing it."""
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


def make_scenes(root, num_train=160, num_val=40, size=(256, 512), seed=0, workers=1):
    """Write scenes below ``root``; return how many were not there yet.

    Each file appears under its name only when it is whole. Files that are
    there are kept, so an interrupted run is completed by repeating it, and a
    larger ``num_train`` or ``num_val`` adds to what is there.

    Raises:
        FileExistsError: if ``root`` holds scenes of another size, seed or
            version, or Cityscapes-like data that was not made here.
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


def scene_files(root, split, index):
    """The files of a scene by the end of their names."""
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
            write_whole(files[end], lambda to: make(str(polygons), to))
