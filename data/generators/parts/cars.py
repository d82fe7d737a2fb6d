"""Cars seen from the front or the rear quarter, in the 20 parts of CarsDataset."""

import numpy as np
from afno_mm.datasets.datasetgan import CarsDataset

from ..scenes.colours import body_paint
from .canvas import Canvas, curve, ellipse

# All lengths are in metres.
HALF = 0.86  # half the width of a car
AXLES = (-1.28, 1.34)
MIDDLE = np.array([0, 0.7, 0])
LIGHT = np.array([-0.35, 0.8, 0.5])
LAMP, TAIL = np.array([0.86, 0.88, 0.92]), np.array([0.72, 0.06, 0.06])
PAINTED = ('car body', 'door', 'fender', 'hood', 'roof', 'trunk lid', 'bumper', 'back bumper')


def paint_car(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Paint one car. Return the picture (size, size, 3) and its labels (size, size), uint8."""
    return Car(rng, size).paint()


class Car:
    """A car in 3-D: x points to its front, y up from the ground, z to the visible side."""

    def __init__(self, rng, size):
        self.rng = rng
        self.draw = Canvas(size, CarsDataset.METAINFO['classes'], rng, self.to_picture)
        self.colour = body_paint(rng)
        self.dark = np.array([0.05, 0.05, 0.06])
        self.sky = rng.uniform(0.5, 0.9, 3)
        self.shape()
        self.place()

    def shape(self):
        """Choose the side view: corners of its outline from the rear over the roof to the front."""
        rng = self.rng
        high = rng.uniform(-0.04, 0.04) + rng.choice([0, 0.22])
        self.wheel, self.low = rng.uniform(0.31, 0.35) + 0.25 * high, 0.28 + 0.4 * high
        self.belt, self.roof = belt, roof = 0.98 + high, 1.42 + 1.3 * high
        boot = rng.choice(
            [-1.5, -1.95]
        )  # x where the rear window ends: in front of a boot, or at a hatch
        corners = dict(
            rear_low=(-2.1, self.low),
            rear_bumper=(-2.15, 0.62 + high),
            boot_edge=(-2.08, belt - 0.04),
            boot=(boot, belt),
            roof_rear=(boot + rng.uniform(0.45, 0.6), roof - 0.03),
            roof_front=(rng.uniform(0.0, 0.2), roof),
            cowl=(rng.uniform(0.85, 1.05), belt),
            hood_edge=(1.98, 0.8 + high),
            nose=(2.1, 0.54 + high),
            front_low=(2.06, self.low - 0.02),
        )
        self.corners = {name: np.array(corner) for name, corner in corners.items()}
        self.doors = (
            corners['cowl'][0] - 0.22,
            -0.35,
            -1.0,
        )  # x of the door gaps, from front to rear

    def place(self):
        """Turn the car so that one end is visible, and scale it to fill the picture."""
        rng = self.rng
        self.away = rng.uniform(7, 12)
        turn = rng.uniform(np.arcsin(2.7 / self.away), 1.05) * rng.choice([-1, 1])
        lift = rng.uniform(0.07, 0.28)
        around = np.array(
            [[np.cos(turn), 0, -np.sin(turn)], [0, 1, 0], [np.sin(turn), 0, np.cos(turn)]]
        )
        down = np.array(
            [[1, 0, 0], [0, np.cos(lift), -np.sin(lift)], [0, np.sin(lift), np.cos(lift)]]
        )
        self.turned, self.flip = down @ around, rng.choice([-1, 1])
        self.centre, self.zoom = np.array([0.5, 0.5]), 1.0
        box = np.concatenate([self.side(list(self.corners.values()), z) for z in (HALF, -HALF)])
        ends = self.to_picture(box)
        self.zoom = rng.uniform(0.75, 0.92) / np.ptp(ends[:, 0])
        ends = self.to_picture(box)
        self.centre += rng.uniform(-0.03, 0.03, 2) + 0.5 - (ends.min(0) + ends.max(0)) / 2

    def to_picture(self, points):
        if points.shape[1] == 2:  # already fractions of the picture
            return points
        x, y, z = self.turned @ (points - MIDDLE).T
        scale = self.zoom * self.away / (self.away - z)
        return self.centre + np.stack([self.flip * scale * x, -scale * y], 1)

    def across(self, lower, upper, left=-1.0, right=1.0, start=0.0, stop=1.0):
        """Return part of the panel between two corners of the outline, as 3-D points (4, 3)."""
        a, b = self.corners[lower], self.corners[upper]
        wide = [HALF * (0.74 if name.startswith('roof') else 1) for name in (lower, upper)]

        def point(u, v):
            return (*(a + v * (b - a)), u * (wide[0] + v * (wide[1] - wide[0])))

        return np.array(
            [point(left, start), point(right, start), point(right, stop), point(left, stop)]
        )

    def side(self, points, depth=HALF):
        """Return the 3-D points of the side view. Above the belt the side leans inwards."""
        points = np.asarray(points, float)
        lean = np.clip((points[:, 1] - self.belt) / (self.roof - self.belt), 0, 1) * 0.26
        return np.column_stack([points, depth * (1 - lean)])

    def normal(self, panel):
        """Return the outward unit normal of a panel."""
        normal = np.cross(panel[1] - panel[0], panel[3] - panel[0])
        return normal / np.copysign(np.sqrt(normal @ normal), normal @ (panel.mean(0) - MIDDLE))

    def seen(self, panel):
        eye = MIDDLE + self.turned.T @ (0, 0, self.away)
        return self.normal(panel) @ (eye - panel.mean(0)) > 0

    def panel(self, name, lower, upper):
        """Paint a whole panel if it is visible, shaded by its slope. Return True if visible."""
        corners = self.across(lower, upper)
        if self.seen(corners):
            bright = 0.7 + 0.45 * max(0, self.normal(corners) @ LIGHT)
            gloss = 1 + 0.05 * self.draw.noise(6, 6)[..., None]
            self.draw.part(name, corners, self.colour * bright * gloss)
        return self.seen(corners)

    def paint(self):
        self.street()
        for x in AXLES:
            self.draw.part('tire', self.disc(x, -HALF), self.dark)
        self.front_end()
        self.rear_end()
        self.flank()
        self.cabin()
        self.wheels()
        self.mirror()
        return self.draw.photo()

    def street(self):
        rng, draw = self.rng, self.draw
        draw.background(blur=rng.uniform(0.006, 0.016))
        horizon = self.centre[1] - rng.uniform(0.0, 0.12)
        grey = rng.uniform(0.25, 0.6) * rng.uniform(0.92, 1.08, 3)
        road = grey * (1 + 0.06 * draw.noise(150, 150) + 0.08 * draw.noise(5, 9))[..., None]
        draw.part('background', [(0, horizon), (1, horizon), (1, 1), (0, 1)], road)
        ground = np.array([(-2.3, 0, -1.1), (2.3, 0, -1.1), (2.3, 0, 1.1), (-2.3, 0, 1.1)])
        draw.tint(ground, self.dark, 0.85, 0.012)

    def front_end(self):
        """Paint hood, grille, lights, bumper and number plate."""
        rng, draw = self.rng, self.draw
        self.panel('hood', 'cowl', 'hood_edge')
        for u in (-0.5, 0.5):
            line = self.across('cowl', 'hood_edge', u, u, 0.1, 0.95)
            draw.tint(line[[0, 2]], self.dark, 0.25, 0.003, over=('hood',), width=0.006)
        self.panel('bumper', 'nose', 'front_low')
        if not self.panel('car body', 'hood_edge', 'nose'):
            return
        wide = rng.uniform(0.45, 0.6)
        grille = self.across('hood_edge', 'nose', -wide, wide, 0.12, 0.92)
        draw.part('grille', grille, self.dark * 1.6)
        for v in np.linspace(0.25, 0.8, 4):
            bar = self.across('hood_edge', 'nose', -wide, wide, v, v)
            draw.part('grille', bar[:2], [0.55, 0.56, 0.58], width=0.004)
        low = self.across('nose', 'front_low', -0.6, 0.6, 0.45, 0.85)
        draw.tint(low, self.dark, 0.8, 0.002, over=('bumper',))
        for u in (-1, 1):
            lamp = self.across('hood_edge', 'nose', u * (wide + 0.05), u * 0.97, 0.12, 0.88)
            self.lamp('car light', lamp, LAMP)
        self.plate(self.across('nose', 'front_low', -0.28, 0.28, 0.12, 0.52))

    def rear_end(self):
        """Paint boot lid, tail lights, bumper and number plate."""
        self.panel('trunk lid', 'boot', 'boot_edge')
        self.panel('back bumper', 'rear_bumper', 'rear_low')
        if not self.panel('trunk lid', 'boot_edge', 'rear_bumper'):
            return
        deep = self.rng.uniform(0.5, 0.68)
        for u in (-1, 1):
            lamp = self.across('boot_edge', 'rear_bumper', u * deep, u * 0.98, 0.1, 0.75)
            self.lamp('tail light', lamp, TAIL)
        self.plate(self.across('boot_edge', 'rear_bumper', -0.28, 0.28, 0.35, 0.85))

    def lamp(self, name, corners, colour):
        self.draw.part(name, corners, colour)
        middle = corners.mean(0)
        inner = middle + 0.55 * (corners - middle)
        self.draw.tint(inner, np.ones(3), 0.55, 0.003, over=(name,))

    def plate(self, corners):
        self.draw.part('license plate', corners, [0.92, 0.92, 0.85])
        middle = corners.mean(0)
        text = middle + (corners - middle) * 0.6
        for k in range(5):
            a, b = text[0] + (text[1] - text[0]) * k / 4, text[3] + (text[2] - text[3]) * k / 4
            self.draw.tint([a, b], self.dark, 0.8, 0.001, over=('license plate',), width=0.006)

    def flank(self):
        """Paint the side below the windows: doors, fender, sill, ends of bumpers and lamps."""
        draw, s, low, top, corner = self.draw, self.side, self.low, self.belt, self.corners
        front, pillar, rear = self.doors
        bottom = low + 0.14
        sheen = 0.9 * (1 + 0.08 * draw.noise(3, 7))[..., None]
        lower = [name for name in corner if not name.startswith('roof')]
        draw.part('car body', s([corner[name] for name in lower]), self.colour * sheen)
        fender = [(front, top), (2.2, top), (2.2, low + 0.3), (1.8, low + 0.1), (front, low)]
        draw.part('fender', s(fender), over=('car body',))
        door = [
            (front, top),
            (front, bottom),
            (rear + 0.1, bottom),
            (rear, bottom + 0.25),
            (rear - 0.12, top),
        ]
        draw.part('door', s(door), self.colour * sheen * 0.98, over=('car body', 'fender'))
        for x in self.doors:
            draw.tint(s([(x, top), (x, bottom)]), self.dark, 0.8, 0.001, PAINTED, width=0.005)
        crease = curve([(-2, top - 0.25), (0, top - 0.2), (2, top - 0.28)])
        draw.tint(s(crease), self.dark, 0.35, 0.004, PAINTED, width=0.008)
        for x in (pillar + 0.05, rear + 0.02):
            grip = [(x, top - 0.15), (x + 0.2, top - 0.15), (x + 0.2, top - 0.08), (x, top - 0.08)]
            draw.part('handle', s(grip, HALF * 1.02), self.sky * 0.9)
        sill = [
            (front + 0.1, low - 0.02),
            (rear - 0.05, low - 0.02),
            (rear - 0.05, bottom - 0.02),
            (front + 0.1, bottom - 0.02),
        ]
        draw.part('running board', s(sill), self.colour * 0.45 + 0.03)
        for name, x, y in (
            ('bumper', 1.72, corner['nose'][1]),
            ('back bumper', -1.75, corner['rear_bumper'][1]),
        ):
            end = np.copysign(2.3, x)
            draw.part(name, s([(x, y), (end, y), (end, 0), (x, 0)]), over=('car body', 'fender'))
            draw.tint(s([(x, y), (end, y)]), self.dark, 0.5, 0.001, PAINTED, width=0.004)
        for name, x, y, colour in (
            ('car light', 1.72, corner['hood_edge'][1], LAMP),
            ('tail light', -1.8, corner['boot_edge'][1], TAIL),
        ):
            end = np.copysign(2.2, x)
            lamp = [(x, y - 0.04), (end, y - 0.04), (end, y - 0.24), (0.4 * x + 0.6 * end, y - 0.2)]
            draw.part(name, s(lamp), colour * 0.9, over=('car body', 'fender'))

    def cabin(self):
        """Paint the roof, the windows and the pillars between them."""
        s, corner, pillar = self.side, self.corners, self.doors[1]
        for lower, upper in (('cowl', 'roof_front'), ('boot', 'roof_rear')):
            if self.panel('car body', lower, upper):
                self.glass('windshield', self.across(lower, upper, -0.92, 0.92, 0.06, 0.94))
        self.panel('roof', 'roof_rear', 'roof_front')
        ring = [corner[name] for name in ('boot', 'roof_rear', 'roof_front', 'cowl')]
        self.draw.part('car body', s(ring), self.colour * 0.75)
        belt, roof = self.belt + 0.03, self.roof - 0.08
        for foot, head, inwards in ((ring[3], ring[2], -0.12), (ring[0], ring[1], 0.17)):
            slope = (head - foot) / (head[1] - foot[1])
            low, high = (foot + slope * (y - foot[1]) + (inwards, 0) for y in (belt, roof))
            x = pillar - np.copysign(0.05, inwards)
            self.glass('window', s([(x, belt), low, high, (x, roof)]))

    def glass(self, name, corners):
        """Paint dark glass: its upper half reflects the sky, and seats show through."""
        draw = self.draw
        draw.part(name, corners, self.dark + 0.06 * self.sky)
        middle = corners.mean(0)
        draw.tint(
            middle + 0.5 * (corners - middle) - (0, 0.1, 0), [0.02, 0.02, 0.02], 0.7, 0.006, (name,)
        )
        draw.tint(
            [
                corners[2],
                corners[3],
                0.6 * corners[3] + 0.4 * corners[0],
                0.8 * corners[2] + 0.2 * corners[1],
            ],
            self.sky,
            0.55,
            0.006,
            (name,),
        )

    def disc(self, x, depth, share=1.0):
        circle = ellipse(x, self.wheel, self.wheel * share, self.wheel * share)
        return np.column_stack([circle, np.full(len(circle), depth)])

    def wheels(self):
        rng, draw = self.rng, self.draw
        metal, spokes = rng.uniform(0.45, 0.85), rng.integers(5, 9)
        for x in AXLES:
            arch = self.disc(x, HALF, 1.13)
            draw.tint(arch, self.dark, 1.0, 0.001, over=PAINTED + ('running board',))
            draw.part('tire', self.disc(x, HALF), self.dark * 1.3)
            draw.part('wheel hub', self.disc(x, HALF, 0.64), np.full(3, metal))
            for t in np.linspace(0, 2 * np.pi, spokes, endpoint=False) + rng.uniform(0, 1):
                ray = np.array([(x, self.wheel, HALF)] * 2)
                ray[:, 0] += np.array([0.14, 0.54]) * self.wheel * np.cos(t)
                ray[:, 1] += np.array([0.14, 0.54]) * self.wheel * np.sin(t)
                draw.tint(ray, self.dark, 0.85, 0.001, over=('wheel hub',), width=0.009)

    def mirror(self):
        x, y = self.corners['cowl'][0] - 0.3, self.belt + 0.1
        box = ellipse(x, y, 0.13, 0.1)
        for depth, shade in ((1.04, 0.6), (1.2, 1.0)):
            self.draw.part(
                'mirror',
                np.column_stack([box, np.full(len(box), HALF * depth)]),
                self.colour * shade,
            )
