"""The plan of a street: widths, lanes, a crossing, and its ground.

The camera looks along +z from x = 0, the middle of its own lane. Traffic keeps
to the right.
"""

import numpy as np

from . import colours
from .ground import Kerb, Marking, Rails, Scar, Strip, crosswalk, lane_lines, lawn, road_surface
from .textures import pavement
from .thing import KERB

BEHIND = -6.0  # z where the plan starts, a little behind the camera
TRAM_BED = 3.4


class Street:
    def __init__(self, rng):
        self.lane = rng.uniform(2.9, 3.6)
        self.oncoming = int(rng.choice([1, 2], p=[0.75, 0.25]))
        self.own = int(rng.choice([1, 2], p=[0.75, 0.25]))
        self.tram = rng.random() < 0.3
        self.parking = {side: 2.2 * (rng.random() < 0.6) for side in (-1, 1)}
        if self.tram:
            self.parking[-1] = 0.0
        self.edges = {
            -1: -(0.5 + self.oncoming) * self.lane - self.parking[-1],
            1: (self.own - 0.5) * self.lane + self.parking[1],
        }
        self.bed = {-1: TRAM_BED if self.tram else 0.0, 1: 0.0}
        self.verge = {side: rng.uniform(1.2, 3.0) * (rng.random() < 0.45) for side in (-1, 1)}
        self.walk = {side: rng.uniform(2.4, 5.0) for side in (-1, 1)}
        self.end = rng.uniform(90, 150)
        self.crossing = None
        if rng.random() < 0.6:
            start = rng.uniform(17, 48)
            self.crossing = (start, start + rng.uniform(7, 10))
        self.zebra = self.crossing is not None and rng.random() < 0.75

    def kerb(self, side, out=0.0):
        """Return x at ``out`` metres outside the kerb, beyond any tram track."""
        return self.edges[side] + side * (self.bed[side] + out)

    def face(self, side):
        """Return x where the lots begin."""
        return self.kerb(side, self.verge[side] + self.walk[side])

    def stretches(self):
        """Return the z ranges before and after the crossing."""
        if self.crossing is None:
            return [(BEHIND, self.end)]
        start, stop = self.crossing
        return [(BEHIND, start), (stop, self.end)]

    def lane_middles(self):
        """Return (x, heading) of every lane. The camera's lane is the first."""
        own = [(i * self.lane, 0.0) for i in range(self.own)]
        return own + [((-1 - i) * self.lane, np.pi) for i in range(self.oncoming)]

    def ground(self, rng):
        """Return the pieces of ground in painting order."""
        far = 900.0
        left, right = self.edges[-1], self.edges[1]
        road = road_surface(rng, 'road')
        pieces = [lawn(rng, -600, BEHIND, 600, far)]
        for side in (-1, 1):
            pieces += self._side(rng, side)
        pieces.append(Strip('road', left, BEHIND, right, far, road, 0.0))
        kerb_colour = colours.paving(rng) * 1.1
        for z0, z1 in self.stretches():
            for side in (-1, 1):
                x = self.edges[side]
                pieces.append(Kerb((x, z0), (x, z1), kerb_colour))
        if self.crossing:
            z0, z1 = self.crossing
            pieces.append(Strip('road', -200, z0, 200, z1, road, 0.0))
            pieces += [
                Kerb((-200, z1), (left, z1), kerb_colour),
                Kerb((right, z1), (200, z1), kerb_colour),
            ]
        return pieces + self._parking(rng) + self._marks(rng)

    def _side(self, rng, side):
        surface = road_surface(rng, 'sidewalk')
        pieces = []
        for z0, z1 in self.stretches():
            a, b = sorted((self.edges[side], self.face(side)))
            pieces.append(Strip('sidewalk', a, z0, b, z1, surface))
            if self.verge[side]:
                a, b = self.kerb(side, 0.15), self.kerb(side, self.verge[side])
                pieces.append(lawn(rng, a, z0, b, z1))
            if self.bed[side]:
                a, b = sorted((self.edges[side], self.kerb(side)))
                bed = pavement(rng, colours.paving(rng) * 0.9, 0.6)
                pieces.append(Strip('rail track', a, z0, b, z1, bed))
                pieces.append(Rails((a + b) / 2, z0, z1, KERB))
        if self.crossing:
            z0, z1 = self.crossing
            for a, b in ((z0 - self.walk[side], z0), (z1, z1 + 2.5)):
                x = sorted((self.face(side), side * 200.0))
                pieces.append(Strip('sidewalk', x[0], a, x[1], b, surface))
        return pieces

    def _parking(self, rng):
        """Return parking lanes with a pavement of their own. Their class is not scored."""
        pieces = []
        for side in (-1, 1):
            if self.parking[side] and rng.random() < 0.35:
                surface = road_surface(rng, 'sidewalk')
                x = sorted((self.edges[side], self.edges[side] - side * self.parking[side]))
                pieces += [
                    Strip('parking', x[0], z0, x[1], z1, surface, 0.0)
                    for z0, z1 in self.stretches()
                ]
        return pieces

    def _marks(self, rng):
        left = self.edges[-1] + self.parking[-1]
        right = self.edges[1] - self.parking[1]
        count = self.own + self.oncoming
        marks = []
        for _ in range(int(rng.integers(2, 7))):
            tone = rng.uniform(0.2, 0.45) * np.ones(3)
            round_cover = rng.random() < 0.4
            size = (0.7, 0.7) if round_cover else rng.uniform((0.3, 0.5), (2.5, 6.0))
            marks.append(Scar(rng.uniform(left + 1, right - 1), rng.uniform(4, 40), *size, tone))
        xs = [left + 0.2 + i * self.lane for i in range(count + 1)]
        xs[-1] = right - 0.2
        for z0, z1 in self.stretches():
            last = z1 - 7 if self.crossing and z1 < self.end else z1
            marks += lane_lines(rng, xs, z0, last)
        if self.zebra:
            z = self.crossing[0] - 4.2
            marks += crosswalk(rng, self.edges[-1], self.edges[1], z)
            marks.append(Marking(rng, -self.lane / 2, z - 1.6, right, z - 1.2))
            marks += crosswalk(rng, self.edges[-1], self.edges[1], self.crossing[1] + 1)
        return marks
