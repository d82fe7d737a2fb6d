"""Things on the street: traffic, parked vehicles, people, furniture."""

import numpy as np

from .barriers import Overpass, Pillar
from .furniture import Box, Gantry, Pole, Sign, TrafficLight
from .large_vehicles import Bus, Train, Truck
from .people import Person
from .plants import Bush, Tree
from .thing import KERB
from .two_wheelers import TwoWheeler
from .vehicles import Car


def moving_vehicle(rng, x, z, heading):
    kind = str(
        rng.choice(
            ['car', 'truck', 'bus', 'bicycle', 'motorcycle'], p=[0.44, 0.12, 0.12, 0.16, 0.16]
        )
    )
    if kind in ('bicycle', 'motorcycle'):
        return TwoWheeler(rng, kind, x + rng.uniform(-0.5, 0.9), z, heading, True)
    return {'car': Car, 'truck': Truck, 'bus': Bus}[kind](rng, x, z, heading)


def lane_traffic(rng, street):
    things = []
    for i, (x, heading) in enumerate(street.lane_middles()):
        z = rng.uniform(10, 26) if i == 0 else rng.uniform(7, 22)
        while z < 80:
            vehicle = moving_vehicle(
                rng, x + rng.uniform(-0.25, 0.25), z, heading + rng.uniform(-0.02, 0.02)
            )
            start, stop = vehicle.box[:, 2]
            clear = 9 if vehicle.box[1, 1] > 2.5 else 5.5
            if start > clear and not on_crossing(street, start, stop):
                things.append(vehicle)
                z += (stop - start) / 2
            z += rng.uniform(7, 26)
    return things


def near_crossing(street, z, margin):
    if street.crossing is None:
        return False
    start, stop = street.crossing
    return start - margin < z < stop + margin


def on_crossing(street, start, stop):
    """Return True if a range of z overlaps the crossing or its zebras."""
    if street.crossing is None:
        return False
    return start < street.crossing[1] + 4.5 and stop > street.crossing[0] - 4.5


def cross_traffic(rng, street):
    """Return vehicles that cross the view, two-wheelers with riders among them."""
    if street.crossing is None:
        return []
    start, stop = street.crossing
    things = []
    for z, heading in ((start + 2.2, np.pi / 2), (stop - 2.2, -np.pi / 2)):
        if rng.random() < 0.6:
            x = rng.uniform(2 if street.tram else -11, 12)
            kind = str(
                rng.choice(
                    ['car', 'truck', 'bus', 'bicycle', 'motorcycle'], p=[0.25, 0.2, 0.2, 0.2, 0.15]
                )
            )
            if kind in ('bicycle', 'motorcycle'):
                things.append(TwoWheeler(rng, kind, x, z, heading, True))
            else:
                big = {'car': Car, 'truck': Truck, 'bus': Bus}[kind]
                things.append(big(rng, x, z, heading))
    return things


def trains(rng, street):
    things = []
    if street.tram and rng.random() < 0.85:
        x = (street.edges[-1] + street.kerb(-1)) / 2
        things.append(
            Train(rng, x, rng.uniform(22, 45), rng.choice([0.0, np.pi]), KERB, rng.uniform(16, 26))
        )
    if rng.random() < 0.12:
        z = rng.uniform(48, 75)
        bridge = Overpass(rng, z)
        things.append(bridge)
        for side in (-1, 1):
            things.append(Pillar(rng, street.kerb(side, 0.9), z + 1, bridge.colour))
        if rng.random() < 0.8:
            things.append(
                Train(
                    rng,
                    rng.uniform(-15, 15),
                    z + 3,
                    np.pi / 2,
                    Overpass.deck[1],
                    rng.uniform(25, 45),
                )
            )
    return things


def parked(rng, street):
    things = []
    for side in (-1, 1):
        if not street.parking[side]:
            continue
        x = street.edges[side] - side * 1.1
        heading = 0.0 if side > 0 else np.pi
        z = rng.uniform(4, 12)
        while z < 75:
            kind = str(
                rng.choice(['car', 'truck', 'motorcycles', 'free'], p=[0.56, 0.06, 0.12, 0.26])
            )
            if near_crossing(street, z, 9):
                z += 6
                continue
            if kind == 'car':
                things.append(Car(rng, x, z + 2.2, heading))
            elif kind == 'truck':
                things.append(Truck(rng, x, z + 5.5, heading))
                z += 6
            elif kind == 'motorcycles':
                for k in range(int(rng.integers(1, 4))):
                    things.append(
                        TwoWheeler(
                            rng,
                            'motorcycle',
                            x,
                            z + 0.8 + 1.1 * k,
                            rng.choice([-1, 1]) * np.pi / 2 + rng.uniform(-0.3, 0.3),
                            False,
                        )
                    )
            z += rng.uniform(5.3, 7.5)
    return things


