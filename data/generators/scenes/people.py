"""Pedestrians. Riders have the same bodies."""

import numpy as np

from . import colours
from .camera import Plane
from .canvas import Face, on_plane
from .furniture import disc
from .plants import round_shading
from .thing import KERB, Thing


def limb(a, b, width_a, width_b):
    """Return the outline of a tapered capsule from a to b, in plane coordinates."""
    a, b = np.array(a, float), np.array(b, float)
    along = b - a
    turn = np.arctan2(along[1], along[0])
    arc = np.linspace(np.pi / 2, 3 * np.pi / 2, 6)
    start = a + width_a / 2 * np.stack([np.cos(arc + turn), np.sin(arc + turn)], 1)
    end = b + width_b / 2 * np.stack([np.cos(arc + turn + np.pi), np.sin(arc + turn + np.pi)], 1)
    return np.vstack([start, end])


class Clothes:
    """The colours of one person. Pedestrians and riders draw from the same palettes."""

    def __init__(self, rng, helmet=0.0):
        self.top = colours.cloth(rng)
        self.trousers = colours.cloth(rng) * rng.uniform(0.5, 1)
        self.shoes = colours.cloth(rng) * 0.5
        self.skin = colours.skin(rng)
        wears = rng.random() < helmet
        self.hair = colours.body_paint(rng) if wears else colours.hair(rng)
        self.short_sleeves = rng.random() < 0.35
        self.skirt = rng.random() < 0.2 and not helmet


class Figure:
    """A body as a list of (outline, colour), in metres. The feet are at (0, 0).

    ``facing`` is 1 or -1 in a side view (the direction along s) and 0 in a view
    from the front or back.
    """

    def __init__(self, clothes, height, facing, back):
        self.clothes = clothes
        self.k = height / 1.75
        self.facing = facing
        self.back = back
        self.parts = []

    def add(self, outline, colour):
        self.parts.append((outline, np.asarray(colour)))

    def leg(self, hip, knee, foot):
        c, k = self.clothes, self.k
        self.add(limb(hip, knee, 0.19 * k, 0.14 * k), c.trousers)
        self.add(limb(knee, foot, 0.14 * k, 0.1 * k), c.trousers)
        toe = (foot[0] + (0.14 * self.facing or 0.02) * k, foot[1])
        self.add(limb(foot, toe, 0.1 * k, 0.08 * k), c.shoes)

    def arm(self, shoulder, elbow, hand, tone=0.9):
        c, k = self.clothes, self.k
        lower = c.skin if c.short_sleeves else c.top * tone
        self.add(limb(elbow, hand, 0.09 * k, 0.08 * k), lower)
        self.add(limb(shoulder, elbow, 0.12 * k, 0.1 * k), c.top * tone)
        self.add(disc(*hand, 0.05 * k, 8), c.skin)

    def torso(self, hip, neck):
        c, k = self.clothes, self.k
        wide = 0.26 if self.facing else 0.4
        self.add(limb(hip, neck, 0.8 * wide * k, wide * k), c.top)
        self.add(limb(neck, (neck[0], neck[1] + 0.12 * k), 0.1 * k, 0.1 * k), c.skin * 0.9)

    def head(self, at):
        c, k = self.clothes, self.k
        self.add(disc(at[0], at[1], 0.12 * k, 14), c.hair)
        if not self.back:
            ahead = 0.035 * self.facing * k
            self.add(disc(at[0] + ahead, at[1] - 0.025 * k, 0.095 * k, 12), c.skin)

    def faces(self, plane, sun_side):
        result = []
        for outline, colour in self.parts:
            middle = (outline[:, 0].min() + outline[:, 0].max()) / 2
            reach = max(np.ptp(outline[:, 0]) / 2, 0.03)
            shifted = Plane(
                tuple(np.array(plane.origin) + middle * np.array(plane.u)), plane.u, plane.v
            )
            result.append(
                Face(on_plane(plane, outline), round_shading(colour, reach, sun_side), shifted)
            )
        return result


class Person(Thing):
    """A person who stands or walks: 1.7 m on average. Some are children."""

    def __init__(self, rng, x, z, y=KERB):
        height = rng.normal(1.72, 0.09)
        if rng.random() < 0.1:
            height *= rng.uniform(0.6, 0.8)
        super().__init__((x - 0.25, y, z - 0.25), (x + 0.25, y + height, z + 0.25))
        self.foot = (x, y, z)
        facing = int(rng.choice([-1, 0, 0, 1]))
        figure = Figure(Clothes(rng), height, facing, rng.random() < 0.5)
        k, stride = figure.k, rng.uniform(0, 1)
        phase = rng.choice([-1, 1]) * stride
        hip, neck = (0, 0.92 * k), (0.03 * facing * k, 1.42 * k)
        spread = 0.09 * k if not facing else 0.0
        for side in (1, -1):
            swing = 0.3 * phase * side * k * facing
            lift = max(0, 0.12 * phase * side) * k
            foot = (side * spread + swing, 0.05 * k + lift)
            knee = (side * spread + 0.5 * swing + 0.05 * facing * k, 0.5 * k + 0.5 * lift)
            figure.leg((side * spread, 0.9 * k), knee, foot)
        if figure.clothes.skirt:
            figure.add(limb(hip, (0, 0.62 * k), 0.3 * k, 0.42 * k), figure.clothes.trousers)
        shoulder = 0.19 * k if not facing else 0.0
        arms = []
        for side in (1, -1):
            swing = -0.22 * phase * side * k * facing
            arms.append(
                (
                    (side * shoulder, 1.36 * k),
                    (side * shoulder * 1.2 + 0.5 * swing, 1.1 * k),
                    (side * shoulder * 1.15 + swing, 0.85 * k),
                )
            )
        figure.arm(*arms[0], tone=0.8)
        figure.torso(hip, neck)
        figure.arm(*arms[1])
        if rng.random() < 0.3:
            bag = colours.cloth(rng)
            at = (arms[1][2][0], arms[1][2][1] - 0.16 * k)
            figure.add(limb(at, (at[0], at[1] - 0.15 * k), 0.24, 0.28), bag)
        figure.head((0.05 * facing * k, 1.63 * k))
        self.figure = figure

    def draw(self, canvas):
        plane = canvas.camera.facing_plane(*self.foot)
        sun_side = float(canvas.light.sun_direction @ np.array(plane.u))
        canvas.draw(
            'person', self.figure.faces(plane, sun_side), base=self.figure.clothes.top * 0.6
        )
