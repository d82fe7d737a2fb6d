"""Convert DatasetGAN's published annotations to the layout of PartsDataset.

DatasetGAN's code reads the release from these files::

    annotation/training_data/{face,car,cat}_processed/image_<number>.jpg
                                                      image_mask<number>.npy
    annotation/testing_data/{face_34,car_20,cat_16,car_ade_12}_class/...<number>.{jpg,png,npy}

An image and its mask have the same number at the end of their names. A mask holds class ids,
(H, W). If it has a third axis, all values along that axis must be equal.

The training split has the first 16 or 30 numbers. Its parts below 30 pixels are dropped: they are
slips of the annotators.

DatasetGAN never published its images of ADE20K's cars. Without ``car_ade_12_class``, ade_cars
gets the test images of the 20 classes instead, with labels merged as in the training images.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from mmengine.utils import track_iter_progress
from PIL import Image

from .datasetgan_sets import CAR_TO_ADE, SETS
from .files import write_whole

FOLDERS = dict(
    faces=('face_processed', 'face_34_class'),
    cars=('car_processed', 'car_20_class'),
    ade_cars=('car_processed', 'car_ade_12_class'),
    cats=('cat_processed', 'cat_16_class'),
)
IMAGES = ('.jpg', '.jpeg', '.png')
SMALLEST_PART = 30  # pixels


def convert(release: str | Path, root: str | Path, size: int | None = 224) -> Iterator[str]:
    """Convert all sets that the release has.

    Args:
        release: The folder of the release, or the ``annotation`` folder in it.
        root: The sets become folders in it.
        size: Height and width to resize to. Like DatasetGAN, this ignores the proportions.
            None keeps the size of each image.

    Yields:
        One line per split: what was written, or which folder is missing.

    Raises:
        FileNotFoundError: If the release has no set, or images or masks are missing.
        FileExistsError: If ``root`` already has one of the sets.
        ValueError: If a mask holds other values than class ids, or its proportions differ from
            those of its image.
    """
    release, root = Path(release), Path(root)
    if (release / 'annotation').is_dir():
        release = release / 'annotation'
    found = False
    for name, (train, val) in FOLDERS.items():
        folders = release / 'training_data' / train, release / 'testing_data' / val
        merged = name == 'ade_cars', False
        if name == 'ade_cars' and not folders[1].is_dir():
            folders, merged = (folders[0], folders[1].with_name('car_20_class')), (True, True)
        missing = [str(folder) for folder in folders if not folder.is_dir()]
        if missing:
            yield f'{name}: not converted. There is no folder {" and no ".join(missing)}'
            continue
        found = True
        if (root / name).exists():
            raise FileExistsError(
                f'{root / name} already exists. Choose another folder, or remove this one: '
                f'rm -r {root / name}'
            )
        for split, folder, merge in zip(('train', 'val'), folders, merged):
            yield f'{name} {split}: ' + _convert_split(folder, root, name, split, merge, size)
    if not found:
        raise FileNotFoundError(
            f'{release} has no set of DatasetGAN; wanted the folder of its release, with\n'
            'annotation/{training_data,testing_data}, see https://github.com/nv-tlabs/'
            'datasetGAN_release'
        )


def _convert_split(folder, root, name, split, merge, size):
    dataset, num_train = SETS[name]
    classes = SETS['cars'][0].METAINFO['classes'] if merge else dataset.METAINFO['classes']
    pairs = find_pairs(folder)
    of = len(pairs)
    if split == 'train':
        if of < num_train:
            raise FileNotFoundError(f'{folder} has {of} images with masks; wanted {num_train}')
        pairs = dict(list(pairs.items())[:num_train])
    seen, small = set(), 0
    for number, (image_path, mask_path) in track_iter_progress([*pairs.items()], file=sys.stdout):
        mask = read_mask(mask_path, len(classes))
        if split == 'train':
            ids, counts = np.unique(mask, return_counts=True)
            slips = ids[(counts < SMALLEST_PART) & (ids > 0)]
            mask[np.isin(mask, slips)] = 0
            small += len(slips)
        if merge:
            mask = np.array(CAR_TO_ADE, np.uint8)[mask]
        image, label = Image.open(image_path).convert('RGB'), Image.fromarray(mask)
        stretch = image.width * label.height / (image.height * label.width)
        if not 0.97 < stretch < 1.03:
            raise ValueError(
                f'{mask_path} is {label.width}x{label.height}, its image {image_path} is '
                f'{image.width}x{image.height}; wanted equal proportions'
            )
        to = label.size if size is None else (size, size)
        label = label.resize(to, Image.NEAREST)
        seen.update(np.unique(label).tolist())
        for kind, picture in (('images', image.resize(to, Image.BICUBIC)), ('labels', label)):
            path = root / name / kind / split / f'{number:04d}.png'
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, picture.save)
    absent = [c for k, c in enumerate(dataset.METAINFO['classes']) if k not in seen]
    return (
        f'{len(pairs)} of {of} images of {folder}'
        + (', 20 classes merged to 12' if merge else '')
        + (f', {small} parts below {SMALLEST_PART} pixels dropped' if small else '')
        + (f'; in no image: {", ".join(absent)}' if absent else '')
    )


def find_pairs(folder: Path) -> dict[int, tuple[Path, Path]]:
    """Pair the images and masks of a folder by the number at the end of their names.

    Returns:
        Number -> (image, mask), in the order of the numbers.

    Raises:
        FileNotFoundError: If there is no pair, or a file has no partner.
        ValueError: If two images or two masks have the same number.
    """
    files: dict[str, dict[int, Path]] = dict(image={}, mask={})
    for path in sorted(folder.iterdir()):
        kind = (
            'image'
            if path.suffix.lower() in IMAGES
            else 'mask'
            if path.suffix == '.npy' and 'latent' not in path.stem
            else None
        )
        number = re.search(r'\d+$', path.stem)
        if kind and number:
            other = files[kind].setdefault(int(number[0]), path)
            if other != path:
                raise ValueError(
                    f'{other} and {path} have the same number; wanted one {kind} per number'
                )
    images, masks = files.values()
    alone = [
        str(path)
        for number, path in [*images.items(), *masks.items()]
        if number not in images or number not in masks
    ]
    if alone or not images:
        raise FileNotFoundError(
            f'{folder}: found {len(images)} images and {len(masks)} masks; {len(alone)} have '
            'no partner with the same number at the end of its name'
            + (f': {", ".join(alone[:5])}' if alone else '')
            + '; wanted pairs such as image_0.jpg and image_mask0.npy'
        )
    return {number: (images[number], masks[number]) for number in sorted(images)}


def read_mask(path: Path, num_classes: int) -> np.ndarray:
    """Read a published mask: class ids (H, W), uint8.

    Raises:
        ValueError: If it holds other values than class ids below ``num_classes``, or has
            another shape.
    """
    mask = np.squeeze(np.load(path))
    if mask.ndim == 3:
        axis = int(np.argmin(mask.shape))
        first = mask.take(0, axis)
        mask = first if (mask == np.expand_dims(first, axis)).all() else mask
    if mask.ndim != 2:
        raise ValueError(f'{path} is an array of shape {mask.shape}; wanted (H, W)')
    strange = np.setdiff1d(mask, range(num_classes))
    if strange.size:
        raise ValueError(
            f'{path} has the values {strange[:5].tolist()}; wanted class ids 0..{num_classes - 1}'
        )
    return mask.astype(np.uint8)
