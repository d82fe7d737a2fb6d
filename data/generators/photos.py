"""Generator of pictures of cats with masks of two classes, in the layout of a user's own data."""

from pathlib import Path

import numpy as np
from PIL import Image

from .files import claim, make_all, write_whole
from .parts import paint_cat

# Raise it when the pictures change: a folder has pictures of one version only.
VERSION = 1
SMALLEST = 32


def make_photos(
    root: str | Path,
    number: int = 60,
    new: int = 4,
    size: int = 192,
    seed: int = 0,
    workers: int = 1,
) -> int:
    """Write ``images/*.jpg`` with ``masks/*.png``, and ``new/*.jpg`` without masks, below ``root``.

    A mask has mode L, 0 for the background and 255 for the cat. Heights and widths differ: each is
    between three quarters of ``size`` and ``size``. Existing files stay, and no partial file is
    ever left. Repeat the call to complete an interrupted run, or with larger numbers to add more.

    Args:
        root: The folder.
        number: Number of images with a mask.
        new: Number of images without a mask.
        size: Largest height and width in pixels.
        seed: Another seed gives other pictures.
        workers: Number of processes.

    Returns:
        The number of new images.

    Raises:
        FileExistsError: If ``root`` has pictures of another size, seed or version, or folders
            that this function did not write.
        ValueError: If a number is out of range.
    """
    root = Path(root)
    if size < SMALLEST or min(number, new) < 0 or workers < 1:
        raise ValueError(
            f'found size={size}, number={number}, new={new}, workers={workers}; wanted a size of '
            f'at least {SMALLEST}, counts >= 0 and workers >= 1'
        )
    claim(
        root,
        'photos.json',
        dict(version=VERSION, size=size, seed=seed),
        {},
        real='photographs',
        folders=['images', 'masks', 'new'],
        tool='make_photos.py',
    )
    todo = [
        (root, folder, index, size, seed)
        for folder, count in (('images', number), ('new', new))
        for index in range(count)
        if not all(path.is_file() for path in photo_files(root, folder, index))
    ]
    make_all(_write_photo, todo, workers)
    return len(todo)


def photo_files(root: Path, folder: str, index: int) -> list[Path]:
    """Return the paths of an image, and of its mask if it has one."""
    image = root / folder / f'cat_{index:04d}.jpg'
    mask = root / 'masks' / f'cat_{index:04d}.png'
    return [image, mask] if folder == 'images' else [image]


def _write_photo(which):
    root, folder, index, size, seed = which
    rng = np.random.default_rng((seed, folder == 'new', index))
    image, label = paint_cat(rng, size)
    height, width = rng.integers(size * 3 // 4, size, 2, endpoint=True)
    top, left = rng.integers(0, (size - height + 1, size - width + 1))
    window = np.s_[top : top + height, left : left + width]
    pictures = [Image.fromarray(image[window])]
    pictures.append(Image.fromarray(np.where(label[window] > 0, 255, 0).astype(np.uint8)))
    for path, picture in zip(photo_files(root, folder, index), pictures):
        path.parent.mkdir(parents=True, exist_ok=True)
        options = dict(quality=92) if path.suffix == '.jpg' else {}
        write_whole(path, lambda to, p=picture, o=options: p.save(to, **o))
