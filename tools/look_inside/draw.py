"""Turn maps of numbers into pictures, uint8 RGB ``(H, W, 3)``."""

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from PIL import Image

from .fields import Field

WIDTH = 384  # width of most pictures on a page, in pixels


def enlarge(picture: np.ndarray, width: int = WIDTH, smooth: bool = False) -> np.ndarray:
    """Resize a picture to ``width``, with its aspect ratio. Edges stay sharp if not ``smooth``."""
    height = max(1, round(picture.shape[0] * width / picture.shape[1]))
    how = Image.Resampling.BICUBIC if smooth else Image.Resampling.NEAREST
    return np.asarray(Image.fromarray(picture).resize((width, height), how))


def heat(
    values: np.ndarray, low: float = 0.0, high: float | None = None, colours: str = 'magma'
) -> np.ndarray:
    """Colour a map ``(H, W)`` with a colour map of Matplotlib, from ``low`` to ``high``.

    ``high`` is by default the largest value.
    """
    high = float(values.max()) if high is None else high
    scaled = (values - low) / (high - low if high > low else 1.0)
    return (colormaps[colours](np.clip(scaled, 0, 1))[..., :3] * 255).round().astype(np.uint8)


def draw_field(field: Field, picture: np.ndarray | None = None, width: int = WIDTH) -> np.ndarray:
    """Draw a field: bright where it is strong, with a ring around the chosen position.

    The colours show the square root of the strength, so that weak parts are visible. With
    ``picture``, they are darker where the picture is dark.
    """
    strength = np.sqrt(field.strength)
    # Scale by a high quantile: one strong cell must not make all others dark.
    high = float(np.quantile(strength, 0.995)) or float(strength.max())
    drawn = enlarge(heat(strength, 0.0, high), width)
    if picture is not None:
        grey = np.asarray(Image.fromarray(picture).convert('L').resize(drawn.shape[1::-1]))
        drawn = (drawn * (0.55 + 0.45 * grey[..., None] / 255)).round().astype(np.uint8)
    return ring(drawn, field.at, field.strength.shape)


def ring(picture: np.ndarray, at: Sequence[int], grid: Sequence[int]) -> np.ndarray:
    """Draw a ring around the cell ``at`` (y, x) of a grid that covers the picture."""
    height, width = picture.shape[:2]
    y, x = ((at[i] + 0.5) * side / grid[i] for i, side in enumerate((height, width)))
    rows, columns = np.mgrid[:height, :width]
    distance = np.hypot(rows - y, columns - x)
    drawn = picture.copy()
    # Draw cyan on black, so that the ring is visible on all colours.
    drawn[abs(distance - 7) < 2.4] = 0
    drawn[abs(distance - 7) < 1.2] = (90, 255, 255)
    return drawn


def draw_spectrum(magnitude: np.ndarray, low: float, high: float, width: int = 192) -> np.ndarray:
    """Draw the magnitudes of a spectrum. Log10 goes from ``low`` to ``high``; white means zero."""
    with np.errstate(divide='ignore'):
        log = np.log10(magnitude)
    drawn = heat(np.where(np.isfinite(log), log, low), low, high, 'viridis')
    drawn[~np.isfinite(log)] = 255
    return enlarge(drawn, width)


def draw_clusters(labels: np.ndarray, width: int = WIDTH) -> np.ndarray:
    """Draw cluster numbers ``(H, W)`` in the colours of Fig. 5."""
    colours = (colormaps['tab10'](np.arange(10))[:, :3] * 255).astype(np.uint8)
    return enlarge(colours[labels % 10], width)
