"""Free-standing walls, fences, guard rails and the railway overpass."""

import numpy as np

from . import colours
from .camera import Plane
from .canvas import Face, quad
from .textures import masonry, stripes
from .thing import KERB, Thing


class Wall(Thing):
    """A wall: built and painted like a house, but lower and without windows."""

    def __init__(self, rng, x0, z0, x1, z1, height):
        super().__init__((x0, KERB, z0), (x1, KERB + height, z1))
        self.colour = colours.wall(rng)
        self.surface = masonry(
            rng, self.colour, str(rng.choice(['brick', 'plaster', 'panel', 'board']))
        )
        self.coping = np.clip(self.colour * rng.uniform(0.7, 1.25), 0, 0.95)
        self.bays = rng.uniform(3, 6) if rng.random() < 0.5 else None
        self.height = height

    def draw(self, canvas):
        (x0, y0, z0), (x1, y1, z1) = self.box
        eye = canvas.camera.position
        faces = []
        if eye[1] > y1:
            top = Plane((x0, y1, z0), (1, 0, 0), (0, 0, 1))
            faces.append(Face(quad(top, 0, 0, x1 - x0, z1 - z0), self.coping))
        front = Plane((x0, y0, z0), (1, 0, 0), (0, 1, 0))
        faces.append(Face(quad(front, 0, 0, x1 - x0, y1 - y0), self._paint, front))
        if not x0 <= eye[0] <= x1:
            side = Plane((x0 if eye[0] < x0 else x1, y0, z0), (0, 0, 1), (0, 1, 0))
            faces.append(Face(quad(side, 0, 0, z1 - z0, y1 - y0), self._paint, side))
        canvas.draw('wall', faces, base=self.colour)

    def _paint(self, patch):
        result = self.surface(patch)
        top = np.clip((patch.t - self.height + 0.18) / patch.width_t, 0, 1)
        result = result + (self.coping - result) * top[..., None]
        if self.bays:
            pier = stripes(patch.s, self.bays, 0.4, patch.width_s)
            result = result * (1 - 0.18 * pier)[..., None]
        return result.astype(np.float32)


class Fence(Thing):
    """A fence of posts, rails and pickets, bars or mesh. The background shows through."""

    def __init__(self, rng, x0, z0, x1, z1, height):
        super().__init__((x0, KERB, z0), (x1, KERB + height, z1))
        self.kind = str(rng.choice(['picket', 'bars', 'mesh', 'boards']))
        self.colour = colours.wall(rng) if self.kind in ('picket', 'boards') else colours.metal(rng)
        self.colour = self.colour.astype(np.float32)
        self.height = height
        self.pitch, self.thickness = {
            'picket': (rng.uniform(0.16, 0.26), 0.11),
            'bars': (rng.uniform(0.13, 0.2), 0.04),
            'mesh': (0.1, 0.022),
            'boards': (0.24, 0.225),
        }[self.kind]
        self.posts = rng.uniform(1.8, 3.2)
        self.plinth = rng.uniform(0.1, 0.4) if rng.random() < 0.3 else 0.0

    def draw(self, canvas):
        (x0, y0, z0), (x1, y1, z1) = self.box
        eye = canvas.camera.position[0]
        if x1 - x0 > z1 - z0:
            plane = Plane((x0, y0, z0), (1, 0, 0), (0, 1, 0))
            length = x1 - x0
        else:
            plane = Plane((x0 if eye < x0 else x1, y0, z0), (0, 0, 1), (0, 1, 0))
            length = z1 - z0
        canvas.draw('fence', [Face(quad(plane, 0, 0, length, y1 - y0), self._paint, plane)])

    def _paint(self, patch):
        bars = stripes(patch.s, self.pitch, self.thickness, patch.width_s)
        if self.kind == 'mesh':
            across = stripes(patch.t, self.pitch, self.thickness, patch.width_t)
            bars = np.maximum(bars, across)
        rails = stripes(patch.t - 0.08 * self.height, 0.76 * self.height, 0.09, patch.width_t)
        posts = stripes(patch.s, self.posts, 0.12, patch.width_s)
        solid = np.maximum(np.maximum(bars, rails), posts)
        solid = np.maximum(solid, patch.t < self.plinth)
        tone = 0.82 + 0.18 * rails + 0.12 * posts
        colour = self.colour * tone[..., None]
        return np.concatenate([colour, np.clip(solid, 0, 1)[..., None]], 2).astype(np.float32)


class Overpass(Thing):
    """A railway bridge across the road. The train on it is a separate thing."""

    deck = (5.2, 6.6)

    def __init__(self, rng, z, width=6.0, half_length=60.0):
        super().__init__((-half_length, self.deck[0], z), (half_length, self.deck[1], z + width))
        self.colour = colours.wall(rng)
        self.surface = masonry(rng, self.colour, 'panel')

    def draw(self, canvas):
        x0, y0, z0 = self.box[0]
        size = self.box[1] - self.box[0]
        front = Plane((x0, y0, z0), (1, 0, 0), (0, 1, 0))
        below = Plane((x0, y0, z0), (1, 0, 0), (0, 0, 1))
        canvas.draw(
            'bridge',
            [
                Face(quad(below, 0, 0, size[0], size[2]), self.colour * 0.5),
                Face(quad(front, 0, 0, size[0], size[1]), self.surface, front),
            ],
            self.colour,
        )


class Pillar(Thing):
    """A pillar under the overpass."""

    def __init__(self, rng, x, z, colour):
        super().__init__((x - 0.6, KERB, z), (x + 0.6, Overpass.deck[0], z + 2))
        self.surface = masonry(rng, colour, 'plaster')
        self.colour = colour

    def draw(self, canvas):
        x0, y0, z0 = self.box[0]
        size = self.box[1] - self.box[0]
        front = Plane((x0, y0, z0), (1, 0, 0), (0, 1, 0))
        eye = canvas.camera.position[0]
        side = Plane((x0 if eye < x0 else x0 + size[0], y0, z0), (0, 0, 1), (0, 1, 0))
        canvas.draw(
            'bridge',
            [
                Face(quad(side, 0, 0, size[2], size[1]), self.surface, side),
                Face(quad(front, 0, 0, size[0], size[1]), self.surface, front),
            ],
            self.colour,
        )
