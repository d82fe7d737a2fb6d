"""Write pictures of parts to files, in the layout of PartsDataset."""

from pathlib import Path

import numpy as np
from PIL import Image

from ..datasetgan_sets import CAR_TO_ADE, SETS
from ..files import claim, make_all, write_whole
from .cars import paint_car
from .cats import paint_cat
from .faces import paint_face

# Raise it when the pictures change: a folder has pictures of one version only.
VERSION = 1
SMALLEST = 32
PAINTERS = dict(faces=paint_face, cars=paint_car, cats=paint_cat)
SPLITS = ('train', 'val')


def make_parts(
    root: str | Path,
    num_train: int | None = None,
    num_val: int = 20,
    size: int = 256,
    seed: int = 0,
    workers: int = 1,
) -> int:
    """Write faces, cars, cats, and the cars again with ADE20K's classes, below ``root``.

    Existing files stay, and no partial file is ever left. Repeat the call to complete an
    interrupted run.

    Args:
        root: The folder.
        num_train: Training images of each set. Default: as many as DatasetGAN has, 16 faces,
            16 cars and 30 cats.
        num_val: Validation images of each set.
        size: Height and width in pixels.
        seed: Another seed gives other pictures.
        workers: Number of processes.

    Returns:
        The number of new images. A car counts once.

    Raises:
        FileExistsError: If ``root`` has parts of another size, seed or version, or sets that
            this function did not write.
        ValueError: If a number is out of range.
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


def part_files(root: Path, name: str, split: str, index: int) -> list[Path]:
    """Return the paths of an image and its label, and for a car also of its ADE version."""
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
