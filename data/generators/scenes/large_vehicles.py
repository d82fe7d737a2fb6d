"""Trucks, buses and trains: boxes with colours from the same palette.

They differ in their wheels, in the gap behind a truck's cab, and in the rails below a train.
"""

import numpy as np

from . import colours
from .furniture import rectangle
from .mesh import Solid
from .textures import glossy, mix, stripes
from .vehicles import GLASS, Vehicle


class Livery:
    """Paint of the side of a box: body colour, a coloured band, ribs, windows and doors.

    s runs forward, t up.
    """

    def __init__(self, rng, colour, height):
        self.colour = colour
        self.height = height
        self.band = colours.body_paint(rng)
        self.band_at = np.sort(rng.uniform(0.25, 0.95, 2)) * height
        self.ribs = rng.uniform(0.4, 1.4) if rng.random() < 0.6 else None
        self.windows = None
        self.doors = None

    def paint(self, light):
        shine = glossy(self.colour, light.haze, self.height)

        def paint(patch):
            result = shine(patch)
            low, high = self.band_at
            band = ((patch.t > low) & (patch.t < high)).astype(np.float32)
            result = mix(result, self.band, 0.85 * band)
            if self.ribs:
                rib = stripes(patch.s, self.ribs, 0.03, patch.width_s)
                result = result * (1 - 0.25 * rib)[..., None]
            if self.windows:
                pitch, sill, top = self.windows
                pane = stripes(patch.s + 0.5 * pitch, pitch, pitch - 0.13, patch.width_s)
                inside = (patch.t > sill) & (patch.t < top)
                glass = mix(
                    GLASS, light.haze, 0.1 + 0.25 * np.clip((patch.t - sill) / (top - sill), 0, 1)
                )
                frame = (patch.t > sill - 0.06) & (patch.t < top + 0.06)
                result = mix(result, (0.1, 0.1, 0.11), 0.8 * frame)
                result = mix(result, glass, pane * inside)
            if self.doors:
                result = self._doors(patch, light, result)
            return result

        return paint

    def _doors(self, patch, light, result):
        for at in self.doors:
            offset = np.abs(patch.s - at)
            leaf = (offset < 0.65) * (patch.t > 0.35) * (patch.t < 2.5)
            pane = (offset < 0.57) * (offset > 0.05) * (patch.t > 0.5) * (patch.t < 2.4)
            result = mix(result, self.band * 0.8, leaf.astype(np.float32))
            result = mix(result, GLASS + 0.25 * light.haze, pane.astype(np.float32))
        return result


def shell(length, width, height, floor, slant, livery, light):
    """Return a box body. Its front leans back by ``slant`` metres."""
    half = length / 2
    colour = livery.colour
    return Solid(
        [
            (-half, floor),
            (-half, height),
            (half - slant, height),
            (half, 0.4 * height),
            (half, floor),
        ],
        width / 2,
        livery.paint(light),
        [colour * 0.95] * 4,
    )


class Bus(Vehicle):
    label = 'bus'

    def __init__(self, rng, x, z, heading):
        size = (rng.uniform(9.5, 12.5), 2.5, rng.uniform(2.95, 3.25))
        if rng.random() < 0.12:
            size = (size[0], size[1], 4.2)
        super().__init__(rng, x, z, heading, size)
        self.livery = Livery(rng, self.colour, self.height)
        self.livery.ribs = None
        self.livery.windows = (rng.uniform(1.2, 1.9), 1.15, self.height - 0.45)
        half = self.length / 2
        self.livery.doors = (half - 1.0, 0.2, -half + 2.4)

    def faces(self, canvas):
        light = canvas.light
        half, h = self.length / 2, self.height
        body = shell(self.length, self.width, h, 0.3, 0.12, self.livery, light)
        faces = self.tyres_below(0.45)
        faces += body.faces(self.frame, canvas.camera.position)
        edge = self.width / 2 - 0.12
        sill = 1.05 if self.end > 0 else 1.6
        glass = GLASS + 0.25 * light.haze
        faces += self.on_end(rectangle(-edge, sill, edge, h - 0.55), glass)
        faces += self.on_end(
            rectangle(-edge * 0.8, h - 0.46, edge * 0.8, h - 0.16), (0.06, 0.06, 0.06)
        )
        faces += self.on_end(
            rectangle(-edge * 0.6, h - 0.4, edge * 0.5, h - 0.22), (0.95, 0.65, 0.2), True
        )
        faces += self.on_end(rectangle(-edge, 0.3, edge, 0.5), self.colour * 0.4)
        faces += self.lamps(0.62, (0.3, 0.2), light.lit_windows > 0.3)
        return faces + self.wheels((half - 2.6, -half + 3.0), 0.48)


