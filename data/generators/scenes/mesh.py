"""Solid bodies of vehicles: side views in (forward, up), extruded to both sides.

Local coordinates are (right, up, forward) in metres.
"""

import numpy as np

from .camera import Plane, polygon_normal
from .canvas import Face


class Frame:
    """Local coordinates of a vehicle. ``heading`` is the angle from +z towards +x."""

    def __init__(self, x, y, z, heading):
        self.origin = np.array([x, y, z], float)
        c, s = np.cos(heading), np.sin(heading)
        self.axes = np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])

    def world(self, points):
        return self.origin + np.asarray(points, float) @ self.axes

    def local(self, point):
        return self.axes @ (np.asarray(point, float) - self.origin)

    def side_plane(self, right):
        """Return a plane parallel to the side: s runs forward, t up."""
        return Plane(tuple(self.world((right, 0, 0))), tuple(self.axes[2]), (0, 1, 0))

    def end_plane(self, forward):
        """Return a plane parallel to the front: s runs to the right, t up."""
        return Plane(tuple(self.world((0, 0, forward))), tuple(self.axes[0]), (0, 1, 0))


class Solid:
    """A side view of (forward, up) points with half the width at each point.

    ``paints`` has one paint per strip between consecutive points; None leaves
    the strip out. The two sides get ``side_paint``.
    """

    def __init__(self, profile, half_widths, side_paint, paints):
        self.profile = np.asarray(profile, float)
        self.half_widths = np.broadcast_to(half_widths, len(profile))
        self.side_paint = side_paint
        self.paints = paints

    def faces(self, frame, eye):
        eye = frame.local(eye)
        middle = np.array([0, *self.profile.mean(0)[::-1]])
        flat = []
        for sign in (-1, 1):
            points = np.stack([sign * self.half_widths, self.profile[:, 1], self.profile[:, 0]], 1)
            flat.append((points, self.side_paint))
        left, right = flat[0][0], flat[1][0]
        for i, paint in enumerate(self.paints):
            if paint is not None:
                j = (i + 1) % len(left)
                flat.insert(0, (np.array([left[i], left[j], right[j], right[i]]), paint))
        faces = []
        for points, paint in flat:
            normal = polygon_normal(points)
            centre = points.mean(0)
            normal = normal * np.sign(normal @ (centre - middle))
            if normal @ (eye - centre) > 0:
                plane = None
                if callable(paint):
                    plane = frame.side_plane(centre[0])
                faces.append(Face(frame.world(points), paint, plane))
        return faces


def inset(points, share):
    """Shrink a polygon towards its middle."""
    points = np.asarray(points, float)
    return points.mean(0) + (points - points.mean(0)) * share
