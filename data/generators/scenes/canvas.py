"""Paint the picture and its annotation together.

Every thing becomes one or more polygons of the annotation. The same polygons
mask its paint. Pillow rasterises them, as in cityscapesscripts. So picture and
labels always agree.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from cityscapesscripts.helpers.labels import name2label
from PIL import Image, ImageDraw

from .camera import GROUND, Plane, polygon_normal


@dataclass
class Face:
    """A planar polygon in the world (N, 3).

    ``paint`` is one of three: an RGB colour in 0..1; a function of a
    :class:`Patch`, which needs ``plane``; None for a face that only adds to
    the outline.
    """

    points: Any
    paint: Any
    plane: Plane | None = None
    glows: bool = False


@dataclass
class Patch:
    """Argument of a paint function, with one value per pixel, in metres.

    ``s`` and ``t`` are coordinates in the plane, ``width_s`` and ``width_t`` the
    size of the pixel along them. ``depth`` is its distance along the camera axis.
    """

    s: np.ndarray
    t: np.ndarray
    width_s: np.ndarray
    width_t: np.ndarray
    depth: np.ndarray
    noise: Any


class Canvas:
    def __init__(self, camera, light, noise):
        self.camera = camera
        self.light = light
        self.noise = noise
        self.image = np.zeros((*camera.size, 3), np.float32)
        self.objects = []
        self._shadow = np.zeros(camera.size, np.uint8)

    def draw(self, label, faces, base=None):
        """Paint ``faces`` in the given order as one thing of class ``label``.

        ``base`` is the colour under the faces, which shows in their seams.
        Without it the thing is transparent where it has no face.
        """
        seen = []
        for face in faces:
            projected = self.camera.project_polygon(face.points)
            if projected is not None:
                seen.append((face, *projected))
        if not seen:
            return
        polygons = self._outlines(label, [pixels for _, pixels, _ in seen])
        if not polygons:
            return
        for polygon in polygons:
            self.objects.append(dict(label=label, polygon=polygon.tolist()))
        region, mask = self._mask(polygons)
        if len(faces) == 1:
            face, pixels, depth = seen[0]
            self._paint(face, mask, region, depth)
            return
        mask = mask * (0.55 + 0.45 * cv2.blur(mask, (3, 3)))
        if base is not None:
            depth = np.mean([depth for _, _, depth in seen])
            shade = self.light.ambient * 0.9
            self._blend(region, mask, np.asarray(base) * shade, depth)
        for face, pixels, depth in seen:
            if face.paint is not None:
                self._paint_part(face, pixels, depth, region, mask)

    def overlay(self, face):
        """Paint a marking over the picture. The labels do not change."""
        projected = self.camera.project_polygon(face.points)
        if projected is not None:
            rows, columns = self.camera.size
            self._paint_part(face, *projected, (0, 0, columns, rows), None)

    def outline(self, label, polygon):
        """Label a polygon that is given in fractions of the image.

        Return its region and mask, so that the caller can paint it.
        """
        rows, columns = self.camera.size
        polygon = np.rint(np.asarray(polygon) * (columns - 1, rows - 1))
        polygon = polygon.astype(int)
        self.objects.append(dict(label=label, polygon=polygon.tolist()))
        return self._mask([polygon])

    def add_shadow(self, points, strength=1.0):
        """Add the convex hull of world points, flat on the ground, to the shadows."""
        hull = cv2.convexHull(np.asarray(points, np.float32)[:, ::2])[:, 0]
        polygon = np.insert(hull, 1, 0.0, axis=1)
        projected = self.camera.project_polygon(polygon)
        if projected is not None:
            pixels = projected[0]
            x0, y0 = np.floor(pixels.min(0)).astype(int)
            x1, y1 = np.ceil(pixels.max(0)).astype(int) + 1
            layer = np.zeros((y1 - y0, x1 - x0), np.uint8)
            shifted = np.rint((pixels - (x0, y0)) * 16).astype(np.int32)
            cv2.fillPoly(layer, [shifted], int(255 * strength), cv2.LINE_AA, 4)
            below = self._shadow[y0:y1, x0:x1]
            np.maximum(below, layer, out=below)

    def cast_shadows(self):
        """Darken all shadows at once, so that overlaps are not darker."""
        sigma = 0.0015 * self.camera.size[1]
        shadow = cv2.GaussianBlur(self._shadow, (0, 0), sigma)
        shadow = shadow[..., None].astype(np.float32) / 255
        self.image *= 1 - shadow * (1 - self.light.in_shadow)

    def _outlines(self, label, pixels):
        rounded = [np.rint(p).astype(np.int32) for p in pixels]
        low = np.min([p.min(0) for p in rounded], 0)
        high = np.max([p.max(0) for p in rounded], 0)
        if (high - low).max() < 2:
            return []
        if len(rounded) == 1:
            return rounded
        union = np.zeros((high - low + 1)[::-1], np.uint8)
        for polygon in rounded:
            cv2.fillPoly(union, [polygon - low], 1)
        contours, _ = cv2.findContours(union, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        contours = sorted(contours, key=len, reverse=True)
        if name2label[label].hasInstances:
            contours = contours[:1]
        simple = [cv2.approxPolyDP(c, 0.6, True)[:, 0] + low for c in contours]
        return [c for c in simple if len(c) >= 3]

    def _mask(self, polygons):
        points = np.concatenate(polygons)
        x0, y0 = points.min(0).tolist()
        x1, y1 = (points.max(0) + 1).tolist()
        mask = Image.new('L', (x1 - x0, y1 - y0))
        drawer = ImageDraw.Draw(mask)
        for polygon in polygons:
            drawer.polygon([(x - x0, y - y0) for x, y in polygon.tolist()], fill=1)
        return (x0, y0, x1, y1), np.asarray(mask, np.float32)

    def _paint_part(self, face, pixels, depth, region, mask):
        if (pixels.max(0) - pixels.min(0)).max() < 0.5:
            return
        x0, y0 = np.maximum(np.floor(pixels.min(0)).astype(int), region[:2])
        x1, y1 = np.minimum(np.ceil(pixels.max(0)).astype(int) + 1, region[2:])
        if x1 <= x0 or y1 <= y0:
            return
        alpha = np.zeros((y1 - y0, x1 - x0), np.uint8)
        shifted = np.rint((pixels - (x0, y0)) * 16).astype(np.int32)
        cv2.fillPoly(alpha, [shifted], 255, cv2.LINE_AA, 4)
        alpha = alpha.astype(np.float32) / 255
        if mask is not None:
            left, top = region[:2]
            alpha *= mask[y0 - top : y1 - top, x0 - left : x1 - left]
        self._paint(face, alpha, (x0, y0, x1, y1), depth)

    def _paint(self, face, alpha, region, depth):
        shade = 1.0 if face.glows else self.light.shade(self._normal(face))
        if not callable(face.paint):
            self._blend(region, alpha, np.asarray(face.paint) * shade, depth)
            return
        patch = self._patch(face.plane, region)
        colour = face.paint(patch)
        if colour.shape[2] == 4:
            alpha = alpha * colour[..., 3]
        self._blend(region, alpha, colour[..., :3] * np.float32(shade), patch.depth[..., None])

    def _normal(self, face):
        points = np.asarray(face.points, float)
        normal = polygon_normal(points)
        normal = normal / max(np.sqrt(normal @ normal), 1e-9)
        towards = self.camera.position - points.mean(0)
        return normal if normal @ towards > 0 else -normal

    def _patch(self, plane, region):
        m = self.camera.plane_from_pixels(plane).astype(np.float32)
        x0, y0, x1, y1 = region
        x = np.arange(x0, x1, dtype=np.float32)[None]
        y = np.arange(y0, y1, dtype=np.float32)[:, None]
        depth = 1 / np.maximum(m[2, 0] * x + m[2, 1] * y + m[2, 2], 1e-3)
        s = (m[0, 0] * x + m[0, 1] * y + m[0, 2]) * depth
        t = (m[1, 0] * x + m[1, 1] * y + m[1, 2]) * depth
        width_s = depth * (abs(m[0, 0] - s * m[2, 0]) + abs(m[0, 1] - s * m[2, 1]))
        width_t = depth * (abs(m[1, 0] - t * m[2, 0]) + abs(m[1, 1] - t * m[2, 1]))
        return Patch(s, t, width_s, width_t, depth, self.noise)

    def _blend(self, region, alpha, colour, depth):
        x0, y0, x1, y1 = region
        clear = np.exp(-np.float32(depth) / self.light.visibility)
        hazy = colour * clear + self.light.haze * (1 - clear)
        below = self.image[y0:y1, x0:x1]
        below += (hazy.astype(np.float32) - below) * alpha[..., None]


def quad(plane, s0, t0, s1, t1):
    """Return the corners of a rectangle in a plane."""
    o, u, v = (np.array(a, float) for a in (plane.origin, plane.u, plane.v))
    return np.array([o + s * u + t * v for s, t in ((s0, t0), (s1, t0), (s1, t1), (s0, t1))])


def on_plane(plane, points):
    """Return the world points (N, 3) of coordinates (s, t) in a plane, (N, 2)."""
    points = np.asarray(points, float)
    return (
        np.array(plane.origin, float)
        + points[:, :1] * np.array(plane.u, float)
        + points[:, 1:] * np.array(plane.v, float)
    )


def ground_rectangle(x0, z0, x1, z1, y=0.0):
    return np.array([[x0, y, z0], [x1, y, z0], [x1, y, z1], [x0, y, z1]])


def ground_plane(y=0.0):
    return GROUND if y == 0 else Plane((0, y, 0), (1, 0, 0), (0, 0, 1))