class Train(Vehicle):
    """A tram or a regional train: one long body on rails. Its wheels are hidden."""

    label = 'train'

    def __init__(self, rng, x, z, heading, y=0.0, length=None):
        length = length or rng.uniform(18, 30)
        size = (length, 2.55, rng.uniform(3.3, 3.7))
        super().__init__(rng, x, z, heading, size, y)
        self.livery = Livery(rng, self.colour, self.height)
        self.livery.windows = (rng.uniform(1.2, 2.2), 1.25, self.height - 0.75)
        self.livery.doors = tuple(np.linspace(-0.38, 0.38, max(2, int(length // 6))) * length)

    def faces(self, canvas):
        light = canvas.light
        half, h = self.length / 2, self.height
        body = shell(self.length, self.width, h, 0.35, 0.7, self.livery, light)
        skirt = (0.13, 0.13, 0.14)
        faces = self.on_end(rectangle(-1, 0.05, 1, 0.4), skirt, False, half - 0.4)
        faces += self.on_side(rectangle(-half + 0.6, 0.08, half - 0.6, 0.4), skirt)
        faces += body.faces(self.frame, canvas.camera.position)
        edge = self.width / 2 - 0.18
        glass = GLASS + 0.28 * light.haze
        forward = half - (0.3 if self.end > 0 else -0.01)
        faces += self.on_end(rectangle(-edge, 1.45, edge, h - 0.75), glass, False, forward)
        faces += self.on_end(
            rectangle(-0.5, h - 0.55, 0.5, h - 0.3),
            (0.95, 0.7, 0.25),
            True,
            half - (0.55 if self.end > 0 else -0.01),
        )
        faces += self.on_end(rectangle(-edge, 0.4, edge, 0.6), self.colour * 0.4)
        faces += self.lamps(0.75, (0.22, 0.18), light.lit_windows > 0.3, 0.1)
        roof = [(-0.3 * half, h), (0.2 * half, h), (0.2 * half, h + 0.22), (-0.3 * half, h + 0.22)]
        return self.on_side(roof, (0.4, 0.41, 0.42)) + faces


class Truck(Vehicle):
    """A truck: a cab with a box, a flatbed or a tipper behind it."""

    label = 'truck'

    def __init__(self, rng, x, z, heading):
        size = (rng.uniform(6.2, 10.5), rng.uniform(2.25, 2.5), rng.uniform(2.9, 3.8))
        super().__init__(rng, x, z, heading, size)
        self.cab_length = rng.uniform(1.8, 2.2)
        self.cab_height = min(self.height, rng.uniform(2.4, 2.9))
        same = rng.random() < 0.4
        cargo = self.colour if same else colours.body_paint(rng)
        self.load_height = 1.9 if rng.random() < 0.2 else self.height
        self.livery = Livery(rng, cargo, self.load_height)
        self.logo = colours.body_paint(rng)

    def faces(self, canvas):
        light, at = canvas.light, canvas.camera.position
        half, w, c = self.length / 2, self.width / 2, self.colour
        tail = half - self.cab_length - 0.25
        cargo_colour = self.livery.colour
        cargo = Solid(
            [(-half, 0.95), (-half, self.load_height), (tail, self.load_height), (tail, 0.95)],
            w,
            self.livery.paint(light),
            [cargo_colour * 0.95] * 3,
        )
        cab = Solid(
            [
                (tail + 0.25, 0.5),
                (tail + 0.25, self.cab_height),
                (half - 0.3, self.cab_height),
                (half, 1.35),
                (half, 0.5),
            ],
            w - 0.05,
            glossy(c, light.haze, self.cab_height),
            [c * 0.9, c, c, c],
        )
        parts = [cargo.faces(self.frame, at), cab.faces(self.frame, at)]
        if self.side:
            parts[1] += self._cab_window(tail, half, light)
            low, high = 1.25, self.load_height - 0.35
            if high - low > 1:
                parts[0] += self.on_side(
                    rectangle(-half + 0.25 * tail, low + 0.5, 0.35 * tail, high - 0.3), self.logo
                )
        if self.end > 0:
            parts[1] += self._front(half, light)
        else:
            parts[0] += self._back()
            parts.reverse()
        chassis = self.on_side(rectangle(-half, 0.55, half - 0.3, 0.96), (0.12, 0.12, 0.13))
        chassis += self.on_end(rectangle(-w + 0.2, 0.45, w - 0.2, 0.96), (0.12, 0.12, 0.13))
        faces = self.tyres_below(0.46) + chassis + parts[0] + parts[1]
        wheels = [half - 1.1, -half + 1.3]
        if self.length > 8:
            wheels.append(-half + 2.4)
        faces += self.lamps(0.7, (0.28, 0.18), light.lit_windows > 0.3)
        return faces + self.wheels(wheels, 0.48)

    def _cab_window(self, tail, half, light):
        top = self.cab_height - 0.25
        pane = [(tail + 0.55, 1.45), (half - 0.25, 1.45), (half - 0.42, top), (tail + 0.55, top)]
        return self.on_side(pane, GLASS + 0.2 * light.haze)

    def _front(self, half, light):
        w = self.width / 2 - 0.15
        faces = self.on_end(
            rectangle(-w, 1.45, w, self.cab_height - 0.3),
            GLASS + 0.28 * light.haze,
            False,
            half - 0.1,
        )
        return faces + self.on_end(rectangle(-w * 0.8, 0.85, w * 0.8, 1.25), self.colour * 0.35)

    def _back(self):
        w, top = self.width / 2 - 0.08, self.load_height
        dark = self.livery.colour * 0.7
        faces = self.on_end(rectangle(-0.02, 1.0, 0.02, top), dark)
        for s in (-w, w - 0.06):
            faces += self.on_end(rectangle(s, 1.0, s + 0.06, top), dark)
        return faces
