"""A pinhole camera above flat ground.

World coordinates are in metres: x right, y up, z forward. The ground is at y = 0.
"""

from dataclasses import dataclass

import numpy as np

NEAR = 0.4


@dataclass(frozen=True)
class Plane:
    """The points ``origin + s * u + t * v``.

    ``s`` and ``t`` are in metres if ``u`` and ``v`` have unit length.
    """

    origin: tuple
    u: tuple
    v: tuple


GROUND = Plane((0, 0, 0), (1, 0, 0), (0, 0, 1))


def clip_half_space(points, signed):
    """Keep the part of a polygon where ``signed >= 0`` (Sutherland-Hodgman)."""
    kept = []
    for i in range(len(points)):
        a, b = signed[i - 1], signed[i]
        if (a >= 0) != (b >= 0):
            kept.append(points[i - 1] + (points[i] - points[i - 1]) * (a / (a - b)))
        if b >= 0:
            kept.append(points[i])
    return np.array(kept)


def polygon_normal(points):
    """Return the normal of a closed polygon (N, 3). Its length is twice the area."""
    following = np.concatenate([points[1:], points[:1]])
    m = (points - points[0]).T @ (following - points[0])
    return np.array([m[1, 2] - m[2, 1], m[2, 0] - m[0, 2], m[0, 1] - m[1, 0]])


class Camera:
    """A pinhole camera.

    ``focal`` is a fraction of the image width, so a camera shows the same view
    at every image size. ``pitch`` and ``yaw`` are in radians: positive values
    look down and to the right.
    """

    def __init__(self, size, focal, height, lateral=0.0, yaw=0.0, pitch=0.0):
        self.size = size
        self.position = np.array([lateral, height, 0.0])
        cy, sy = np.cos(yaw), np.sin(yaw)
        cp, sp = np.cos(pitch), np.sin(pitch)
        turn = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
        tilt = np.array([[1, 0, 0], [0, -cp, -sp], [0, -sp, cp]])
        self.rotation = tilt @ turn
        rows, columns = size
        f = focal * columns
        self.matrix = np.array([[f, 0, columns / 2 - 0.5], [0, f, rows / 2 - 0.5], [0, 0, 1]])
        self.horizon = rows / 2 - 0.5 - f * np.tan(pitch)

    def to_camera(self, points):
        relative = np.asarray(points, float) - self.position
        return relative @ self.rotation.T

    def project_polygon(self, points):
        """Project a world polygon and clip it to the image.

        Return its pixels (N, 2) and its mean depth, or None if it is out of view.
        """
        local = self.to_camera(points)
        if (local[:, 2] < NEAR).any():
            local = clip_half_space(local, local[:, 2] - NEAR)
        if len(local) < 3:
            return None
        pixels = local @ self.matrix.T
        pixels = pixels[:, :2] / pixels[:, 2:]
        rows, columns = self.size
        if (pixels.min(0) < 0).any() or (pixels.max(0) > (columns - 1, rows - 1)).any():
            for axis, limit in ((0, columns - 1), (1, rows - 1)):
                for sign, bound in ((1, 0), (-1, -limit)):
                    if len(pixels) < 3:
                        return None
                    pixels = clip_half_space(pixels, sign * pixels[:, axis] - bound)
        if len(pixels) < 3:
            return None
        pixels = np.clip(pixels, 0, (columns - 1, rows - 1))
        return pixels, float(local[:, 2].mean())

    def plane_from_pixels(self, plane):
        """Return the 3x3 matrix that maps (column, row, 1) to (s, t, 1) / depth."""
        axes = np.array([plane.u, plane.v], float) @ self.rotation.T
        origin = self.to_camera([plane.origin])
        return np.linalg.inv(self.matrix @ np.vstack([axes, origin]).T)

    def facing_plane(self, x, y, z):
        """Return an upright plane through a point. It faces the camera."""
        away = np.array([x - self.position[0], z])
        away = away / max(np.hypot(*away), 1e-6)
        return Plane((x, y, z), (away[1], 0, -away[0]), (0, 1, 0))
