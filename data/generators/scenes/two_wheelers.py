"""Bicycles and motorcycles, parked or ridden."""

import numpy as np

from . import colours
from .canvas import Face, on_plane
from .furniture import disc
from .mesh import Frame
from .people import Clothes, Figure, limb
from .thing import Thing

RUBBER = np.array([0.07, 0.07, 0.07])


def ring(s, t, radius, thickness):
    """Return a wheel rim as four arcs. Each arc is a simple polygon."""
    arcs = []
    for start in range(4):
        turns = np.linspace(start, start + 1.05, 7) * np.pi / 2
        outer = np.stack([np.cos(turns), np.sin(turns)], 1)
        arc = np.vstack([outer * radius, outer[::-1] * (radius - thickness)])
        arcs.append(arc + (s, t))
    return arcs


class TwoWheeler(Thing):
    """A two-wheeler. ``kind`` is 'bicycle' or 'motorcycle'; ``ridden`` adds a rider.

    A camera that looks along its heading sees its front or back, any other
    camera sees its side.
    """

    def __init__(self, rng, kind, x, z, heading, ridden, y=0.0):
        self.frame = Frame(x, y, z, heading)
        ends = self.frame.world([(-0.35, 0, -0.95), (0.35, 1.75, 0.95)])
        super().__init__(ends.min(0), ends.max(0))
        self.kind = kind
        self.colour = colours.body_paint(rng)
        self.seat_colour = colours.cloth(rng) * 0.4
        self.radius = 0.34 if kind == 'bicycle' else 0.3
        self.basket = rng.random() < 0.4
        self.clothes = Clothes(rng, 0.9 if kind == 'motorcycle' else 0.5)
        self.rider_height = rng.uniform(1.6, 1.85) if ridden else None
        self.pedal = rng.uniform(0, 2 * np.pi)

    def cast_shadow(self, canvas):
        super().cast_shadow(canvas)
        flat = self.frame.world([(-0.2, 0, -0.8), (0.2, 0, -0.8), (0.2, 0, 0.8), (-0.2, 0, 0.8)])
        canvas.add_shadow(flat, 0.8)

    def draw(self, canvas):
        eye = self.frame.local(canvas.camera.position)
        along = abs(eye[2]) / np.hypot(eye[0], eye[2])
        if along > 0.93:
            plane = canvas.camera.facing_plane(*self.frame.origin)
            parts = self._end_on(eye[2] > 0)
            figure = self._rider_end_on(eye[2] < 0)
        else:
            plane = self.frame.side_plane(0)
            parts = self._side_on()
            figure = self._rider_side_on()
        sun_side = float(canvas.light.sun_direction @ np.array(plane.u))
        faces = []
        for outline, colour in parts:
            faces.append(Face(on_plane(plane, outline), colour))
        canvas.draw(self.kind, faces)
        if self.rider_height:
            canvas.draw('rider', figure.faces(plane, sun_side), base=self.clothes.top * 0.6)

    def _side_on(self):
        r = self.radius
        if self.kind == 'bicycle':
            return self._bicycle_side(r)
        c, dark = self.colour, self.colour * 0.4
        parts = []
        for s in (-0.66, 0.68):
            parts.append((disc(s, r, r), RUBBER))
            parts.append((disc(s, r, 0.6 * r), (0.4, 0.4, 0.42)))
            parts.append((disc(s, r, 0.35 * r), RUBBER))
        parts += [
            (limb((0.68, r), (0.42, 0.92), 0.09, 0.07), (0.5, 0.5, 0.52)),
            (limb((-0.66, r), (0.05, 0.45), 0.12, 0.14), dark),
            (
                np.array([(-0.3, 0.25), (0.32, 0.25), (0.4, 0.62), (-0.32, 0.62)]),
                (0.22, 0.22, 0.23),
            ),
            (limb((-0.6, 0.3), (0.1, 0.26), 0.09, 0.07), (0.55, 0.55, 0.56)),
            (
                np.array(
                    [
                        (-0.9, 0.72),
                        (-0.3, 0.58),
                        (0.3, 0.6),
                        (0.52, 0.9),
                        (0.3, 1.0),
                        (0.0, 0.92),
                        (-0.15, 0.8),
                        (-0.8, 0.86),
                    ]
                ),
                c,
            ),
            (limb((-0.6, 0.86), (-0.05, 0.84), 0.12, 0.12), self.seat_colour),
            (np.array([(0.42, 0.75), (0.66, 0.82), (0.5, 1.12), (0.36, 1.05)]), c * 0.9),
            (limb((0.36, 1.02), (0.2, 1.08), 0.05, 0.05), RUBBER),
            (disc(0.62, 0.86, 0.08, 10), (0.9, 0.9, 0.8)),
            (limb((0.6, 2 * r + 0.04), (0.84, 2 * r - 0.06), 0.07, 0.05), c),
        ]
        return parts

    def _bicycle_side(self, r):
        c = self.colour
        crank, seat, bars = (-0.05, 0.3), (-0.2, 0.92), (0.42, 1.0)
        parts = []
        for s in (-0.52, 0.54):
            parts.append((disc(s, r, r), None))
            parts += [(arc, RUBBER) for arc in ring(s, r, r, 0.055)]
            for turn in np.arange(4) * np.pi / 4 + 0.2:
                end = np.array([np.cos(turn), np.sin(turn)]) * (r - 0.05)
                hub = np.array([s, r])
                parts.append((limb(hub - end, hub + end, 0.012, 0.012), (0.55, 0.55, 0.55)))
        tubes = [
            (crank, seat),
            (crank, (0.36, 0.78)),
            ((-0.17, 0.78), (0.35, 0.84)),
            ((-0.52, r), crank),
            ((-0.52, r), (-0.16, 0.74)),
            ((0.54, r), bars),
        ]
        parts += [(limb(a, b, 0.05, 0.05), c) for a, b in tubes]
        parts += [
            (disc(*crank, 0.1, 12), (0.3, 0.3, 0.3)),
            (limb((-0.32, 0.96), (-0.08, 0.95), 0.09, 0.05), self.seat_colour),
            (limb(bars, (0.3, 1.06), 0.05, 0.05), RUBBER),
            (np.array([(-0.12, 0.33), (-0.1, 0.78), (0.34, 0.8)]), None),
        ]
        if self.basket:
            parts.append((np.array([(0.5, 0.8), (0.82, 0.8), (0.88, 1.05), (0.46, 1.05)]), c * 0.6))
        return parts

    def _end_on(self, front):
        r, c = self.radius, self.colour
        if self.kind == 'bicycle':
            parts = [
                (limb((0, 0.04), (0, 2 * r), 0.06, 0.06), RUBBER),
                (limb((0, 2 * r), (0, 0.98), 0.05, 0.05), c),
                (limb((-0.28, 1.03), (0.28, 1.03), 0.04, 0.04), RUBBER),
                (limb((-0.14, 0.3), (0.14, 0.3), 0.05, 0.05), RUBBER),
            ]
            if front and self.basket:
                parts.append(
                    (np.array([(-0.17, 0.76), (0.17, 0.76), (0.2, 1.0), (-0.2, 1.0)]), c * 0.6)
                )
            if not front:
                parts.append((limb((-0.06, 0.94), (0.06, 0.94), 0.09, 0.09), self.seat_colour))
                parts.append((disc(0, 0.72, 0.05, 8), (0.8, 0.1, 0.08)))
            return parts
        parts = [
            (limb((0, 0.08), (0, 0.6), 0.15, 0.14), RUBBER),
            (
                np.array(
                    [
                        (-0.2, 0.35),
                        (0.2, 0.35),
                        (0.26, 0.85),
                        (0.16, 1.1),
                        (-0.16, 1.1),
                        (-0.26, 0.85),
                    ]
                ),
                c,
            ),
            (limb((-0.4, 1.04), (0.4, 1.04), 0.06, 0.06), RUBBER),
        ]
        for side in (-1, 1):
            parts.append((disc(side * 0.42, 1.18, 0.07, 10), (0.2, 0.2, 0.21)))
        if front:
            parts.append((disc(0, 0.85, 0.11, 12), (0.95, 0.95, 0.85)))
        else:
            parts.append((limb((-0.12, 0.75), (0.12, 0.75), 0.09, 0.09), (0.75, 0.08, 0.06)))
            parts.append(
                (
                    np.array([(-0.1, 0.48), (0.1, 0.48), (0.1, 0.62), (-0.1, 0.62)]),
                    (0.85, 0.85, 0.8),
                )
            )
        return parts

    def _rider_side_on(self):
        if not self.rider_height:
            return None
        figure = Figure(self.clothes, self.rider_height, 1, False)
        k = figure.k
        if self.kind == 'bicycle':
            hip, neck, hand = (-0.2, 1.0), (0.1, 1.0 + 0.52 * k), (0.34, 1.06)
            for turn in (self.pedal + np.pi, self.pedal):
                foot = (-0.05 + 0.15 * np.cos(turn), 0.32 + 0.15 * np.sin(turn))
                knee = (0.2 + 0.08 * np.cos(turn), 0.78 + 0.1 * np.sin(turn))
                figure.leg(hip, knee, foot)
        else:
            hip, neck, hand = (-0.3, 0.92), (-0.12, 0.92 + 0.52 * k), (0.22, 1.08)
            figure.leg(hip, (0.14, 0.78), (-0.05, 0.34))
        figure.torso(hip, neck)
        elbow = ((neck[0] + hand[0]) / 2 + 0.02, neck[1] - 0.32 * k)
        figure.arm((neck[0] - 0.02, neck[1] - 0.06), elbow, hand)
        figure.head((neck[0] + 0.07, neck[1] + 0.2 * k))
        return figure

    def _rider_end_on(self, back):
        if not self.rider_height:
            return None
        figure = Figure(self.clothes, self.rider_height, 0, back)
        k = figure.k
        seat = 1.0 if self.kind == 'bicycle' else 0.88
        wide = 0.14 if self.kind == 'bicycle' else 0.26
        lift = 0.15 * np.sin(self.pedal)
        if self.kind == 'motorcycle':
            lift = 0.0
        for side in (-1, 1):
            figure.leg(
                (side * 0.1, seat),
                (side * wide * 1.3, 0.72 + side * lift * 0.5),
                (side * wide, 0.34 + side * lift),
            )
        neck = (0, seat + 0.5 * k)
        for side in (-1, 1):
            figure.arm(
                (side * 0.18 * k, neck[1] - 0.05),
                (side * 0.34 * k, neck[1] - 0.25),
                (side * 0.3, 1.05),
            )
        figure.torso((0, seat), neck)
        figure.head((0, neck[1] + 0.21 * k))
        return figure
