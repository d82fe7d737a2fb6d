"""The files of generated parts, in the layout of PartsDataset."""

from pathlib import Path

import numpy as np
from afno_mm.datasets.datasetgan import CAR_TO_ADE, SETS
from PIL import Image

from ..files import claim, make_all, write_whole
from .cars import paint_car
from .cats import paint_cat
from .faces import paint_face

VERSION = 1  # of the recipe: pictures of another version look different
SMALLEST = 32
PAINTERS = dict(faces=paint_face, cars=paint_car, cats=paint_cat)
SPLITS = ('train', 'val')


def make_parts(root, num_train=None, num_val=20, size=256, seed=0, workers=1):
    """Write faces, cars, cats, and the cars again with ADE20K's classes, below ``root``.

    Each file appears under its name only when it is whole. Files that are there are kept, so
    an interrupted run is completed by repeating it.

    Args:
        root (str | Path): The folder.
        num_train (int, optional): Training images of each set; by default as many as
            DatasetGAN's: 16 faces, 16 cars, 30 cats.
        num_val (int): Validation images of each set.
        size (int): Height and width in pixels.
        seed (int): Another seed, other pictures.
        workers (int): Number of processes.

    Returns:
        int: How many images were not there yet.

    Raises:
        FileExistsError: If ``root`` holds parts of another size or seed, or not made here.
    """
    root = Path(root)
    if size < SMALLEST or min(num_train or 0, num_val) < 0 or workers < 1:
        raise ValueError(
            f'found size={size}, num_train={num_train}, num_val={num_val}, workers={workers}; '
            f'wanted a size of at least {SMALLEST}, counts >= 0 and workers >= 1'
        )
    claim(
        root,
        'parts.json',
        dict(version=VERSION, size=size, seed=seed),
        {},
        real='sets of DatasetGAN',
        folders=list(SETS),
        tool='make_parts.py',
    )
    todo = [
        (root, name, split, index, size, seed)
        for name in PAINTERS
        for split, count in (
            ('train', SETS[name][1] if num_train is None else num_train),
            ('val', num_val),
        )
        for index in range(count)
        if not all(path.is_file() for path in part_files(root, name, split, index))
    ]
    make_all(_write_image, todo, workers)
    return len(todo)


def part_files(root, name, split, index):
    """Image and label of a set, for cars followed by those with ADE20K's classes."""
    names = ('cars', 'ade_cars') if name == 'cars' else (name,)
    return [
        root / name / kind / split / f'{index:04d}.png'
        for name in names
        for kind in ('images', 'labels')
    ]


def _write_image(which):
    root, name, split, index, size, seed = which
    number = list(PAINTERS).index(name), SPLITS.index(split)
    image, label = PAINTERS[name](np.random.default_rng((seed, *number, index)), size)
    pictures = [image, label]
    if name == 'cars':
        pictures += [image, np.array(CAR_TO_ADE, np.uint8)[label]]
    for path, picture in zip(part_files(root, name, split, index), pictures):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, Image.fromarray(picture).save)
