"""Noise, and surfaces made from it.

A surface is a function: it takes a :class:`~.canvas.Patch` and returns a colour
per pixel. It averages repeated patterns over the size of the pixel, so they
fade with distance and do not alias.
"""

import cv2
import numpy as np

TILE = 256


class Noise:
    """Three periodic noise tiles with mean 0 and standard deviation 1."""

    def __init__(self, rng):
        self.tiles = {
            name: self._tile(rng, slope)
            for name, slope in (('smooth', 1.7), ('rough', 1.0), ('grain', 0.3))
        }

    @staticmethod
    def _tile(rng, slope):
        frequency = np.hypot(np.fft.fftfreq(TILE)[:, None], np.fft.rfftfreq(TILE)[None])
        frequency[0, 0] = 1
        spectrum = np.fft.rfft2(rng.standard_normal((TILE, TILE)))
        spectrum = spectrum / frequency**slope
        spectrum[0, 0] = 0
        tile = np.fft.irfft2(spectrum, (TILE, TILE))
        return (tile / tile.std()).astype(np.float32)

    def sample(self, name, u, v):
        """Return the noise at texel coordinates. They wrap around."""
        return cv2.remap(
            self.tiles[name],
            np.mod(u, TILE, dtype=np.float32),
            np.mod(v, TILE, dtype=np.float32),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_WRAP,
        )


def speckle(patch, name, texel, shift=0.0):
    """Return noise with texels of ``texel`` metres. It fades out where pixels are much larger."""
    width = np.maximum(patch.width_s, patch.width_t)
    reach = {'grain': 2.0, 'rough': 6.0, 'smooth': 25.0}[name]
    fade = np.clip(1.3 - width / (reach * texel), 0, 1)
    return fade * patch.noise.sample(name, patch.s / texel + shift, patch.t / texel + shift)


def stripes(x, period, thickness, width):
    """Return the share of each pixel that periodic stripes cover.

    The first stripe starts at 0; ``width`` is the size of the pixel.
    """

    def covered_up_to(a):
        turns = np.floor(a / period)
        return turns * thickness + np.minimum(a - turns * period, thickness)

    width = np.maximum(width, 1e-4)
    return (covered_up_to(x + width / 2) - covered_up_to(x - width / 2)) / width


def mix(a, b, share):
    """Interpolate from ``a`` to ``b`` (colours or images) by a share per pixel."""
    share = share[..., None]
    return np.asarray(a, np.float32) * (1 - share) + np.asarray(b, np.float32) * share


def tinted(colour, brightness):
    return np.asarray(colour, np.float32) * brightness[..., None]


def pavement(rng, colour, joints):
    """Return asphalt, or slabs of concrete that are ``joints`` metres wide if not None."""
    grain, blotch, shift = rng.uniform(0.03, 0.08), rng.uniform(0.02, 0.07), rng.uniform(0, TILE)
    joint_depth = rng.uniform(0.1, 0.3)
    offset = rng.uniform(0, 5)

    def paint(patch):
        brightness = (
            1
            + grain * speckle(patch, 'grain', 0.012, shift)
            + 0.7 * grain * speckle(patch, 'grain', 0.04, shift)
            + 0.6 * grain * speckle(patch, 'rough', 0.12, shift)
            + blotch * speckle(patch, 'smooth', 0.14, shift)
        )
        if joints is not None:
            row = np.floor(patch.t / joints)
            across = stripes(
                patch.s + offset + 0.5 * joints * (row % 2), joints, 0.03, patch.width_s
            )
            along = stripes(patch.t, joints, 0.03, patch.width_t)
            brightness *= 1 - joint_depth * np.maximum(across, along)
        return tinted(colour, brightness)

    return paint


def greenery(rng, colour, texel=0.05):
    """Return the speckled surface of grass, hedges, tree crowns and bark."""
    other = np.clip(colour * rng.uniform(0.75, 1.3, 3), 0, 1)
    shift = rng.uniform(0, TILE)
    strength = rng.uniform(0.16, 0.26)

    def paint(patch):
        patchy = np.clip(0.5 + 0.35 * speckle(patch, 'smooth', texel * 4, shift), 0, 1)
        brightness = (
            1
            + strength * speckle(patch, 'rough', texel, shift)
            + strength * speckle(patch, 'grain', 0.4 * texel, shift)
        )
        return mix(colour, other, patchy) * np.clip(brightness, 0.3, 1.9)[..., None]

    return paint


def masonry(rng, colour, kind):
    """Return brick, plaster, concrete panels or boards, for houses and walls."""
    shift = rng.uniform(0, TILE)
    mortar = np.clip(colour * rng.uniform(0.7, 1.4), 0, 0.9)
    length, height = {
        'brick': (0.3, 0.1),
        'panel': (rng.uniform(1.5, 3), rng.uniform(1, 3)),
        'board': (50.0, 0.22),
        'plaster': (None, None),
    }[kind]
    stain = rng.uniform(0.03, 0.1)

    def paint(patch):
        brightness = (
            1
            + stain * speckle(patch, 'smooth', 0.1, shift)
            + 0.04 * speckle(patch, 'grain', 0.04, shift)
            - 0.12 * np.exp(-np.abs(patch.t) / 0.5)
        )
        surface = tinted(colour, brightness)
        if length is None:
            return surface
        row = np.floor(patch.t / height)
        seams = np.maximum(
            stripes(patch.s + 0.5 * length * (row % 2), length, 0.02, patch.width_s),
            stripes(patch.t, height, 0.02, patch.width_t),
        )
        return mix(surface, mortar, 0.6 * np.clip(seams, 0, 1))

    return paint


def glossy(colour, sky, height):
    """Return body paint. Its upper part reflects the sky."""
    colour = np.asarray(colour, np.float32)

    def paint(patch):
        up = np.clip(patch.t / height, 0, 1)
        dull = tinted(colour, 0.8 + 0.25 * up)
        sheen = 0.22 * up**2 + 0.06 * np.clip(speckle(patch, 'smooth', 0.05), -1, 1)
        return mix(dull, sky, np.clip(sheen, 0, 1))

    return paint
