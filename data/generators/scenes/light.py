"""Time of day and weather."""

from dataclasses import dataclass

import numpy as np


@dataclass
class Light:
    """The light of a scene.

    ``sun_direction`` points to the sun (x right, y up, z forward). At the
    distance ``visibility``, in metres, haze covers 63 % of the colour.
    """

    sun_direction: np.ndarray
    sun: np.ndarray
    ambient: np.ndarray
    sky_top: np.ndarray
    haze: np.ndarray
    visibility: float
    clouds: float
    lit_windows: float

    def shade(self, normal):
        """Return the RGB brightness of a surface with this outward normal."""
        direct = max(0.0, float(np.dot(normal, self.sun_direction)))
        return self.ambient * (0.85 + 0.15 * normal[1]) + self.sun * direct

    @property
    def in_shadow(self):
        """RGB factor that turns sunlit ground into shadow."""
        up = np.array([0.0, 1.0, 0.0])
        return (self.ambient * 0.85 / self.shade(up)).astype(np.float32)


def random_light(rng):
    kind = rng.choice(['clear', 'low sun', 'overcast', 'dusk'], p=[0.42, 0.2, 0.26, 0.12])
    azimuth = rng.uniform(0, 2 * np.pi)
    elevation, sun, ambient, top, haze, visibility, clouds, lit = {
        'clear': (
            rng.uniform(35, 65),
            (0.62, 0.58, 0.5),
            (0.5, 0.53, 0.58),
            (0.28, 0.47, 0.78),
            (0.74, 0.82, 0.9),
            rng.uniform(250, 600),
            rng.uniform(0.1, 0.6),
            0.03,
        ),
        'low sun': (
            rng.uniform(14, 28),
            (0.8, 0.6, 0.38),
            (0.47, 0.46, 0.52),
            (0.38, 0.5, 0.74),
            (0.93, 0.82, 0.68),
            rng.uniform(160, 400),
            rng.uniform(0.2, 0.6),
            0.1,
        ),
        'overcast': (
            rng.uniform(40, 70),
            (0.12, 0.12, 0.12),
            (0.76, 0.78, 0.8),
            (0.68, 0.71, 0.75),
            (0.85, 0.86, 0.87),
            rng.uniform(110, 300),
            rng.uniform(0.6, 0.95),
            0.1,
        ),
        'dusk': (
            rng.uniform(6, 12),
            (0.3, 0.18, 0.12),
            (0.42, 0.41, 0.52),
            (0.24, 0.28, 0.48),
            (0.82, 0.58, 0.5),
            rng.uniform(150, 350),
            rng.uniform(0.2, 0.7),
            0.5,
        ),
    }[str(kind)]
    elevation = np.radians(elevation)
    tint = rng.uniform(0.94, 1.06, 3)
    return Light(
        sun_direction=np.array(
            [
                np.cos(elevation) * np.sin(azimuth),
                np.sin(elevation),
                np.cos(elevation) * np.cos(azimuth),
            ]
        ),
        sun=np.array(sun) * rng.uniform(0.85, 1.15),
        ambient=np.array(ambient) * rng.uniform(0.9, 1.1),
        sky_top=np.array(top) * tint,
        haze=np.minimum(np.array(haze) * tint, 1.0),
        visibility=visibility,
        clouds=clouds,
        lit_windows=lit,
    )
