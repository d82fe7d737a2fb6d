"""Lots along the street: houses, gardens, parks, yards and railways."""

import numpy as np

from .barriers import Fence, Wall
from .buildings import Building
from .furniture import Pole
from .ground import lawn
from .large_vehicles import Train
from .plants import Bush, Hedge, Tree, Woods

DISTRICTS = {
    'centre': dict(building=0.78, park=0.08, walled=0.07, fenced=0.07),
    'suburb': dict(house=0.6, building=0.08, park=0.1, walled=0.12, fenced=0.1),
    'works': dict(building=0.3, walled=0.3, fenced=0.2, park=0.08, railway=0.12),
    'green': dict(park=0.5, house=0.2, walled=0.14, fenced=0.16),
}


class Lots:
    """Fills both sides of the street with lots.

    ``ground`` collects the lawns, ``things`` all that stands on the ground.
    """

    def __init__(self, rng, street):
        self.rng = rng
        self.street = street
        self.ground = []
        self.things = []
        names = list(DISTRICTS)
        self.district = DISTRICTS[names[rng.choice(4, p=[0.4, 0.25, 0.2, 0.15])]]
        self.shops = rng.uniform(0.1, 0.8)

    def fill(self):
        for side in (-1, 1):
            for z0, z1 in self.street.stretches():
                self._stretch(side, z0, z1)

    def _stretch(self, side, z, stop):
        rng = self.rng
        if z > 0:
            z += 2.5
        elif stop < self.street.end:
            stop -= self.street.walk[side]
        while z < stop - 4:
            kind = str(rng.choice(list(self.district), p=list(self.district.values())))
            length = rng.uniform(9, 20)
            if kind == 'railway':
                length = rng.uniform(34, 50)
            end = min(z + length, stop)
            getattr(self, '_' + kind)(side, z, end)
            z = end

    def _plan(self, side, near, far):
        """Return the x range between two distances from the front of the lots."""
        face = self.street.face(side)
        return sorted((face + side * near, face + side * far))

    def _building(self, side, z0, z1, near=0.0, height=None):
        rng = self.rng
        x0, x1 = self._plan(side, near, near + rng.uniform(9, 14))
        gap = rng.uniform(0.5, 3) if rng.random() < 0.25 else 0.0
        self.things.append(
            Building(rng, (x0, z0), (x1, z1 - gap), height or rng.uniform(7, 21), self.shops)
        )

    def _house(self, side, z0, z1):
        rng = self.rng
        depth = rng.uniform(2.5, 5)
        self._lawn(side, z0, z1, depth)
        self._front(side, z0, z1)
        x0, x1 = self._plan(side, depth, depth + rng.uniform(7, 10))
        a = z0 + rng.uniform(0.5, 2)
        b = max(a + 5, z1 - rng.uniform(1, 3))
        self.things.append(
            Building(rng, (x0, a), (x1, b), rng.uniform(3.6, 6.6), 0.0, rng.uniform(2, 3.4))
        )
        if rng.random() < 0.6:
            self._plant(side, z0, z1, 1.0, depth - 0.5)

    def _park(self, side, z0, z1):
        rng = self.rng
        self._lawn(side, z0, z1, 45)
        if rng.random() < 0.4:
            self._front(side, z0, z1)
        for near in (2, 8, 15, 24):
            for _ in range(int(rng.integers(1, 3))):
                self._plant(side, z0, z1, near, near + 5)

    def _walled(self, side, z0, z1):
        rng = self.rng
        x0, x1 = self._plan(side, 0, 0.3)
        self.things.append(Wall(rng, x0, z0, x1, z1, rng.uniform(1.6, 3.6)))
        self._behind(side, z0, z1)

    def _fenced(self, side, z0, z1):
        rng = self.rng
        x0, x1 = self._plan(side, 0, 0.1)
        self.things.append(Fence(rng, x0, z0, x1, z1, rng.uniform(1.3, 2.6)))
        self._behind(side, z0, z1)

    def _railway(self, side, z0, z1):
        rng = self.rng
        if z1 - z0 < 22:
            self._fenced(side, z0, z1)
            return
        x0, x1 = self._plan(side, 0, 0.1)
        self.things.append(Fence(rng, x0, z0, x1, z1, rng.uniform(1.0, 1.4)))
        x = self.street.face(side) + side * 3.4
        if rng.random() < 0.85:
            heading = rng.choice([0.0, np.pi])
            self.things.append(Train(rng, x, (z0 + z1) / 2, heading, 0.3, z1 - z0 - 6))
        for z in np.arange(z0 + 4, z1, 16):
            self.things.append(Pole(rng, x + side * 3, z, 7.0, 0.12, arm=-side * 2.6))
        self._behind(side, z0, z1, 7)

    def _behind(self, side, z0, z1, near=2.0):
        rng = self.rng
        self._lawn(side, z0, z1, 30)
        if rng.random() < 0.6:
            self._building(side, z0, z1, near + rng.uniform(2, 6), rng.uniform(5, 14))
        if rng.random() < 0.7:
            self._plant(side, z0, z1, near, near + 2)

    def _front(self, side, z0, z1):
        """Add the border between a garden and the street: a fence, a wall, a hedge or nothing."""
        rng = self.rng
        kind = str(rng.choice(['fence', 'wall', 'hedge', 'open'], p=[0.35, 0.25, 0.25, 0.15]))
        height = rng.uniform(0.9, 1.7)
        if kind == 'fence':
            x0, x1 = self._plan(side, 0, 0.08)
            self.things.append(Fence(rng, x0, z0, x1, z1, height))
        elif kind == 'wall':
            x0, x1 = self._plan(side, 0, 0.3)
            self.things.append(Wall(rng, x0, z0, x1, z1, height))
        elif kind == 'hedge':
            x0, x1 = self._plan(side, 0, 0.8)
            self.things.append(Hedge(rng, x0, z0, x1, z1, height))

    def _lawn(self, side, z0, z1, depth):
        x0, x1 = self._plan(side, 0, depth)
        self.ground.append(lawn(self.rng, x0, z0, x1, z1))

    def _plant(self, side, z0, z1, near, far):
        rng = self.rng
        x = self.street.face(side) + side * rng.uniform(near, far)
        z = rng.uniform(z0, z1)
        if z < 3:
            return
        if rng.random() < 0.3:
            self.things.append(Bush(rng, x, z, rng.uniform(0.8, 2.0)))
        else:
            self.things.append(Tree(rng, x, z, rng.uniform(5, 11)))


def backdrop(rng, street):
    """Return the things at the end of the street: woods or a row of houses."""
    if rng.random() < 0.5:
        return [Woods(rng, street.end + 20, 260, rng.uniform(8, 16))]
    things = []
    x = -130.0
    while x < 130:
        width = rng.uniform(12, 30)
        z = street.end + rng.uniform(10, 40)
        things.append(Building(rng, (x, z), (x + width, z + 12), rng.uniform(7, 24)))
        x += width
    return things
