"""Trees, bushes, hedges and the woods at the end of the street."""

import numpy as np

from . import colours
from .camera import Plane
from .canvas import Face, on_plane, quad
from .textures import TILE, greenery, mix, speckle
from .thing import KERB, Thing


def leafy_blob(rng, centre, radius):
    """Return a ragged round outline in plane coordinates."""
    turns = np.linspace(0, 2 * np.pi, 34, endpoint=False)
    ragged = radius * rng.uniform(0.78, 1.14, len(turns))
    return np.stack([centre[0] + ragged * np.cos(turns), centre[1] + ragged * np.sin(turns)], 1)


def lit_leaves(texture, centre, radius, sun, tone):
    """Return the paint function of a ball of leaves.

    It is bright towards the sun, dark on the other side and sparse at its edge.
    """

    def paint(patch):
        x = (patch.s - centre[0]) / radius
        y = (patch.t - centre[1]) / radius
        facing = 0.95 + 0.3 * np.clip(x * sun[0] + y * sun[1], -1, 1)
        leaves = texture(patch) * (tone * facing)[..., None]
        dense = 1.5 - 1.4 * (x * x + y * y) + 0.7 * speckle(patch, 'rough', 0.04)
        return np.dstack([leaves, np.clip(dense, 0, 1)]).astype(np.float32)

    return paint


class Tree(Thing):
    def __init__(self, rng, x, z, height):
        spread = height * rng.uniform(0.22, 0.34)
        super().__init__((x - 0.2, KERB, z - 0.2), (x + 0.2, KERB + height, z + 0.2))
        self.foot = (x, KERB, z)
        self.trunk = rng.uniform(0.06, 0.12) + 0.008 * height
        clear = height * rng.uniform(0.22, 0.4)
        self.clear = clear
        self.height = height
        self.spread = spread
        self.bark = greenery(rng, colours.bark(rng), 0.03)
        self.green = colours.green(rng)
        self.leaves = greenery(rng, self.green, rng.uniform(0.03, 0.07))
        self.blobs = []
        narrow = rng.random() < 0.2
        for up in np.sort(rng.uniform(0, 1, 26)):
            belly = np.sqrt(max(0.1, 1 - (1.7 * up - 0.75) ** 2))
            reach = spread * belly * (0.45 if narrow else 1)
            radius = spread * rng.uniform(0.26, 0.42) * (0.6 + 0.4 * belly)
            side = rng.uniform(-0.85, 0.85)
            centre = (side * reach, clear + 0.2 * spread + up * (height - clear - 0.4 * spread))
            self.blobs.append((centre, radius, leafy_blob(rng, centre, radius)))
        self.order = rng.permutation(len(self.blobs))
        self.tones = rng.uniform(0.78, 1.12, len(self.blobs))

    def shadow_points(self):
        x, _, z = self.foot
        ring = np.linspace(0, 2 * np.pi, 12, endpoint=False)
        low, high = self.clear + 0.3, self.height * 0.9
        return np.concatenate(
            [
                np.stack(
                    [
                        x + self.spread * np.cos(ring),
                        np.full(12, height),
                        z + self.spread * np.sin(ring),
                    ],
                    1,
                )
                for height in (low, high)
            ]
        )

    def draw(self, canvas):
        plane = canvas.camera.facing_plane(*self.foot)
        sun = canvas.light.sun_direction
        sun = (float(sun @ np.array(plane.u)), float(sun[1]))
        w, top = self.trunk, self.clear + 0.5 * self.spread
        trunk = on_plane(plane, [(-w, 0), (w, 0), (0.6 * w, top), (-0.6 * w, top)])
        faces = [Face(trunk, round_shading(self.bark, w, sun[0]), plane)]
        for i in self.order:
            centre, radius, outline = self.blobs[i]
            up = (centre[1] - self.clear) / (self.height - self.clear)
            faces.append(
                Face(
                    on_plane(plane, outline),
                    lit_leaves(
                        self.leaves, centre, radius, sun, self.tones[i] * (0.72 + 0.45 * up)
                    ),
                    plane,
                )
            )
        canvas.draw('vegetation', faces, base=self.green * 0.5)


def round_shading(surface, radius, sun_side):
    """Return the paint function of an upright cylinder that is lit from one side."""

    def paint(patch):
        x = np.clip(patch.s / radius, -1, 1)
        tone = 1.0 - 0.25 * x**2 + 0.3 * x * sun_side
        colour = surface(patch) if callable(surface) else np.asarray(surface, np.float32)
        return colour * tone[..., None].astype(np.float32)

    return paint


