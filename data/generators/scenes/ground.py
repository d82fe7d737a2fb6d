"""Sky and ground. They are painted before the things that stand on the ground."""

import numpy as np

from . import colours
from .canvas import Face, ground_plane, ground_rectangle
from .textures import greenery, mix, pavement
from .thing import KERB


def paint_sky(canvas, cloud_size):
    """Paint a gradient with clouds. The clouds lie on a flat layer that meets the horizon."""
    light, camera = canvas.light, canvas.camera
    rows, columns = camera.size
    bottom = min(1.0, camera.horizon / (rows - 1) + 0.02)
    region, _ = canvas.outline('sky', [(0, 0), (1, 0), (1, bottom), (0, bottom)])
    x0, y0, x1, y1 = region
    focal = camera.matrix[0, 0]
    y = np.arange(y0, y1, dtype=np.float32)[:, None]
    x = np.arange(x0, x1, dtype=np.float32)[None]
    up = np.clip((camera.horizon - y) / focal, 0, None)
    away = 1 / (up + 0.12)
    across = (x - columns / 2) / focal * away
    sample = canvas.noise.sample
    u, v = cloud_size * across, cloud_size * away + 0 * across
    shape = sample('smooth', u * 14, v * 14) + 0.5 * sample('smooth', u * 45, v * 45 + 70)
    share = np.clip((shape + 2.2 * light.clouds - 1.5) * 0.6 + 0.3, 0, 1)
    share *= np.clip(up * 9, 0, 1)
    belly = np.clip(0.5 + 0.4 * sample('smooth', u * 14 + 3, v * 14 + 3), 0, 1)
    bright = np.minimum(light.ambient * 0.6 + light.sun * 0.7 + 0.12, 1)
    cloud = mix(bright, light.ambient * 0.75 + 0.18, belly)
    clear = mix(light.haze, light.sky_top, np.clip(up * 2.4, 0, 1) ** 0.6)
    canvas.image[y0:y1, x0:x1] = mix(clear, cloud, share * 0.85)


class Strip:
    """A rectangle of ground with one class."""

    def __init__(self, label, x0, z0, x1, z1, paint, y=KERB):
        self.label = label
        self.points = ground_rectangle(x0, z0, x1, z1, y)
        self.paint = paint
        self.plane = ground_plane(y)

    def draw(self, canvas):
        canvas.draw(self.label, [Face(self.points, self.paint, self.plane)])


class Kerb:
    """The step between the road and the sidewalk, along x or z."""

    def __init__(self, start, end, colour):
        self.points = np.array(
            [
                (start[0], 0, start[1]),
                (end[0], 0, end[1]),
                (end[0], KERB, end[1]),
                (start[0], KERB, start[1]),
            ]
        )
        self.colour = colour

    def draw(self, canvas):
        canvas.draw('sidewalk', [Face(self.points, self.colour)])


class Marking:
    """Worn paint on the road. Its class is road."""

    def __init__(self, rng, x0, z0, x1, z1, colour=(0.86, 0.86, 0.84)):
        self.points = ground_rectangle(x0, z0, x1, z1)
        self.colour = np.append(colour, 1.0).astype(np.float32)
        self.wear = rng.uniform(0.05, 0.3)

    def draw(self, canvas):

        def paint(patch):
            texel = 0.05
            worn = self.wear * (1 + canvas.noise.sample('rough', patch.s / texel, patch.t / texel))
            result = np.repeat(self.colour[None], worn.size, 0)
            result = result.reshape(*worn.shape, 4)
            result[..., 3] = np.clip(0.95 - worn, 0.1, 1)
            return result

        canvas.overlay(Face(self.points, paint, ground_plane(0)))


class Scar:
    """A patch of newer tar, a manhole or a drain."""

    def __init__(self, x, z, width, length, colour, y=0.0):
        self.points = ground_rectangle(
            x - width / 2, z - length / 2, x + width / 2, z + length / 2, y
        )
        self.colour = colour

    def draw(self, canvas):
        canvas.overlay(Face(self.points, self.colour))


class Rails:
    """A pair of rails of a tram track."""

    def __init__(self, x, z0, z1, y):
        self.bars = [
            ground_rectangle(rail - 0.05, z0, rail + 0.05, z1, y) for rail in (x - 0.72, x + 0.72)
        ]

    def draw(self, canvas):
        for bar in self.bars:
            canvas.overlay(Face(bar, (0.3, 0.29, 0.29)))


def lawn(rng, x0, z0, x1, z1):
    return Strip('terrain', min(x0, x1), z0, max(x0, x1), z1, greenery(rng, colours.green(rng)))


def lane_lines(rng, xs, z0, z1):
    """Return dashed lane lines at ``xs``. The first and the last line are solid, or left out."""
    marks = []
    solid_edges = rng.random() < 0.6
    dash, gap = rng.choice([3.0, 4.0, 6.0]), rng.choice([4.0, 6.0, 9.0])
    yellow = rng.random() < 0.2
    colour = (0.82, 0.66, 0.2) if yellow else (0.86, 0.86, 0.84)
    for i, x in enumerate(xs):
        if i in (0, len(xs) - 1):
            if solid_edges:
                marks.append(Marking(rng, x - 0.07, z0, x + 0.07, z1, colour))
            continue
        for z in np.arange(z0 + rng.uniform(0, dash), min(z1, 90), dash + gap):
            marks.append(Marking(rng, x - 0.075, z, x + 0.075, min(z + dash, z1)))
    return marks


def crosswalk(rng, x0, x1, z, depth=3.0):
    stripe = rng.uniform(0.45, 0.6)
    return [
        Marking(rng, x, z, x + stripe, z + depth)
        for x in np.arange(x0 + 0.3, x1 - stripe, 2 * stripe)
    ]


def road_surface(rng, kind):
    """Return a surface for road or sidewalk.

    The two differ in one thing only: slabs are more likely on the sidewalk.
    """
    slabs = rng.random() < {'road': 0.2, 'sidewalk': 0.65}[kind]
    return pavement(rng, colours.paving(rng), rng.uniform(0.3, 1.2) if slabs else None)
