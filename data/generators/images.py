"""Generator of images of ten classes in the layout of ImageNet.

The shape of the pattern is the class. Colours, position, size, rotation, softness of the edges,
light and grain are random in every image, so they say nothing about the class.
"""

from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from .files import claim, write_whole

# Raise it when the images change: a folder has images of one version only.
VERSION = 1
SPLITS = {'train': 0, 'val': 1}
SMALLEST = 16


def stripes(rng, x, y):
    return np.sin(rng.uniform(8, 20) * x)


def checks(rng, x, y):
    f = rng.uniform(6, 14)
    return np.sin(f * x) * np.sin(f * y) * 2


def waves(rng, x, y):
    bend = rng.uniform(0.5, 1.2) * np.sin(rng.uniform(4, 8) * y) / 2
    return np.sin(rng.uniform(8, 16) * (x + bend))


def rings(rng, x, y):
    return np.sin(rng.uniform(10, 22) * np.hypot(x, y))


def spiral(rng, x, y):
    arms = rng.integers(1, 4) * rng.choice([-1, 1])
    return np.sin(rng.uniform(7, 14) * np.hypot(x, y) + arms * np.arctan2(y, x))


def rays(rng, x, y):
    return np.sin(rng.integers(4, 10) * np.arctan2(y, x) + rng.uniform(0, 6))


def dots(rng, x, y):
    f = rng.uniform(9, 18)
    return (np.cos(f * x) + np.cos(f * y) - 0.9) * 1.5


def clouds(rng, x, y):
    frequencies = rng.normal(size=(7, 2)) * [[2], [2], [4], [4], [8], [8], [12]]
    phases, heights = rng.uniform(0, 2 * np.pi, 7), rng.normal(size=7)
    return sum(h * np.sin(f * x + g * y + p) for (f, g), p, h in zip(frequencies, phases, heights))


def discs(rng, x, y):
    return _union(
        1 - np.hypot(x - a, y - b) / rng.uniform(0.15, 0.5)
        for a, b in rng.uniform(-1, 1, (rng.integers(3, 8), 2))
    )


def boxes(rng, x, y):
    return _union(
        1 - np.maximum(abs(x - a), abs(y - b) * rng.uniform(0.5, 2)) / rng.uniform(0.15, 0.5)
        for a, b in rng.uniform(-1, 1, (rng.integers(3, 8), 2))
    )


def _union(fields):
    return 4 * np.max(list(fields), axis=0)


FIGURES = {
    f.__name__: f for f in (boxes, checks, clouds, discs, dots, rays, rings, spiral, stripes, waves)
}


def render_image(seed: int, split: str, name: str, index: int, size: int) -> np.ndarray:
    """Draw an image of the class ``name`` of ``FIGURES``: uint8 RGB, (size, size, 3).

    It depends only on the arguments.
    """
    rng = np.random.default_rng((seed, SPLITS[split], list(FIGURES).index(name), index))
    across = np.linspace(-1, 1, size)
    turn, zoom = rng.uniform(0, 2 * np.pi), rng.uniform(0.7, 1.2)
    dx, dy = rng.uniform(-0.5, 0.5, 2)
    u, v = np.meshgrid(across, across)
    x = zoom * (np.cos(turn) * u - np.sin(turn) * v) + dx
    y = zoom * (np.sin(turn) * u + np.cos(turn) * v) + dy
    # A figure is a field that is positive inside. Map it to 0..1 with a soft edge.
    figure = 0.5 + 0.5 * np.tanh(rng.uniform(2, 8) * FIGURES[name](rng, x, y))[..., None]
    image = figure * _paint(rng, u, v) + (1 - figure) * _paint(rng, u, v)
    image = image * (1 + rng.uniform(-0.3, 0.3) * u + rng.uniform(-0.3, 0.3) * v)[..., None]
    image = image + rng.normal(0, rng.uniform(0, 0.01), image.shape)
    return np.clip(np.rint(255 * image), 0, 255).astype(np.uint8)


def _paint(rng, u, v):
    """Draw a colour that changes smoothly over the image, (size, size, 3) in 0..1."""
    turn = rng.uniform(0, 2 * np.pi)
    along = 0.5 + 0.35 * (np.cos(turn) * u + np.sin(turn) * v)[..., None]
    one, other = rng.uniform(0.05, 0.95, (2, 3))
    return one + rng.uniform(0.2, 0.6) * (other - one) * along


def make_images(
    root: str | Path, num_train: int = 120, num_val: int = 20, size: int = 80, seed: int = 0
) -> int:
    """Write images below ``root``. Return the number of new ones.

    Existing images stay. Repeat the call to complete an interrupted run, or with larger numbers
    to add images.

    Args:
        root: Gets ``train/<class>/*.JPEG`` and ``val/<class>/*.JPEG``.
        num_train: Training images of each class.
        num_val: Validation images of each class.
        size: Height and width in pixels.
        seed: Another seed gives other images.

    Raises:
        FileExistsError: If ``root`` has images of another size, seed or version, or images
            that this function did not write.
        ValueError: If a number is out of range.
    """
    if min(num_train, num_val) < 0 or size < SMALLEST:
        raise ValueError(
            f'found num_train={num_train}, num_val={num_val}, size={size}; wanted '
            f'numbers >= 0 and a size of at least {SMALLEST}'
        )
    root = Path(root)
    claim(
        root,
        'images.json',
        dict(version=VERSION, size=size, seed=seed),
        {},
        real='ImageNet',
        folders=list(SPLITS),
        tool='make_images.py',
    )
    todo = [
        (split, name, index, path)
        for split, number in (('train', num_train), ('val', num_val))
        for name in FIGURES
        for index in range(number)
        if not (path := root / split / name / f'{name}_{index:05d}.JPEG').is_file()
    ]
    for split, name, index, path in todo:
        path.parent.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(render_image(seed, split, name, index, size))
        write_whole(path, partial(image.save, quality=92))
    return len(todo)
