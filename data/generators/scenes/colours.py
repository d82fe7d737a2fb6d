"""Random colours, RGB in 0..1. Classes share palettes, so that colour does not tell the class."""

import colorsys

import numpy as np


def _hsv(rng, hue, saturation, value):
    return np.array(
        colorsys.hsv_to_rgb(rng.uniform(*hue) % 1, rng.uniform(*saturation), rng.uniform(*value))
    )


def body_paint(rng):
    """Return the colour of a car, truck, bus, train or two-wheeler."""
    if rng.random() < 0.5:
        return _hsv(rng, (0, 1), (0, 0.08), (0.12, 0.95))
    return _hsv(rng, (0, 1), (0.3, 0.85), (0.25, 0.8))


def wall(rng):
    """Return the colour of a house or a free-standing wall."""
    kind = rng.random()
    if kind < 0.35:
        return _hsv(rng, (-0.02, 0.06), (0.3, 0.6), (0.35, 0.65))
    if kind < 0.7:
        return _hsv(rng, (0.05, 0.14), (0.08, 0.4), (0.6, 0.88))
    return _hsv(rng, (0, 1), (0, 0.12), (0.4, 0.9))


def paving(rng):
    """Return the colour of a road, sidewalk, parking lane or rail track."""
    return _hsv(rng, (0.05, 0.68), (0, 0.1), (0.3, 0.56))


def green(rng):
    """Return the colour of grass, a hedge or a crown: fresh, dry or autumnal."""
    if rng.random() < 0.2:
        return _hsv(rng, (0.08, 0.16), (0.4, 0.65), (0.45, 0.7))
    return _hsv(rng, (0.17, 0.31), (0.35, 0.65), (0.34, 0.62))


def bark(rng):
    """Return the colour of a trunk, or of a wooden or rusty pole."""
    return _hsv(rng, (0.04, 0.1), (0.1, 0.4), (0.2, 0.45))


def metal(rng):
    if rng.random() < 0.25:
        return bark(rng)
    return _hsv(rng, (0.3, 0.65), (0, 0.25), (0.2, 0.7))


def cloth(rng):
    if rng.random() < 0.4:
        return _hsv(rng, (0, 1), (0, 0.1), (0.08, 0.9))
    return _hsv(rng, (0, 1), (0.3, 0.9), (0.2, 0.85))


def skin(rng):
    return np.array([0.85, 0.65, 0.52]) * rng.uniform(0.4, 1.1)


def hair(rng):
    return _hsv(rng, (0.04, 0.12), (0.2, 0.6), (0.06, 0.5))
