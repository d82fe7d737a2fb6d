"""Paint a picture and its labels together.

One mask per part paints both, at three times the final size. A final pixel gets the label of its
centre and the mean colour of its area.
"""

import cv2
import numpy as np

FINE = 3  # fine pixels per final pixel; odd, so that one of them is in the centre
SHIFT = 4  # fractional bits of the coordinates that OpenCV gets


class Canvas:
    """Paints parts over each other. The caller chooses the coordinates.

    Args:
        size: Height and width in pixels.
        classes: Names of the parts. The first is the background.
        rng: Random generator for textures.
        to_picture: Maps points of the caller, (N, 2) or (N, 3), to fractions of the picture,
            (N, 2), with x to the right and y down.
    """

    def __init__(self, size, classes, rng, to_picture):
        self.fine = FINE * size
        self.ids = {name: label for label, name in enumerate(classes)}
        self.rng = rng
        self.to_picture = to_picture
        self.image = np.zeros((self.fine, self.fine, 3), np.float32)
        self.labels = np.zeros((self.fine, self.fine), np.uint8)

    def part(self, name, outline, colour=None, over=None, width=None):
        """Paint one part.

        Args:
            name: Class of the part.
            outline: Outline of the part. With ``width``: a line to draw.
            colour: RGB in 0..1, or a whole picture of colours. Default: only the labels change.
            over: Paint only over parts of these classes.
            width: Width of the line, in fractions of the picture.
        """
        region, mask = self._mask(outline, width)
        mask = mask > 0
        if over is not None:
            mask &= self._on(over, region)
        self.labels[region][mask] = self.ids[name]
        if colour is not None:
            colour = np.broadcast_to(np.asarray(colour, np.float32), self.image.shape)
            self.image[region][mask] = colour[region][mask]

    def tint(self, outline, colour, strength=1.0, blur=0.01, over=None, width=None):
        """Blend a colour into the picture, with soft edges. The labels do not change."""
        region, mask = self._mask(outline, width, margin=3 * blur)
        if not mask.size:
            return
        mask = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), blur * self.fine)
        if over is not None:
            mask *= self._on(over, region)
        image = self.image[region]
        image += (np.asarray(colour, np.float32) - image) * (strength * mask[..., None])

    def light(self, brightness, over):
        """Multiply the picture by a brightness per pixel, on the parts ``over``."""
        where = self._on(over)
        self.image[where] *= brightness[where, None]

    def _mask(self, outline, width=None, margin=0.0):
        """Return the region around an outline, and a mask of its inside (or of the line) there."""
        points = self.to_picture(np.asarray(outline, float)) * self.fine - 0.5
        margin = self.fine * (margin + (width or 0)) + 2
        left, top = np.clip(points.min(0) - margin, 0, self.fine).astype(int)
        right, bottom = np.clip(points.max(0) + margin, 0, self.fine).astype(int)
        mask = np.zeros((bottom - top, right - left), np.uint8)
        points = [np.rint((points - (left, top)) * 2**SHIFT).astype(np.int32)]
        if mask.size and width is None:
            cv2.fillPoly(mask, points, 1, cv2.LINE_8, SHIFT)
        elif mask.size:
            thickness = max(1, round(width * self.fine))
            cv2.polylines(mask, points, False, 1, thickness, cv2.LINE_8, SHIFT)
        return (slice(top, bottom), slice(left, right)), mask

    def _on(self, names, region=...):
        chosen = np.zeros(256, bool)
        chosen[[self.ids[name] for name in names]] = True
        return chosen[self.labels[region]]

    def noise(self, across, down):
        """Return smooth noise with about ``across`` x ``down`` bumps in the picture."""
        coarse = self.rng.standard_normal((max(2, round(down)), max(2, round(across))))
        return cv2.resize(
            coarse.astype(np.float32), (self.fine, self.fine), interpolation=cv2.INTER_CUBIC
        )

    def grid(self):
        """Return x and y of the pixels in fractions of the picture."""
        x = (np.arange(self.fine, dtype=np.float32) + 0.5) / self.fine
        return np.meshgrid(x, x)

    def background(self, blur):
        """Paint a gradient with shapes and grain. ``blur`` is a fraction of the picture."""
        rng, size = self.rng, self.fine // FINE
        x = np.linspace(0, 1, size, dtype=np.float32)
        ends = rng.uniform(0.05, 0.9, (2, 3))
        angle = rng.uniform(0, 2 * np.pi)
        along = 0.5 + (np.cos(angle) * (x - 0.5) + np.sin(angle) * (x[:, None] - 0.5)) / 1.4
        image = ends[0] + (ends[1] - ends[0]) * along[..., None]
        for _ in range(rng.integers(3, 9)):
            centre, radius = rng.integers(0, size, 2), int(rng.uniform(0.03, 0.2) * size)
            shape = np.zeros((size, size), np.uint8)
            if rng.random() < 0.5:
                cv2.circle(shape, centre.tolist(), radius, 1, -1)
            else:
                cv2.rectangle(shape, (centre - radius).tolist(), (centre + radius).tolist(), 1, -1)
            image += (rng.random(3) - image) * (rng.uniform(0.2, 0.8) * shape[..., None])
        image = 0.6 * image + 0.4 * image.mean(2, keepdims=True)
        image = cv2.GaussianBlur(image.astype(np.float32), (0, 0), blur * size)
        image = cv2.resize(image, (self.fine, self.fine), interpolation=cv2.INTER_LINEAR)
        self.image[:] = image * (1 + 0.04 * self.noise(60, 60)[..., None])

    def photo(self):
        """Return the picture (size, size, 3), as from a camera, and its labels. Both are uint8."""
        rng = self.rng
        size = self.fine // FINE
        image = cv2.resize(self.image, (size, size), interpolation=cv2.INTER_AREA)
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 0.6) * max(1, size / 256))
        image = 0.5 + (
            image * rng.uniform(0.93, 1.07, 3) * rng.uniform(0.8, 1.15) - 0.5
        ) * rng.uniform(0.85, 1.1)
        image += rng.standard_normal(image.shape, np.float32) * rng.uniform(0.005, 0.02)
        image = np.clip(np.rint(255 * image), 0, 255).astype(np.uint8)
        return image, self.labels[FINE // 2 :: FINE, FINE // 2 :: FINE].copy()


def ellipse(x, y, radius_x, radius_y, angle=0.0, start=0.0, stop=2 * np.pi):
    """Return points of an ellipse or an arc. Angles are in radians, clockwise in the picture."""
    t = np.linspace(start, stop, 48)
    u, v = radius_x * np.cos(t), radius_y * np.sin(t)
    c, s = np.cos(angle), np.sin(angle)
    return np.stack([x + c * u - s * v, y + s * u + c * v], 1)


def curve(points, closed=False, steps=12):
    """Return a smooth line through points (Catmull-Rom spline)."""
    p = np.asarray(points, float)
    p = np.concatenate(
        [p[-1:], p, p[:2]] if closed else [2 * p[:1] - p[1:2], p, 2 * p[-1:] - p[-2:-1]]
    )
    t = np.linspace(0, 1, steps, endpoint=False)[:, None, None]
    a, b, c, d = p[:-3], p[1:-2], p[2:-1], p[3:]
    line = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    line = line.transpose(1, 0, 2).reshape(-1, p.shape[1])
    return line if closed else np.concatenate([line, p[-2:-1]])


def mirrored(half):
    """Return a closed outline. ``half`` is its right half, from top to bottom, from x = 0."""
    half = np.asarray(half, float)
    return np.concatenate([half, half[::-1] * (-1, 1)])
