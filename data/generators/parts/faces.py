"""Faces in the 34 parts of FacesDataset. They look roughly at the camera."""

import numpy as np
from afno_mm.datasets.datasetgan import FacesDataset

from .canvas import Canvas, curve, ellipse, mirrored

SKIN = ('head', 'cheek', 'chin', 'jaw', 'forehead', 'temple', 'frown', 'wrinkles', 'philtrum')
NOSE = ('nose', 'nose bridge', 'nose tip', 'ala of nose')
EYELIDS = ('top lid', 'bottom lid')
SIDES = (-1, 1)


def paint_face(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Paint one face. Return the picture (size, size, 3) and its labels (size, size), uint8."""
    return Face(rng, size).paint()


class Face:
    """A face in its own coordinates: y from -1 (top) to 1 (chin), eyes near y = 0."""

    def __init__(self, rng, size):
        self.rng = rng
        self.width, self.jaw = rng.uniform(0.56, 0.66), rng.uniform(0.85, 1.1)
        self.long = rng.random() < 0.5  # long hair
        self.yaw, self.pitch = rng.uniform(-0.4, 0.4), rng.uniform(-0.1, 0.08)
        roll, scale = rng.normal(0, 0.07), rng.uniform(0.35, 0.41)
        centre = rng.uniform(-0.04, 0.04, 2) + (0.5, 0.51)
        turn = scale * np.array([[np.cos(roll), np.sin(roll)], [-np.sin(roll), np.cos(roll)]])
        self.draw = Canvas(size, FacesDataset.METAINFO['classes'], rng, lambda p: p @ turn + centre)
        pale, dark = np.array([0.96, 0.82, 0.73]), np.array([0.36, 0.22, 0.16])
        self.skin = (pale + (dark - pale) * rng.random() ** 1.5) * rng.uniform(0.95, 1.05, 3)
        self.lips = self.skin * (
            rng.uniform(0.8, 0.95),
            rng.uniform(0.5, 0.68),
            rng.uniform(0.52, 0.7),
        )
        hairs = (
            (0.12, 0.09, 0.08),
            (0.3, 0.19, 0.1),
            (0.62, 0.45, 0.25),
            (0.5, 0.24, 0.12),
            (0.6, 0.6, 0.6),
        )
        self.hair = np.array(hairs[rng.integers(5)]) * rng.uniform(0.7, 1.2)

    def on_skull(self, points):
        """Move points of a frontal face to their places on the turned head."""
        points = np.array(points, float)
        around = np.arcsin(np.clip(points[:, 0] / self.width, -1, 1))
        yaw = self.yaw * (1 - 0.5 * np.clip((points[:, 1] - 0.3) / 0.6, 0, 1))
        points[:, 0] = self.width * np.sin(np.clip(around + yaw, -1.5, 1.5))
        points[:, 1] += self.pitch * (1 - 0.4 * (points[:, 1] + 0.1) ** 2)
        return points

    def feature(self, name, points, colour=None, over=SKIN, **options):
        self.draw.part(name, self.on_skull(points), colour, over, **options)

    def tint(self, points, colour, strength, blur, over=SKIN + NOSE, **options):
        self.draw.tint(self.on_skull(points), colour, strength, blur, over, **options)

    def paint(self):
        self.draw.background(blur=self.rng.uniform(0.01, 0.025))
        self.strands = (
            self.hair
            * (1 + 0.22 * self.draw.noise(90, 5) + 0.12 * self.draw.noise(25, 3))[..., None]
        )
        self.hair_behind()
        self.bust()
        ears = {side: side * np.sin(self.yaw) < 0 for side in SIDES}
        for side in SIDES:
            if not ears[side]:
                self.ear(side)
        self.head()
        for side in SIDES:
            if ears[side]:
                self.ear(side)
        self.nose()
        self.mouth()
        for side in SIDES:
            self.eye(side)
        self.hair_in_front()
        self.shine()
        return self.draw.photo()

    def hair_behind(self):
        w, rng = self.width, self.rng
        if self.long:
            end = rng.uniform(0.7, 1.4)
            half = [
                (0, -1.12),
                (w * 0.75, -1.02),
                (w * 1.25, -0.5),
                (w * 1.38, 0.1),
                (w * rng.uniform(1.2, 1.6), end),
                (w * 0.5, end + 0.1),
                (0, end),
            ]
        else:
            half = [
                (0, -1.1),
                (w * 0.7, -1.03),
                (w * 1.12, -0.6),
                (w * 1.1, -0.1),
                (w * 0.9, 0.2),
                (0, 0.2),
            ]
        self.draw.part('hair', curve(mirrored(half), closed=True), self.strands)

    def bust(self):
        rng, w = self.rng, self.width
        neck = [(w * 0.62, 0.4), (w * 0.55, 0.85), (w * 0.68, 1.15), (w * 1.1, 1.6), (0, 1.7)]
        cloth = rng.uniform(0.05, 0.9, 3) * rng.uniform(0.4, 1)
        shoulders = [(w * 0.75, 1.08), (w * 1.4, 1.2), (w * 2.6, 1.4), (w * 3, 2.2), (0, 2.2)]
        weave = cloth * (1 + 0.06 * self.draw.noise(80, 80))[..., None]
        self.draw.part('neck', curve(mirrored(neck)), self.skin * 0.88)
        # Clothes are background, as in the published labels.
        neckline = rng.uniform(1.2, 1.5)
        self.draw.part('background', mirrored([(0, neckline), *shoulders]), weave)
        shadow = self.skin * 0.45
        self.draw.tint(
            ellipse(0.1 * self.yaw, 0.72, w * 0.8, 0.32), shadow, 0.8, 0.03, over=('neck',)
        )

    def ear(self, side):
        x = side * self.width * (np.cos(self.yaw) + 0.04) + 0.12 * self.yaw
        y = 0.05 + 0.6 * self.pitch
        tilt = side * 0.15
        self.draw.part('ear', ellipse(x, y, 0.1, 0.2, tilt), self.skin * 0.95)
        rim = ellipse(x + side * 0.01, y - 0.03, 0.085, 0.17, tilt, np.pi * 1.0, np.pi * 2.2)
        if side < 0:
            rim = ellipse(x + side * 0.01, y - 0.03, 0.085, 0.17, tilt, np.pi * 0.8, np.pi * 2.0)
        self.draw.part('ear helix', rim, self.skin * 1.04, width=0.022, over=('ear',))
        self.draw.part(
            'ear lobule',
            ellipse(x - side * 0.02, y + 0.15, 0.06, 0.06),
            self.skin * 1.0,
            over=('ear', 'ear helix'),
        )
        self.draw.tint(ellipse(x, y, 0.04, 0.09, tilt), self.skin * 0.5, 0.7, 0.008, over=('ear',))

    def head(self):
        rng, w, jaw = self.rng, self.width, self.jaw

        def outline(shrink=1.0):
            half = [
                (0, -0.98),
                (w * 0.56, -0.9),
                (w * 0.92, -0.6),
                (w, -0.2),
                (w * 0.96, 0.15),
                (w * 0.84 * jaw, 0.5),
                (w * 0.5 * jaw, 0.8),
                (w * 0.2, 0.93),
                (0, 0.94),
            ]
            return curve(mirrored(np.multiply(half, shrink)), closed=True)

        self.draw.part('head', outline(), self.skin)
        pores = 1 + 0.025 * self.draw.noise(110, 110) + 0.03 * self.draw.noise(9, 9)
        self.draw.light(pores, over=('head', 'ear', 'neck'))
        self.draw.part('jaw', [(-2, 0.38), (2, 0.38), (2, 2), (-2, 2)], over=('head',))
        inner = outline(0.86)
        self.draw.part('head', inner, over=('jaw',))
        brow = -0.38 + rng.uniform(-0.02, 0.02)
        self.feature(
            'forehead',
            curve(
                [(-0.44, brow), (-0.4, -1), (0.4, -1), (0.44, brow), (0, brow - 0.03)], closed=True
            ),
            over=('head',),
        )
        for side in SIDES:
            self.feature('temple', ellipse(side * 0.58, -0.28, 0.14, 0.28), over=('head',))
            cheek = ellipse(side * 0.37, 0.2, 0.17, 0.2, side * 0.35)
            self.feature('cheek', cheek, over=('head', 'jaw'))
            self.tint(cheek, self.skin * (1.08, 0.82, 0.82), rng.uniform(0.1, 0.5), 0.025)
        self.feature('chin', ellipse(0, 0.76, 0.2, 0.16), over=('head', 'jaw'))
        self.tint(ellipse(0, 0.635, 0.16, 0.03), self.skin * 0.7, 0.5, 0.012)
        self.feature(
            'frown',
            curve([(-0.09, -0.42), (0.09, -0.42), (0.06, -0.16), (-0.06, -0.16)], closed=True),
            self.skin * 0.96,
        )
        crease = self.skin * rng.uniform(0.6, 0.8)
        for side in SIDES:
            self.tint(
                [(side * 0.03, -0.36), (side * 0.025, -0.25)], crease, 0.6, 0.003, width=0.006
            )
        if rng.random() < 0.6:
            for y in rng.choice([-0.5, -0.6, -0.7], rng.integers(1, 4), replace=False):
                bow = [(-0.28, y + 0.03), (0, y - 0.01), (0.28, y + 0.03)]
                self.feature('wrinkles', curve(bow), crease, width=0.011)
        if rng.random() < 0.6:
            for side in SIDES:
                fold = np.array([(0.19, 0.24), (0.27, 0.36), (0.29, 0.5)]) * (side, 1)
                self.feature('wrinkles', curve(fold), crease, width=0.011)
        self.feature('philtrum', [(-0.04, 0.29), (0.04, 0.29), (0.065, 0.43), (-0.065, 0.43)])
        self.tint([(0, 0.3), (0, 0.4)], self.skin * 0.75, 0.5, 0.008, width=0.012)

    def nose(self):
        rng, skin = self.rng, self.skin
        wide = rng.uniform(0.85, 1.15)
        shadow, side = skin * 0.62, -1 if self.yaw > 0 else 1
        outline = np.array([(0.06, -0.2), (0.07, 0), (0.11, 0.14), (0.15, 0.27), (0, 0.32)])
        self.feature('nose', curve(mirrored(outline * (wide, 1))), skin * 1.0)
        self.tint(
            curve([(side * 0.07, -0.15), (side * 0.08, 0.05), (side * 0.16, 0.22)]),
            shadow,
            0.45,
            0.008,
            over=('nose', 'cheek', 'head'),
            width=0.02,
        )
        bridge = np.array([(0.035, -0.2), (0.032, 0), (0.045, 0.13)])
        self.feature('nose bridge', mirrored(bridge * (wide, 1)), skin * 1.08, over=('nose',))
        for s in SIDES:
            self.feature(
                'ala of nose',
                ellipse(s * 0.13 * wide, 0.245, 0.058, 0.055),
                skin * 0.93,
                over=NOSE + SKIN,
            )
        self.feature('nose tip', ellipse(0, 0.2, 0.085 * wide, 0.075), skin * 1.04, over=NOSE)
        self.tint(ellipse(-0.02, 0.18, 0.03, 0.025), np.ones(3), 0.35, 0.006, over=('nose tip',))
        for s in SIDES:
            self.feature(
                'nostril',
                ellipse(s * 0.068 * wide, 0.275, 0.034, 0.021, s * 0.25),
                skin * 0.25,
                over=NOSE + SKIN,
            )

    def mouth(self):
        rng, lips = self.rng, self.lips
        w, y, thick = rng.uniform(0.19, 0.25), rng.uniform(0.46, 0.5), rng.uniform(0.8, 1.3)
        smile = rng.uniform(-0.01, 0.06)
        gap = rng.choice([0.003, rng.uniform(0.03, 0.07)])
        if rng.random() < 0.45:
            half = [(0, 0.34), (0.1, 0.33), (0.22, 0.37), (0.26, y - 0.02), (0.2, 0.42), (0, 0.4)]
            self.feature('moustache', mirrored(half), self.strands * 0.9)
        over = SKIN + ('moustache', 'superior lip', 'inferior lip', 'oral commissure', 'teeth')
        ends = (w, y - smile)
        top = [
            (0, y - 0.035 * thick - gap),
            (0.05, y - 0.055 * thick - gap),
            (w * 0.6, y - 0.04 - gap),
        ]
        low = [(w * 0.6, y + 0.055 * thick + gap), (0, y + 0.085 * thick + gap)]
        inside = [(w * 0.8, y - smile * 0.7), (w * 0.5, y + gap), (0, y + 1.2 * gap)]
        self.feature('inferior lip', curve(mirrored([(0, y), ends, *low])), lips, over)
        self.feature(
            'superior lip', curve(mirrored([*top, ends, (0, y + 0.3 * gap)])), lips * 0.85, over
        )
        slit = curve(mirrored([(0, y - gap), (w * 0.5, y - gap), *inside]))
        if gap > 0.01:
            self.feature('teeth', slit, np.array([0.93, 0.91, 0.86]), over)
        else:
            self.tint(
                curve([(-w * 0.9, y - smile), (0, y + 0.005), (w * 0.9, y - smile)]),
                lips * 0.3,
                0.8,
                0.003,
                over,
                width=0.008,
            )
        for side in SIDES:
            self.feature(
                'oral commissure', ellipse(side * w, y - smile, 0.032, 0.026), lips * 0.6, over
            )
        self.tint(ellipse(0, y + 0.05 * thick + gap, 0.06, 0.015), np.ones(3), 0.25, 0.005, over)

    def eye(self, side):
        rng, skin = self.rng, self.skin
        if side == SIDES[0]:
            self.iris = np.array(
                [(0.3, 0.18, 0.08), (0.2, 0.35, 0.5), (0.25, 0.4, 0.25), (0.15, 0.1, 0.08)][
                    rng.integers(4)
                ]
            )
            self.gaze = rng.uniform(-0.025, 0.025)
            self.open = rng.uniform(0.045, 0.062)
            self.brow = rng.uniform(0.03, 0.05), rng.uniform(-0.05, 0.02)
        x0, y0, w, h = side * 0.28, -0.1, 0.14, self.open
        x = np.linspace(-1, 1, 17)
        arch = 1 - np.abs(x) ** 2.2

        def almond(above, below, wide=1.0):
            upper = np.stack([x0 + w * wide * x, y0 - above * arch], 1)
            return np.concatenate(
                [upper, np.stack([x0 + w * wide * x, y0 + below * arch], 1)[::-1]]
            )

        over = SKIN + NOSE
        self.tint(ellipse(x0, y0 - 0.03, 0.19, 0.13), skin * 0.6, 0.4, 0.02)
        self.feature('top lid', almond(h + 0.06, 0, 1.1), skin * 0.86, over)
        self.feature('bottom lid', almond(0, 0.8 * h + 0.045, 1.1), skin * 0.9, over)
        eye = EYELIDS + ('eyelashes', 'sclera')
        self.feature(
            'eyelashes', almond(h + 0.022, 0.4 * h, 1.08), np.array([0.06, 0.05, 0.05]), eye
        )
        self.feature('sclera', almond(h, 0.8 * h), np.array([0.92, 0.9, 0.88]), eye)
        xi, yi = x0 + self.gaze, y0 - 0.004
        self.feature('iris', ellipse(xi, yi, 0.064, 0.064), self.iris, ('sclera',))
        self.feature(
            'pupil', ellipse(xi, yi, 0.029, 0.029), np.array([0.02, 0.02, 0.02]), ('iris',)
        )
        self.tint(
            ellipse(xi - 0.02, yi - 0.025, 0.012, 0.012), np.ones(3), 0.9, 0.002, ('iris', 'pupil')
        )
        self.feature(
            'tear duct',
            ellipse(x0 - side * w * 0.9, y0 + 0.012, 0.034, 0.026),
            skin * (1.0, 0.6, 0.58),
            eye,
        )
        thick, slope = self.brow
        inner, outer = x0 - side * 0.13, x0 + side * 0.17
        brow = curve(
            [
                (inner, -0.26 - thick),
                (x0 + side * 0.05, -0.31 + slope),
                (outer, -0.24),
                (x0 + side * 0.05, -0.29 + slope + thick),
                (inner, -0.26 + thick),
            ]
        )
        self.feature('eyebrow', brow, self.strands * 0.8, SKIN + NOSE + EYELIDS)

    def hair_in_front(self):
        rng, w = self.rng, self.width
        part, low = rng.uniform(-0.3, 0.3), rng.uniform(-0.75, -0.5)
        line = [
            (-w * 1.08, 0.05 if self.long else -0.35),
            (-w * 0.93, low + 0.15),
            (-w * 0.5, low),
            (part, low - rng.uniform(0.02, 0.12)),
            (w * 0.5, low),
            (w * 0.93, low + 0.15),
            (w * 1.08, 0.05 if self.long else -0.35),
        ]
        top = [(w * 1.15, -0.6), (w * 0.7, -1.05), (0, -1.14), (-w * 0.7, -1.05), (-w * 1.15, -0.6)]
        over = SKIN + ('hair', 'background', 'ear', 'ear helix')
        for side in SIDES:
            strip = np.array([(1.02, -0.55), (0.99, 0.12), (0.88, 0.16), (0.85, -0.55)]) * (
                side * w,
                1,
            )
            strip[:, 0] += 0.04 * self.yaw
            self.draw.part('sideburns', strip, self.strands * 0.92, SKIN)
        self.draw.part('hair', curve([*line, *top], closed=True), self.strands, over)
        edge = curve(line) + (0, 0.03)
        self.draw.tint(edge, self.skin * 0.5, 0.5, 0.01, SKIN, width=0.02)

    def shine(self):
        """Light the face from one side, like a ball."""
        rng = self.rng
        x, y = self.draw.grid()
        left, below = self.draw.to_picture(np.array([(-self.width, 0), (0, 0.94)]))
        centre = self.draw.to_picture(np.zeros((1, 2)))[0]
        u, v = (x - centre[0]) / abs(centre - left).max(), (y - centre[1]) / (below - centre)[1]
        depth = np.sqrt(np.clip(1.25 - 0.8 * u**2 - 0.5 * v**2, 0.05, None))
        direction = np.array([rng.uniform(-0.7, 0.7), rng.uniform(-0.6, 0), 1.0])
        direction /= np.sqrt(direction @ direction)
        shade = np.clip(direction[0] * u + direction[1] * v + direction[2] * depth, 0, None)
        ambient = rng.uniform(0.3, 0.55)
        parts = [name for name in self.draw.ids if name != 'background']
        self.draw.light((ambient + (1.1 - ambient) * shade).astype(np.float32), over=parts)