class Bush(Thing):
    """A round bush, about ``height`` metres high."""

    def __init__(self, rng, x, z, height):
        width = height * rng.uniform(0.5, 0.9)
        super().__init__((x - width, KERB, z - 0.2), (x + width, KERB + height, z + 0.2))
        self.foot = (x, KERB, z)
        self.green = colours.green(rng)
        self.leaves = greenery(rng, self.green, 0.03)
        self.blobs = []
        for side in rng.permutation(np.linspace(-0.7, 0.7, 7)):
            radius = height * rng.uniform(0.3, 0.45)
            centre = (side * width, rng.uniform(0.3, 0.62) * height)
            self.blobs.append(
                (centre, radius, leafy_blob(rng, centre, radius), rng.uniform(0.75, 1.1))
            )

    def draw(self, canvas):
        plane = canvas.camera.facing_plane(*self.foot)
        sun = canvas.light.sun_direction
        sun = (float(sun @ np.array(plane.u)), float(sun[1]))
        faces = []
        for centre, radius, outline, tone in self.blobs:
            outline = np.maximum(outline, (-np.inf, 0))
            faces.append(
                Face(
                    on_plane(plane, outline),
                    lit_leaves(self.leaves, centre, radius, sun, tone),
                    plane,
                )
            )
        canvas.draw('vegetation', faces, base=self.green * 0.5)


class Hedge(Thing):
    """A clipped hedge along z: a box like a wall, with the green of a lawn."""

    def __init__(self, rng, x0, z0, x1, z1, height):
        super().__init__((x0, KERB, z0), (x1, KERB + height, z1))
        self.leaves = greenery(rng, colours.green(rng), 0.04)
        steps = max(3, int((z1 - z0) / 0.7))
        self.top = np.stack(
            [np.linspace(z1 - z0, 0, steps), height * rng.uniform(0.88, 1.04, steps)], 1
        )

    def draw(self, canvas):
        (x0, y0, z0), (x1, y1, z1) = self.box
        eye = canvas.camera.position[0]
        faces = []
        front = Plane((x0, y0, z0), (1, 0, 0), (0, 1, 0))
        faces.append(
            Face(
                quad(front, 0, 0, x1 - x0, y1 - y0),
                lambda patch: self.leaves(patch) * np.float32(0.85),
                front,
            )
        )
        if not x0 <= eye <= x1:
            side = Plane((x0 if eye < x0 else x1, y0, z0), (0, 0, 1), (0, 1, 0))
            outline = np.vstack([[(0, 0), (z1 - z0, 0)], self.top])
            faces.append(Face(on_plane(side, outline), self._shaded(y1 - y0), side))
        canvas.draw('vegetation', faces)

    def _shaded(self, height):

        def paint(patch):
            up = np.clip(patch.t / height, 0, 1)
            return self.leaves(patch) * (0.65 + 0.5 * up)[..., None]

        return paint


class Woods(Thing):
    """A dense row of crowns across the view. It reaches ``half_width`` to each side."""

    casts_shadow = False

    def __init__(self, rng, z, half_width, height):
        super().__init__((-half_width, 0, z), (half_width, height, z + 1))
        self.colour = colours.green(rng)
        self.other = np.clip(self.colour * rng.uniform(0.7, 1.3, 3), 0, 1)
        self.shift = rng.uniform(0, TILE)
        steps = int(half_width)
        across = np.linspace(half_width, -half_width, steps)
        top = height * (
            0.7 + 0.12 * np.sin(across / rng.uniform(5, 9)) + rng.uniform(-0.12, 0.12, steps)
        )
        self.skyline = np.stack([across, top], 1)
        self.height = height

    def draw(self, canvas):
        z = self.box[0, 2]
        plane = Plane((0, 0, z), (1, 0, 0), (0, 1, 0))
        ends = [(-self.box[1, 0], 0), (self.box[1, 0], 0)]
        outline = np.vstack([ends, self.skyline])

        def paint(patch):
            clumps = np.clip(0.5 + 0.4 * speckle(patch, 'smooth', 0.25, self.shift), 0, 1)
            tone = (
                0.55
                + 0.5 * np.clip(patch.t / self.height, 0, 1)
                + 0.16 * speckle(patch, 'rough', 0.3, self.shift)
            )
            return tone[..., None] * mix(self.colour, self.other, clumps)

        canvas.draw('vegetation', [Face(on_plane(plane, outline), paint, plane)])
