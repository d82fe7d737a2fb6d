"""Base class of motor vehicles; cars and vans."""

import numpy as np

from . import colours
from .canvas import Face, on_plane
from .furniture import disc, rectangle
from .mesh import Frame, Solid, inset
from .textures import glossy
from .thing import Thing, box_corners

GLASS = np.array([0.1, 0.12, 0.14])
TYRE = (0.06, 0.06, 0.065)


class Vehicle(Thing):
    """A motor vehicle. ``size`` is (length, width, height) in metres."""

    label = 'car'

    def __init__(self, rng, x, z, heading, size, y=0.0):
        self.length, self.width, self.height = size
        self.frame = Frame(x, y, z, heading)
        half = np.array([self.width / 2, self.height / 2, self.length / 2])
        corners = box_corners(np.array([-half, half])) + (0, half[1], 0)
        self.corners = self.frame.world(corners)
        super().__init__(self.corners.min(0), self.corners.max(0))
        self.colour = colours.body_paint(rng)

    def shadow_points(self):
        return self.corners

    def cast_shadow(self, canvas):
        super().cast_shadow(canvas)
        footprint = self.corners[self.corners[:, 1] < self.frame.origin[1] + 0.1]
        canvas.add_shadow(footprint, 0.9)

    def draw(self, canvas):
        eye = self.frame.local(canvas.camera.position)
        self.side = np.sign(eye[0]) if abs(eye[0]) > self.width / 2 else 0
        self.end = np.sign(eye[2]) if abs(eye[2]) > self.length / 2 else 0
        canvas.draw(self.label, self.faces(canvas), base=self.colour * 0.4)

    def on_side(self, points, paint, glows=False):
        """Return a flat detail on the visible side, or nothing if no side is visible."""
        if not self.side:
            return []
        plane = self.frame.side_plane(self.side * (self.width / 2 + 0.01))
        return [Face(on_plane(plane, points), paint, plane, glows)]

    def on_end(self, points, paint, glows=False, forward=None):
        """Return a flat detail on the front or back, or nothing if neither is visible."""
        if not self.end:
            return []
        if forward is None:
            forward = self.length / 2 + 0.01
        plane = self.frame.end_plane(self.end * forward)
        return [Face(on_plane(plane, points), paint, plane, glows)]

    def wheels(self, places, radius, hub=(0.45, 0.46, 0.47)):
        faces = []
        for f in places:
            faces += self.on_side(disc(f, radius * 1.05, radius * 1.2), self.colour * 0.25)
            faces += self.on_side(disc(f, radius, radius), TYRE)
            faces += self.on_side(disc(f, radius, radius * 0.58), hub)
            faces += self.on_side(disc(f, radius, radius * 0.15), TYRE)
        return faces

    def tyres_below(self, radius):
        """Return the parts of the tyres that show below the front or back."""
        faces = []
        inner = self.width / 2 - 0.24
        for side in (-1, 1):
            a, b = sorted((side * inner, side * (self.width / 2 - 0.03)))
            faces += self.on_end(rectangle(a, 0, b, radius), TYRE, False, self.length / 2 - 0.3)
        return faces

    def lamps(self, height, size, dusk, inner=0.0):
        """Return a pair of head lamps or tail lamps."""
        colour = (1.0, 0.98, 0.85) if self.end > 0 else (0.75, 0.08, 0.06)
        edge = self.width / 2 - 0.06 - inner
        faces = []
        for side in (-1, 1):
            a, b = sorted((side * edge, side * (edge - size[0])))
            faces += self.on_end(rectangle(a, height, b, height + size[1]), colour, dusk)
        return faces


