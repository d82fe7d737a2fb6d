"""Render one scene: plan it, sort its things, paint them, simulate the camera."""

import cv2
import numpy as np

from .camera import Camera
from .canvas import Canvas
from .ground import paint_sky
from .light import random_light
from .lots import Lots, backdrop
from .street import Street
from .textures import Noise
from .thing import far_to_near
from .traffic import cross_traffic, lane_traffic, parked, people, sidewalk_things, signals, trains

SPLITS = {'train': 0, 'val': 1}


def generator(seed, split, index, purpose):
    return np.random.default_rng((seed, SPLITS[split], index, purpose))


def render_scene(
    seed: int, split: str, index: int, size: tuple[int, int]
) -> tuple[np.ndarray, dict]:
    """Return the picture (uint8 RGB, (H, W, 3)) and its Cityscapes annotation.

    They depend only on the arguments. Scenes of the same ``seed``, ``split``
    and ``index`` show the same place at every ``size`` (H, W).
    """
    if split not in SPLITS:
        raise ValueError(f'found split={split!r}; wanted one of {sorted(SPLITS)}')
    rng = generator(seed, split, index, 0)
    camera = Camera(
        size,
        focal=rng.uniform(0.72, 0.95),
        height=rng.uniform(1.25, 1.9),
        lateral=rng.uniform(-0.35, 0.35),
        yaw=rng.normal(0, 0.05),
        pitch=rng.uniform(0.02, 0.075),
    )
    canvas = Canvas(camera, random_light(rng), Noise(generator(seed, split, index, 1)))
    ground, things = plan(rng)
    paint_sky(canvas, rng.uniform(0.7, 1.5))
    for piece in ground:
        piece.draw(canvas)
    for thing in things:
        thing.cast_shadow(canvas)
    canvas.cast_shadows()
    for thing in far_to_near(things, camera.position):
        thing.draw(canvas)
    if rng.random() < 0.35:
        paint_bonnet(rng, canvas)
    image = expose(canvas.image, rng, generator(seed, split, index, 2))
    rows, columns = size
    return image, dict(imgHeight=rows, imgWidth=columns, objects=canvas.objects)


def plan(rng):
    """Return the pieces of ground, in painting order, and the things, in any order."""
    street = Street(rng)
    lots = Lots(rng, street)
    lots.fill()
    ground = street.ground(rng)
    things = lots.things + backdrop(rng, street)
    for group in (trains, lane_traffic, cross_traffic, parked, sidewalk_things, signals, people):
        things += group(rng, street)
    return ground[:1] + lots.ground + ground[1:], things


def paint_bonnet(rng, canvas):
    """Paint the bonnet of the camera's car, class ego vehicle, along the lower edge."""
    rise = rng.uniform(0.05, 0.1)
    across = np.linspace(0, 1, 24)
    edge = 1 - rise * (1 - 0.55 * (2 * across - 1) ** 4)
    polygon = [(0, 1), *zip(across, edge), (1, 1)]
    (x0, y0, x1, y1), mask = canvas.outline('ego vehicle', polygon)
    tone = rng.uniform(0.06, 0.5) * rng.uniform(0.9, 1.1, 3)
    down = np.linspace(0, 1, y1 - y0)[:, None, None]
    paint = tone + 0.35 * canvas.light.haze * (1 - down) ** 2
    region = canvas.image[y0:y1, x0:x1]
    region += (paint - region) * mask[..., None]


def expose(image, rng, noise_rng):
    """Simulate camera and lens: exposure, blur, vignette, colour cast and noise."""
    rows, columns = image.shape[:2]
    blur = rng.uniform(0.3, 0.55)
    cast = rng.uniform(0.93, 1.07, 3) * rng.uniform(0.85, 1.12)
    exposure = (0.45 / image.mean()) ** rng.uniform(0.5, 0.8)
    contrast = rng.uniform(0.9, 1.12)
    vignette = rng.uniform(0, 0.25)
    grain = rng.uniform(0.006, 0.02)
    image = cv2.GaussianBlur(image, (0, 0), blur * max(1, columns / 1024))
    x = np.linspace(-1, 1, columns, dtype=np.float32)[None]
    y = np.linspace(-0.5, 0.5, rows, dtype=np.float32)[:, None]
    falloff = 1 - vignette * (x * x + y * y)
    image = image * falloff[..., None] * (exposure * cast).astype(np.float32)
    image = 0.45 + (image - 0.45) * np.float32(contrast)
    image += noise_rng.standard_normal(image.shape, np.float32) * np.float32(grain)
    return np.clip(np.rint(image * 255), 0, 255).astype(np.uint8)
