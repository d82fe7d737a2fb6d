"""Street furniture: poles, lamps, traffic lights, signs, bins, benches."""

import numpy as np

from . import colours
from .camera import Plane
from .canvas import Face, on_plane, quad
from .plants import round_shading
from .thing import KERB, Thing


def disc(s, t, radius, corners=20):
    turns = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    return np.stack([s + radius * np.cos(turns), t + radius * np.sin(turns)], 1)


def rectangle(s0, t0, s1, t1):
    return np.array([(s0, t0), (s1, t0), (s1, t1), (s0, t1)])


class Pole(Thing):
    """A post, or a street lamp if ``arm`` (its reach over the road in metres) is not 0.

    Three in four have a greyish metal colour. The others are as brown as a tree trunk.
    """

    def __init__(self, rng, x, z, height, radius, arm=0.0):
        super().__init__((x - radius, KERB, z - radius), (x + radius, KERB + height, z + radius))
        self.foot = (x, KERB, z)
        self.height, self.radius, self.arm = height, radius, arm
        self.colour = colours.metal(rng)
        self.banded = height < 1.5 and rng.random() < 0.5

    def draw(self, canvas):
        plane = canvas.camera.facing_plane(*self.foot)
        sun_side = float(canvas.light.sun_direction @ np.array(plane.u))
        r, h = self.radius, self.height
        faces = [
            Face(
                on_plane(plane, [(-r, 0), (r, 0), (0.7 * r, h), (-0.7 * r, h)]),
                round_shading(self.colour, r, sun_side),
                plane,
            )
        ]
        if self.banded:
            band = rectangle(-r, 0.75 * h, r, 0.9 * h)
            faces.append(Face(on_plane(plane, band), (0.85, 0.2, 0.15)))
        if self.arm:
            a, s = self.arm, np.sign(self.arm)
            beam = [(0, h - 0.15), (a, h + 0.25), (a, h + 0.35), (0, h)]
            lamp = [
                (a - 0.1 * s, h + 0.2),
                (a + 0.7 * s, h + 0.22),
                (a + 0.6 * s, h + 0.4),
                (a, h + 0.42),
            ]
            glows = canvas.light.lit_windows > 0.3
            faces.append(Face(on_plane(plane, beam), self.colour * 0.9))
            faces.append(
                Face(
                    on_plane(plane, lamp),
                    (1.0, 0.9, 0.65) if glows else self.colour * 0.7,
                    glows=glows,
                )
            )
        canvas.draw('pole', faces)


LAMPS = ((0.95, 0.15, 0.1), (0.98, 0.7, 0.1), (0.15, 0.85, 0.45))


class TrafficLight(Thing):
    """Traffic lights on a pole. With an ``arm`` another one hangs over the road."""

    def __init__(self, rng, x, z, arm=0.0):
        reach = sorted((x - 0.2, x + arm))
        super().__init__((reach[0], KERB, z - 0.2), (reach[1] + 0.2, KERB + 6, z + 0.2))
        self.pole = Pole(rng, x, z, 5.8 if arm else rng.uniform(3, 3.6), 0.09)
        self.arm = arm
        self.heads = [(0.0, rng.uniform(2.3, 2.7))]
        if arm:
            self.heads.append((arm, 5.0))
        self.state = int(rng.integers(3))
        self.scale = rng.uniform(1.0, 1.25)
        self.turned_away = rng.random() < 0.15
        self.housing = np.array((0.1, 0.11, 0.11)) if rng.random() < 0.7 else colours.metal(rng)

    casts_shadow = False

    def draw(self, canvas):
        self.pole.draw(canvas)
        plane = canvas.camera.facing_plane(*self.pole.foot)
        if self.arm:
            beam = rectangle(0, 5.45, self.arm, 5.58)
            canvas.draw('pole', [Face(on_plane(plane, beam), self.pole.colour)])
        for s, t in self.heads:
            self._head(canvas, plane, s, t)

    def _head(self, canvas, plane, s, t):
        k = self.scale
        faces = [
            Face(
                on_plane(plane, rectangle(s - 0.26 * k, t - 0.1, s + 0.26 * k, t + 1.12 * k)),
                self.housing * 0.7,
            ),
            Face(
                on_plane(plane, rectangle(s - 0.19 * k, t, s + 0.19 * k, t + 1.02 * k)),
                self.housing,
            ),
        ]
        if not self.turned_away:
            for i, colour in enumerate(LAMPS):
                at = t + k * (0.85 - 0.34 * i)
                lit = i == self.state
                colour = np.array(colour) * (1.1 if lit else 0.22)
                faces.append(Face(on_plane(plane, disc(s, at, 0.13 * k)), colour, glows=lit))
        canvas.draw('traffic light', faces, base=self.housing)


SIGN_COLOURS = (
    (0.8, 0.12, 0.1),
    (0.1, 0.25, 0.65),
    (0.92, 0.92, 0.9),
    (0.95, 0.78, 0.1),
    (0.1, 0.45, 0.25),
)


