"""A random subset of ImageNet with the same share of every class."""

from pathlib import Path

import numpy as np
from mmpretrain.datasets import ImageNet


def subset(folder: Path, fraction: float, seed: int = 0) -> list[str]:
    """Choose a random share of the images of each class.

    The choice depends only on the names of the images, the fraction and the seed.

    Args:
        folder: Has one folder per class.
        fraction: Share of each class, in (0, 1]. The count is rounded; it is at least 1.
        seed: Another seed chooses other images.

    Returns:
        Lines ``<class>/<name> <index of the class>``, sorted.

    Raises:
        FileNotFoundError: If ``folder`` has no folders of classes, or a class has no image.
        ValueError: If ``fraction`` is out of range.
    """
    if not 0 < fraction <= 1:
        raise ValueError(f'fraction must be in (0, 1], got {fraction}')
    classes = sorted(p for p in folder.glob('*') if p.is_dir() and p.name[0] != '.')
    if not classes:
        raise FileNotFoundError(f'no folders of classes in {folder}, as in {folder}/n01440764')
    lines = []
    for index, path in enumerate(classes):
        names = sorted(
            p.name for p in path.iterdir() if p.name.lower().endswith(ImageNet.IMG_EXTENSIONS)
        )
        if not names:
            raise FileNotFoundError(f'no images in {path}')
        count = max(1, round(fraction * len(names)))
        chosen = np.random.default_rng((seed, index)).permutation(len(names))[:count]
        lines += [f'{path.name}/{names[i]} {index}' for i in sorted(chosen)]
    return lines