class Car(Vehicle):
    """A saloon, hatchback, estate or van; about 1.5 m high, 1.8 m wide and 4.3 m long."""

    def __init__(self, rng, x, z, heading):
        kind = str(rng.choice(['saloon', 'hatchback', 'estate', 'van'], p=[0.3, 0.35, 0.22, 0.13]))
        length, height = {
            'saloon': (4.6, 1.44),
            'hatchback': (3.95, 1.5),
            'estate': (4.6, 1.56),
            'van': (4.8, 1.95),
        }[kind]
        size = (
            length * rng.uniform(0.95, 1.06),
            rng.uniform(1.72, 1.88),
            height * rng.uniform(0.97, 1.04),
        )
        super().__init__(rng, x, z, heading, size)
        self.kind = kind
        self.belt = rng.uniform(0.6, 0.66) * min(self.height, 1.6)
        self.trim = self.colour * 0.45 if rng.random() < 0.5 else self.colour
        self.taxi = rng.random() < 0.06

    def faces(self, canvas):
        light = canvas.light
        eye = self.frame.local(canvas.camera.position)
        paint = glossy(self.colour, light.haze, self.height)
        half, width, b, h = (self.length / 2, self.width / 2, self.belt, self.height)
        bonnet = self.length * (0.3 if self.kind == 'van' else 0.2)
        rear = {'saloon': -half + 0.75, 'van': -half + 0.06}.get(self.kind, -half + 0.12)
        rear_top = rear + {'saloon': 0.6, 'van': 0.12}.get(self.kind, 0.4)
        front_top = bonnet - (0.55 if self.kind == 'van' else 0.72)
        c = self.colour
        body = Solid(
            [
                (-half, 0.24),
                (-half, 0.62),
                (-half + 0.1, b),
                (bonnet, b),
                (half - 0.14, b - 0.2),
                (half, 0.52),
                (half, 0.24),
            ],
            [
                width - 0.04,
                width,
                width - 0.03,
                width - 0.03,
                width - 0.1,
                width - 0.04,
                width - 0.06,
            ],
            paint,
            [c, c, c, c, c, c],
        )
        cabin = Solid(
            [(rear, b), (rear_top, h), (front_top, h), (bonnet, b)],
            [width - 0.05, width - 0.2, width - 0.2, width - 0.06],
            c * 0.92,
            [c, c, c],
        )
        faces = self.tyres_below(0.31)
        faces += body.faces(self.frame, canvas.camera.position)
        for shell in cabin.faces(self.frame, canvas.camera.position):
            faces.append(shell)
        faces += self._panes(cabin, light, eye)
        faces += self._details(light, half)
        return faces + self.wheels((-half * 0.58, half * 0.62), 0.32)

    def _panes(self, cabin, light, eye):
        """Return the windscreen, the rear window and the side windows of the cabin."""
        (rear, b), (rear_top, h), (front_top, _), (front, _) = cabin.profile
        w_low, w_top = cabin.half_widths[0], cabin.half_widths[1]
        glass = GLASS + 0.32 * light.haze
        panes = []
        if eye[2] > front_top:
            panes.append(
                [
                    (-w_low, b, front),
                    (-w_top, h, front_top),
                    (w_top, h, front_top),
                    (w_low, b, front),
                ]
            )
        if eye[2] < rear_top:
            panes.append(
                [(-w_low, b, rear), (-w_top, h, rear_top), (w_top, h, rear_top), (w_low, b, rear)]
            )
        faces = [Face(self.frame.world(inset(pane, 0.84)), glass) for pane in panes]
        if not self.side:
            return faces
        low, high = b + 0.05, h - 0.09
        up = (np.array([low, high]) - b) / (h - b)
        back = rear + up * (rear_top - rear) + 0.12
        fore = front + up * (front_top - front) - 0.14
        wide = self.side * (w_low + up * (w_top - w_low) + 0.01)
        cuts = [0, 0.46, 1.0] if self.kind == 'saloon' else [0, 0.3, 0.64, 1.0]
        for a, c in zip(cuts[:-1], cuts[1:]):
            c = c - 0.04 if c < 1 else c
            corners = [
                (wide[k], (low, high)[k], back[k] + share * (fore[k] - back[k]))
                for k, share in ((0, a), (1, a), (1, c), (0, c))
            ]
            faces.append(Face(self.frame.world(corners), GLASS + 0.2 * light.haze))
        return faces

    def _details(self, light, half):
        dark = self.colour * 0.55
        faces = self.on_side(rectangle(-half, 0.24, half, 0.36), self.trim * 0.6)
        for f in (-0.12 * self.length, 0.1 * self.length):
            faces += self.on_side(rectangle(f, 0.36, f + 0.025, self.belt - 0.03), dark)
            faces += self.on_side(
                rectangle(f - 0.28, self.belt - 0.17, f - 0.1, self.belt - 0.13), dark
            )
        edge = self.width / 2 - 0.05
        faces += self.on_end(rectangle(-edge, 0.24, edge, 0.42), self.trim * 0.6)
        faces += self.on_end(rectangle(-0.26, 0.44, 0.26, 0.55), (0.85, 0.85, 0.82))
        if self.end > 0:
            faces += self.on_end(rectangle(-0.45, 0.57, 0.45, 0.68), (0.08, 0.08, 0.08))
        faces += self.lamps(0.56, (0.34, 0.15), light.lit_windows > 0.3)
        if self.taxi:
            faces += self.on_end(
                rectangle(-0.3, self.height, 0.3, self.height + 0.16), (0.95, 0.85, 0.3), True, 0.2
            )
        return faces
