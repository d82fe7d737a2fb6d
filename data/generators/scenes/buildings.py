"""Houses: boxes with windows, doors and shops. Some have a gabled roof."""

import numpy as np

from . import colours
from .camera import Plane
from .canvas import Face, quad
from .textures import masonry, mix, stripes
from .thing import KERB, Thing

TABLE = 16


class Facade:
    """Paint function of a wall with windows. s runs along the wall, t up from its foot.

    ``looks[i, j]`` has the random numbers that choose curtain and lamp of window i of storey j.
    """

    def __init__(self, rng, surface, length, height, style, blank):
        self.surface = surface
        self.height = height
        self.style = style
        self.blank = blank
        self.bays = max(1, int(length / style.bay))
        self.bay = length / self.bays
        self.looks = rng.random((TABLE, TABLE, 3)).astype(np.float32)
        self.shop = rng.random() < style.shop and not blank
        self.door_bay = int(rng.integers(self.bays))
        self.shop_colour = colours.body_paint(rng) * 0.8

    def __call__(self, patch, light):
        result = self.surface(patch)
        if not self.blank:
            result = self._windows(patch, light, result)
            result = self._ground_floor(patch, light, result)
        return self._bands(patch, result)

    def _cell(self, patch, storey_of):
        bay = np.floor(patch.s / self.bay).astype(int)
        return self.looks[bay % TABLE, storey_of % TABLE]

    def _glass(self, light, looks, up):
        """Return the colour of the panes: dark rooms, reflected sky, curtains, lamps at dusk."""
        reflection = np.clip(0.15 + 0.5 * looks[..., 0] * up, 0, 0.7)
        glass = mix((0.07, 0.09, 0.11), light.haze * 0.9, reflection)
        curtain = (looks[..., 1] > 0.7) * (up > looks[..., 2])
        glass = mix(glass, (0.75, 0.72, 0.66), 0.7 * curtain)
        lit = (looks[..., 2] < light.lit_windows).astype(np.float32)
        return mix(glass, np.array((1.5, 1.15, 0.6)), 0.85 * lit)

    def _windows(self, patch, light, result):
        style = self.style
        above = patch.t - style.ground_floor
        storey = np.floor(above / style.storey)
        up = above / style.storey - storey
        count = int((self.height - style.ground_floor - 0.4) / style.storey)
        inside = ((storey >= 0) & (storey < count)).astype(np.float32)
        width, tall = style.window * self.bay, style.tall * style.storey
        left = 0.5 * (self.bay - width)
        sill = 0.28 * style.storey

        def opening(margin):
            return (
                inside
                * stripes(patch.s - left + margin, self.bay, width + 2 * margin, patch.width_s)
                * stripes(above - sill + margin, style.storey, tall + 2 * margin, patch.width_t)
            )

        looks = self._cell(patch, storey.astype(int))
        result = mix(result, style.trim, opening(0.1))
        result = mix(result, style.frame, opening(0.0))
        glass = self._glass(light, looks, up)
        middle = stripes(patch.s - 0.5 * self.bay + 0.03, self.bay, 0.06, patch.width_s)
        reveal = stripes(above - sill - tall + 0.12, style.storey, 0.2, patch.width_t)
        glass = glass * (1 - 0.5 * reveal)[..., None]
        return mix(result, glass, opening(-0.06) * (1 - 0.8 * middle))

    def _ground_floor(self, patch, light, result):
        style = self.style
        bay = np.floor(patch.s / self.bay)
        looks = self._cell(patch, np.zeros_like(bay, int))
        low = patch.t < style.ground_floor - 0.3
        if self.shop:
            pane = stripes(patch.s - 0.15, self.bay, self.bay - 0.3, patch.width_s)
            pane = pane * low * (patch.t > 0.45)
            glass = self._glass(light, looks, np.clip(patch.t / style.ground_floor, 0, 1))
            result = mix(result, self.shop_colour, 0.9 * (patch.t < style.ground_floor))
            result = mix(result, glass, pane)
            awning = (patch.t > style.ground_floor - 0.9) & (patch.t < style.ground_floor - 0.25)
            striped = stripes(patch.s, 0.6, 0.3, patch.width_s)
            cloth = mix(self.shop_colour * 1.15, (0.85, 0.84, 0.8), striped)
            return mix(result, cloth, awning * (looks[..., 1] > 0.5))
        here = bay == self.door_bay
        offset = np.abs(patch.s - (self.door_bay + 0.5) * self.bay)
        door = here * low * (offset < 0.55) * (patch.t < 2.2)
        frame = here * low * (offset < 0.68) * (patch.t < 2.35)
        pane = ~here * low * (offset > 0) * (patch.t > 1.0) * (patch.t < 2.4)
        pane = pane * stripes(patch.s - 0.25 * self.bay, self.bay, 0.5 * self.bay, patch.width_s)
        result = mix(
            result, self._glass(light, looks, 0.5 + 0 * pane), pane * (style.ground_floor > 2.8)
        )
        result = mix(result, style.trim, frame.astype(np.float32))
        return mix(result, self.shop_colour * 0.6, door.astype(np.float32))

    def _bands(self, patch, result):
        top = np.clip((patch.t - self.height + 0.45) / patch.width_t, 0, 1)
        foot = np.clip((0.5 - patch.t) / patch.width_t, 0, 1)
        result = mix(result, self.style.trim, 0.8 * top)
        return result * (1 - 0.25 * foot)[..., None]