class Sign(Thing):
    """One or two plates on a post. Some face away and show their grey back."""

    def __init__(self, rng, x, z):
        super().__init__((x - 0.4, KERB, z - 0.1), (x + 0.4, KERB + 3.3, z + 0.1))
        self.pole = Pole(rng, x, z, rng.uniform(2.6, 3.2), 0.05)
        self.plates = []
        top = self.pole.height
        for _ in range(1 if rng.random() < 0.6 else 2):
            radius = rng.uniform(0.3, 0.43)
            kind = str(rng.choice(['round', 'triangle', 'square', 'octagon', 'board']))
            order = rng.permutation(len(SIGN_COLOURS))[:3]
            self.plates.append((kind, radius, top - radius, [SIGN_COLOURS[i] for i in order]))
            top -= 2 * radius + 0.04
        self.back = rng.random() < 0.2
        self.mark = str(rng.choice(['bar', 'dot', 'arrow']))

    casts_shadow = False

    def draw(self, canvas):
        self.pole.draw(canvas)
        plane = canvas.camera.facing_plane(*self.pole.foot)
        for kind, radius, t, plate_colours in self.plates:
            shape = self._shape(kind, radius)
            faces = [Face(on_plane(plane, shape + (0, t)), (0.5, 0.51, 0.52))]
            if not self.back:
                rim, field, mark = plate_colours
                faces[0].paint = rim
                faces.append(Face(on_plane(plane, shape * 0.8 + (0, t)), field))
                faces.append(Face(on_plane(plane, self._mark(radius) + (0, t)), mark))
            canvas.draw('traffic sign', faces, base=(0.4, 0.4, 0.4))

    @staticmethod
    def _shape(kind, radius):
        if kind == 'board':
            return rectangle(-1.2 * radius, -0.7 * radius, 1.2 * radius, 0.7 * radius)
        corners = dict(round=20, triangle=3, square=4, octagon=8)[kind]
        start = {3: np.pi / 2, 4: np.pi / 4, 8: np.pi / 8, 20: 0}[corners]
        turns = start + np.arange(corners) * 2 * np.pi / corners
        return 1.1 * radius * np.stack([np.cos(turns), np.sin(turns)], 1)

    def _mark(self, radius):
        if self.mark == 'bar':
            return rectangle(-0.5, -0.14, 0.5, 0.14) * radius
        if self.mark == 'dot':
            return disc(0, 0, 0.32 * radius)
        return radius * np.array(
            [
                (-0.12, -0.5),
                (0.12, -0.5),
                (0.12, 0.1),
                (0.35, 0.1),
                (0, 0.5),
                (-0.35, 0.1),
                (-0.12, 0.1),
            ]
        )


class Gantry(Thing):
    """Direction boards on a beam over the road from ``x0`` to ``x1``."""

    casts_shadow = False

    def __init__(self, rng, x0, x1, z):
        super().__init__((x0, 5.0, z), (x1, 7.6, z + 0.3))
        self.posts = [Pole(rng, x, z, 6.6, 0.16) for x in (x0, x1)]
        edges = np.linspace(x0 + 1, x1 - 1, int(rng.integers(2, 4)) + 1)
        self.boards = list(zip(edges[:-1] + 0.3, edges[1:] - 0.3))
        self.colour = np.array(SIGN_COLOURS[rng.choice([1, 4, 2])])
        self.lines = rng.uniform(0.4, 0.9, (len(self.boards), 3))

    def draw(self, canvas):
        (x0, _, z0), (x1, _, _) = self.box
        for post in self.posts:
            post.draw(canvas)
        plane = Plane((0, 0, z0), (1, 0, 0), (0, 1, 0))
        canvas.draw('pole', [Face(quad(plane, x0, 6.3, x1, 6.6), self.posts[0].colour)])
        ink = (0.1, 0.1, 0.1) if self.colour.min() > 0.5 else (0.9, 0.9, 0.9)
        for (a, b), lines in zip(self.boards, self.lines):
            faces = [Face(quad(plane, a, 5.3, b, 7.4), self.colour)]
            for i, length in enumerate(lines):
                t = 6.75 - 0.6 * i
                faces.append(
                    Face(quad(plane, a + 0.3, t, a + (b - a - 0.3) * length, t + 0.28), ink)
                )
            canvas.draw('traffic sign', faces, base=self.colour)


class Box(Thing):
    """A bin, a switch box, a bench or a crate, of the class static, which is not scored.

    ``movable`` boxes (trolleys, suitcases) are of the class dynamic.
    """

    def __init__(self, rng, x, z, movable=False):
        w, d, h = rng.uniform((0.2, 0.2, 0.6), (0.8, 0.4, 1.3))
        super().__init__((x - w, KERB, z - d), (x + w, KERB + h, z + d))
        self.label = 'dynamic' if movable else 'static'
        self.colour = colours.body_paint(rng)

    def draw(self, canvas):
        low, high = self.box
        size = high - low
        faces = []
        top = Plane(low + (0, size[1], 0), (1, 0, 0), (0, 0, 1))
        faces.append(Face(quad(top, 0, 0, size[0], size[2]), self.colour))
        eye = canvas.camera.position[0]
        side = low if eye < low[0] else low + (size[0], 0, 0)
        side = Plane(side, (0, 0, 1), (0, 1, 0))
        faces.append(Face(quad(side, 0, 0, size[2], size[1]), self.colour))
        front = Plane(low, (1, 0, 0), (0, 1, 0))
        faces.append(Face(quad(front, 0, 0, size[0], size[1]), self.colour))
        lid = quad(front, 0, 0.8 * size[1], size[0], 0.87 * size[1])
        faces.append(Face(lid, self.colour * 0.5))
        canvas.draw(self.label, faces, base=self.colour)