def sidewalk_things(rng, street):
    """Return a row of trees and lamps at the kerb, and the furniture between them."""
    things = []
    for side in (-1, 1):
        row = street.kerb(side, 0.6)
        leafy = rng.random() < 0.7
        lamp = rng.uniform(5, 8)
        z = rng.uniform(5, 12)
        while z < street.end:
            if not near_crossing(street, z, 3):
                if leafy and rng.random() < 0.7:
                    things.append(Tree(rng, row, z, rng.uniform(5, 9)))
                elif rng.random() < 0.6:
                    things.append(Pole(rng, row, z, lamp, 0.09, -side * 1.6))
            z += rng.uniform(7, 14)
        things += _clutter(rng, street, side, row)
    return things


def _clutter(rng, street, side, row):
    things = []
    inner = street.verge[side] + street.walk[side] - 0.5
    for _ in range(int(rng.integers(1, 4))):
        things.append(Sign(rng, row - side * 0.1, rng.uniform(6.5, 38)))
    for _ in range(int(rng.integers(0, 4))):
        movable = rng.random() < 0.35
        x = street.kerb(side, rng.uniform(max(inner - 0.8, 0.8), inner))
        things.append(Box(rng, x, rng.uniform(5, 40), movable))
    if rng.random() < 0.75:
        z = rng.uniform(5, 26)
        kind, gap = ('bicycle', 0.7) if rng.random() < 0.65 else ('motorcycle', 1.1)
        for k in range(int(rng.integers(2, 6))):
            things.append(
                TwoWheeler(
                    rng,
                    kind,
                    street.kerb(side, 1.2),
                    z + gap * k,
                    rng.choice([-1, 1]) * np.pi / 2 + rng.uniform(-0.35, 0.35),
                    False,
                    KERB,
                )
            )
    if rng.random() < 0.3:
        z, gap = rng.uniform(4, 25), rng.uniform(1.4, 2.2)
        for k in range(6):
            things.append(Pole(rng, row - side * 0.2, z + gap * k, 0.95, 0.06))
    if rng.random() < 0.2:
        things.append(Bush(rng, street.kerb(side, inner), rng.uniform(6, 30), 0.9))
    return [t for t in things if not near_crossing(street, t.box.mean(0)[2], 2)]


def signals(rng, street):
    """Return traffic lights: at the crossing, or elsewhere for pedestrians.

    Sometimes there is also a gantry with direction signs.
    """
    things = []
    if street.crossing and rng.random() < 0.85:
        near, far = street.crossing[0] - 4.8, street.crossing[1] + 1
        for side in (-1, 1):
            arm = 0.0
            if side > 0 and rng.random() < 0.45:
                arm = -(street.edges[1] + 0.3)
            things.append(TrafficLight(rng, street.kerb(side, 0.5), near, arm))
            things.append(TrafficLight(rng, street.kerb(side, 0.5), far))
    else:
        for side in (-1, 1):
            z = rng.uniform(10, 24)
            if rng.random() < 0.8:
                things.append(TrafficLight(rng, street.kerb(side, 0.5), z))
    if rng.random() < 0.15:
        things.append(Gantry(rng, street.kerb(-1, 0.4), street.kerb(1, 0.4), rng.uniform(22, 45)))
    return things


def people(rng, street):
    things = []
    density = rng.uniform(2, 9)
    for side in (-1, 1):
        for _ in range(rng.poisson(density)):
            z = 4.5 + 40 * rng.beta(1, 1.7)
            if near_crossing(street, z, 0):
                continue
            reach = street.verge[side] + street.walk[side]
            x = street.kerb(side, rng.uniform(0.9, max(1.0, reach - 0.3)))
            things.append(Person(rng, x, z))
            if rng.random() < 0.35:
                things.append(Person(rng, x + rng.uniform(0.45, 0.6), z + 0.1))
    if street.zebra:
        for _ in range(rng.poisson(2.5)):
            x = rng.uniform(street.edges[-1], street.edges[1])
            z = street.crossing[0] - rng.uniform(1.6, 3.9)
            things.append(Person(rng, x, z, 0.0))
    return things