class Style:
    def __init__(self, rng, shops):
        self.colour = colours.wall(rng)
        self.material = str(rng.choice(['brick', 'plaster', 'plaster', 'panel', 'board']))
        self.bay = rng.uniform(2.0, 3.6)
        self.storey = rng.uniform(2.8, 3.6)
        self.window = rng.uniform(0.35, 0.8)
        self.tall = rng.uniform(0.42, 0.62)
        self.ground_floor = rng.uniform(3.0, 4.2)
        self.trim = np.clip(self.colour * rng.uniform(0.6, 1.35), 0, 0.95)
        self.frame = rng.choice([0.9, 0.85, 0.2]) * np.ones(3)
        self.roof = colours.wall(rng) * rng.uniform(0.4, 0.7)
        self.shop = shops

    def whole_storeys(self, height):
        count = max(0, round((height - self.ground_floor) / self.storey))
        return self.ground_floor + count * self.storey + 0.6


class Building(Thing):
    """A house. ``low`` and ``high`` are the (x, z) corners of its ground plan.

    A gabled roof of height ``gable`` has its ridge along z.
    """

    def __init__(self, rng, low, high, height, shops=0.5, gable=0.0):
        self.style = Style(rng, shops)
        if not gable:
            height = self.style.whole_storeys(height)
        super().__init__((low[0], KERB, low[1]), (high[0], KERB + height + gable, high[1]))
        self.height = height
        self.gable = gable
        surface = masonry(rng, self.style.colour, self.style.material)
        blank_end = rng.random() < 0.35
        lengths = dict(x=high[0] - low[0], z=high[1] - low[1])
        self.facades = {
            axis: Facade(
                rng, surface, length, height, self.style, blank_end and axis == 'x' and gable == 0
            )
            for axis, length in lengths.items()
        }
        self.roof = masonry(rng, self.style.roof, 'brick')

    def draw(self, canvas):
        (x0, y0, z0), (x1, _, _) = self.box
        eye = canvas.camera.position
        faces = []
        if self.gable:
            faces += self._roof(eye)
        if eye[2] < z0:
            faces.append(self._wall(canvas, (x0, y0, z0), 'x'))
        if eye[0] > x1:
            faces.append(self._wall(canvas, (x1, y0, z0), 'z'))
        if eye[0] < x0:
            faces.append(self._wall(canvas, (x0, y0, z0), 'z'))
        canvas.draw('building', faces, base=self.style.colour)

    def _wall(self, canvas, origin, axis):
        direction = (1, 0, 0) if axis == 'x' else (0, 0, 1)
        size = self.box[1] - self.box[0]
        length = size[0] if axis == 'x' else size[2]
        plane = Plane(origin, direction, (0, 1, 0))
        facade = self.facades[axis]
        corners = quad(plane, 0, 0, length, self.height)
        if self.gable and axis == 'x':
            ridge = np.array(origin) + (length / 2, self.height + self.gable, 0)
            corners = np.insert(corners, 3, ridge, axis=0)
        return Face(corners, lambda patch: facade(patch, canvas.light), plane)

    def _roof(self, eye):
        (x0, y0, z0), (x1, _, z1) = self.box
        eaves = y0 + self.height
        middle = (x0 + x1) / 2
        faces = []
        for edge, visible in ((x0, eye[0] < x0), (x1, eye[0] > x1)):
            if visible:
                slope = np.array([middle - edge, self.gable, 0])
                length = np.linalg.norm(slope)
                plane = Plane((edge, eaves, z0), (0, 0, 1), tuple(slope / length))
                faces.append(Face(quad(plane, -0.3, -0.3, z1 - z0 + 0.3, length), self.roof, plane))
        return faces
