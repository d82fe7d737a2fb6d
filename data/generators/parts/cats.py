"""Cats in the 16 parts of CatsDataset. They sit or stand and look at the camera."""

import numpy as np
from afno_mm.datasets.datasetgan import CatsDataset

from .canvas import Canvas, curve, ellipse

TORSO = ('back', 'belly', 'chest', 'neck')
FUR = TORSO + ('leg', 'paw', 'head', 'ear', 'tail', 'mouth')
SIDES = (-1, 1)


def paint_cat(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Paint one cat. Return the picture (size, size, 3) and its labels (size, size), uint8."""
    return Cat(rng, size).paint()


class Cat:
    """A cat in its own coordinates: x in the direction it faces, y down, about 1.6 high."""

    def __init__(self, rng, size):
        self.rng = rng
        self.sits = rng.random() < 0.6
        scale, tilt = rng.uniform(0.54, 0.6) - 0.06 * (not self.sits), rng.normal(0, 0.05)
        centre = rng.uniform(-0.04, 0.04, 2) + (0.5, 0.6 if self.sits else 0.55)
        turn = scale * np.array([[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]])
        turn[0] *= rng.choice([-1, 1])
        self.draw = Canvas(size, CatsDataset.METAINFO['classes'], rng, lambda p: p @ turn + centre)
        furs = (
            (0.75, 0.45, 0.2),
            (0.5, 0.47, 0.45),
            (0.13, 0.12, 0.12),
            (0.85, 0.8, 0.72),
            (0.45, 0.33, 0.24),
            (0.62, 0.56, 0.5),
        )
        self.colour = np.array(furs[rng.integers(6)]) * rng.uniform(0.8, 1.15)
        self.white = np.array([0.9, 0.88, 0.84]) if rng.random() < 0.5 else self.colour * 1.12
        self.stripes = rng.choice([0, rng.uniform(0.3, 0.6)])

    def fur(self, colour):
        """Return a fur texture (H, W, 3) in this colour. A striped cat gets tabby stripes."""
        draw = self.draw
        hair = 1 + 0.09 * draw.noise(120, 60) + 0.07 * draw.noise(30, 30)
        x, y = draw.grid()
        waves = np.sin(55 * (x + 0.03 * draw.noise(5, 5)) + 14 * y)
        return colour * (hair * (1 - self.stripes * np.clip(2 * waves - 0.4, 0, 1)))[..., None]

    def furry(self, outline, depth=0.012):
        """Return the outline with random tufts."""
        outline = np.asarray(outline, float)
        tufts = self.rng.uniform(-1, 1, (len(outline), 1)) * depth
        middle = outline.mean(0)
        away = outline - middle
        return outline + tufts * away / (np.linalg.norm(away, axis=1, keepdims=True) + 1e-6)

    def part(self, name, outline, colour, over=None):
        self.draw.part(name, self.furry(outline), colour, over)

    def shade(self, outline, strength=0.5, over=FUR, width=None):
        self.draw.tint(outline, self.colour * 0.25, strength, 0.015, over, width)

    def paint(self):
        self.room()
        self.coat, self.pale = self.fur(self.colour), self.fur(self.white)
        if self.sits:
            self.sit()
        else:
            self.stand()
        self.head()
        self.sun()
        return self.draw.photo()

    def room(self):
        """Paint the background, and a floor with planks and grain."""
        rng, draw = self.rng, self.draw
        draw.background(blur=rng.uniform(0.008, 0.025))
        floor, edge = rng.uniform(0.15, 0.8, 3), rng.uniform(0.1, 0.5)
        x, y = draw.grid()
        planks = 1 - 0.12 * (np.sin(2 * np.pi * rng.integers(3, 12) * (y + 0.1 * x)) > 0.9)
        grain = planks * (1 + 0.05 * draw.noise(200, 40) + 0.05 * draw.noise(6, 6))
        box = np.array([(-3, edge), (3, edge), (3, 3), (-3, 3)])
        draw.part('background', box, floor * grain[..., None])

    def sit(self):
        rng, wide = self.rng, self.rng.uniform(0.9, 1.1)
        self.neck = np.array([rng.uniform(0.0, 0.1), -0.36])
        shadow = ellipse(-0.05, 0.6, 0.5, 0.08)
        self.draw.tint(shadow, np.zeros(3), 0.6, 0.02)
        tip = rng.uniform(0.1, 0.4)
        tail = curve([(-0.3, 0.52), (-0.52, 0.56), (-0.5 + tip * 0.3, 0.66), (-0.05 + tip, 0.66)])
        self.tail(tail)
        body = curve(
            np.array(
                [
                    (-0.02, -0.3),
                    (0.18, -0.12),
                    (0.24, 0.2),
                    (0.26, 0.5),
                    (0.05, 0.6),
                    (-0.32, 0.58),
                    (-0.42, 0.35),
                    (-0.33, 0.0),
                    (-0.18, -0.22),
                ]
            )
            * (wide, 1),
            closed=True,
        )
        self.part('back', body, self.coat)
        self.part('belly', ellipse(0.04, 0.36, 0.24, 0.24), self.pale, TORSO)
        self.part('chest', ellipse(0.08, 0.03, 0.17, 0.26), self.pale, TORSO)
        self.collar((-0.15, -0.3), (0.2, -0.3))
        self.part('leg', ellipse(-0.24, 0.4, 0.18, 0.2, 0.3), self.coat)
        self.shade(ellipse(-0.24, 0.4, 0.18, 0.2, 0.3, 3.3, 5.8), 0.7, width=0.01)
        self.paw(-0.12, 0.58)
        for x in (0.0, 0.2):
            self.leg(x, 0.12, x + rng.uniform(-0.02, 0.03), 0.55)

    def stand(self):
        rng = self.rng
        self.neck = np.array([0.52, rng.uniform(-0.32, -0.26)])
        self.draw.tint(ellipse(0.0, 0.6, 0.65, 0.07), np.zeros(3), 0.6, 0.02)
        up = rng.uniform(-0.75, -0.1)
        self.tail(curve([(-0.5, -0.02), (-0.7, -0.15), (-0.74, up * 0.6), (-0.62, up)]))
        step = rng.uniform(-0.1, 0.1, 4)
        for k, x in enumerate((0.42, -0.36)):
            self.leg(x, 0.12, x + 0.06 + step[k], 0.54, 0.8)
        body = curve(
            [
                (0.5, -0.25),
                (0.56, 0.02),
                (0.42, 0.22),
                (0.1, 0.27),
                (-0.25, 0.22),
                (-0.5, 0.2),
                (-0.56, 0.0),
                (-0.42, -0.14),
                (0.0, -0.13),
                (0.3, -0.2),
            ],
            closed=True,
        )
        self.part('back', body, self.coat)
        self.part('belly', ellipse(-0.02, 0.24, 0.36, 0.12), self.pale, TORSO)
        self.part('chest', ellipse(0.5, 0.06, 0.17, 0.24, 0.2), self.pale, TORSO)
        self.collar((0.3, -0.28), (0.6, -0.2))
        self.part('leg', ellipse(-0.42, 0.12, 0.14, 0.2, 0.2), self.coat)
        self.shade(ellipse(-0.42, 0.12, 0.14, 0.2, 0.2, 4.5, 6.5), 0.6, width=0.01)
        for k, x in enumerate((0.36, -0.42)):
            self.leg(x, 0.12, x + step[k + 2], 0.57)

    def collar(self, left, right):
        """Paint the neck: the part of the torso between the head and two points."""
        (x0, y0), (x1, y1) = left, right
        band = curve(
            [
                (x0, y0 - 0.2),
                (x1, y1 - 0.2),
                (x1, y1 + 0.12),
                ((x0 + x1) / 2, y0 + 0.22),
                (x0, y0 + 0.15),
            ],
            closed=True,
        )
        self.part('neck', band, self.coat, ('background', *TORSO))

    def tail(self, line):
        self.draw.part('tail', line, self.coat, width=self.rng.uniform(0.035, 0.055))
        self.shade(line + (0, 0.03), 0.4, ('tail',), width=0.012)

    def leg(self, x0, y0, x1, y1, shade=1.0):
        outline = curve(
            [
                (x0 - 0.085, y0),
                (x1 - 0.065, y1),
                (x1 + 0.065, y1),
                (x0 + 0.085, y0),
                (x0, y0 - 0.07),
            ],
            closed=True,
        )
        self.part('leg', outline, self.coat * shade)
        self.shade(np.array([(x0 - 0.08, y0), (x1 - 0.06, y1)]), 0.6, width=0.008)
        self.paw(x1 + 0.02, y1, shade)

    def paw(self, x, y, shade=1.0):
        self.part('paw', ellipse(x, y + 0.03, 0.1, 0.055), self.pale * shade)
        for toe in (-0.03, 0.03):
            self.shade(np.array([(x + toe, y + 0.03), (x + toe, y + 0.08)]), 0.9, ('paw',), 0.006)

    def head(self):
        rng, draw = self.rng, self.draw
        wide, look = rng.uniform(0.3, 0.34), rng.uniform(-0.05, 0.05)
        centre = self.neck + (0, -0.17)
        pink = np.array([0.85, 0.55, 0.52])
        for side in SIDES:
            foot = side * wide * 0.62
            ear = np.array([(foot - 0.12, -0.14), (foot + side * 0.1, -0.44), (foot + 0.12, -0.1)])
            self.part('ear', curve(ear + centre), self.coat)
            inner = ear.mean(0) + 0.5 * (ear - ear.mean(0)) + centre
            draw.tint(inner, pink * 0.8, 0.7, 0.006, ('ear',))
        face = curve(
            [
                (0, -0.25),
                (wide * 0.7, -0.2),
                (wide, 0.0),
                (wide * 0.85, 0.17),
                (wide * 0.4, 0.26),
                (-wide * 0.4, 0.26),
                (-wide * 0.85, 0.17),
                (-wide, 0.0),
                (-wide * 0.7, -0.2),
            ],
            closed=True,
        )
        self.part('head', face + centre, self.coat)
        self.shade(ellipse(*(centre + (0, 0.32)), wide * 0.8, 0.06), 0.7, TORSO)
        middle = centre + (look, 0.02)
        iris = np.array(
            [(0.75, 0.65, 0.15), (0.45, 0.6, 0.2), (0.3, 0.55, 0.75), (0.7, 0.42, 0.12)][
                rng.integers(4)
            ]
        )
        slit, tall = rng.uniform(0.018, 0.045), rng.uniform(0.05, 0.064)
        for side in SIDES:
            x, y = middle + (side * 0.135, -0.03)
            draw.part('limbus', ellipse(x, y, 0.088, tall + 0.024, side * 0.2), [0.06, 0.05, 0.05])
            draw.part('eye', ellipse(x, y, 0.068, tall, side * 0.2), iris)
            draw.tint(ellipse(x, y, slit, tall * 0.85), np.zeros(3), 1.0, 0.001, ('eye',))
            draw.tint(ellipse(x - 0.02, y - 0.02, 0.013, 0.013), np.ones(3), 0.9, 0.001, ('eye',))
        x, y = middle + (0, 0.14)
        for side in SIDES:
            self.part(
                'mouth', ellipse(x + side * 0.055, y, 0.08, 0.065), self.pale, ('head', 'mouth')
            )
        if rng.random() < 0.6:
            draw.part(
                'mouth', ellipse(x, y + 0.065, 0.055, 0.04), [0.3, 0.1, 0.1], ('head', 'mouth')
            )
            draw.part('tongue', ellipse(x, y + 0.085, 0.038, 0.045), pink * (1.05, 0.8, 0.85))
        smile = curve(
            [
                (x - 0.09, y + 0.05),
                (x - 0.04, y + 0.065),
                (x, y + 0.02),
                (x + 0.04, y + 0.065),
                (x + 0.09, y + 0.05),
            ]
        )
        draw.tint(smile, np.zeros(3), 0.7, 0.002, ('mouth', 'head'), width=0.006)
        nose = curve([(x - 0.05, y - 0.07), (x + 0.05, y - 0.07), (x, y - 0.005)], closed=True)
        draw.part('nose', nose, pink * rng.uniform(0.4, 0.95))
        for side in SIDES:
            for k in range(3):
                out, up = rng.uniform(0.32, 0.42), 0.075 * k - 0.09 + rng.uniform(-0.02, 0.02)
                hair = [(0.09, 0.025 * k - 0.015), (0.22, up - 0.03), (out, up)]
                draw.part(
                    'whiskers', curve(hair) * (side, 1) + (x, y), [0.95, 0.95, 0.92], width=0.0065
                )

    def sun(self):
        """Light the cat from above and one side."""
        rng = self.rng
        x, y = self.draw.grid()
        lit = 1.12 - rng.uniform(0.2, 0.5) * y + rng.uniform(-0.35, 0.35) * (x - 0.5)
        self.draw.light(
            lit.astype(np.float32),
            over=[n for n in self.draw.ids if n not in ('background', 'whiskers')],
        )
