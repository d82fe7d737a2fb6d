"""Faces looking more or less at the camera, in the 34 parts of FacesDataset."""
import numpy as np

from ..datasetgan import FacesDataset
from .canvas import Canvas, curve, ellipse, mirrored

SKIN = ('head', 'cheek', 'chin', 'jaw', 'forehead', 'temple', 'frown', 'wrinkles', 'philtrum')
NOSE = ('nose', 'nose bridge', 'nose tip', 'ala of nose')
EYELIDS = ('top lid', 'bottom lid')
SIDES = (-1, 1)


def paint_face(rng, size):
    """One face: a picture ``(size, size, 3)`` and its labels ``(size, size)``, uint8."""
    return Face(rng, size).paint()


class Face:
    """A face in coordinates of its own: half as wide as it is high, eyes near y = 0."""

    def __init__(self, rng, size):
        self.rng = rng
        self.width, self.jaw = rng.uniform(.56, .66), rng.uniform(.85, 1.1)
        self.long = rng.random() < .5  # hair
        self.yaw, self.pitch = rng.uniform(-.4, .4), rng.uniform(-.1, .08)
        roll, scale = rng.normal(0, .07), rng.uniform(.35, .41)
        centre = rng.uniform(-.04, .04, 2) + (.5, .51)
        turn = scale * np.array([[np.cos(roll), np.sin(roll)], [-np.sin(roll), np.cos(roll)]])
        self.draw = Canvas(size, FacesDataset.METAINFO['classes'], rng, lambda p: p @ turn + centre)
        pale, dark = np.array([.96, .82, .73]), np.array([.36, .22, .16])
        self.skin = (pale + (dark - pale) * rng.random()**1.5) * rng.uniform(.95, 1.05, 3)
        self.lips = self.skin * (rng.uniform(.8, .95), rng.uniform(.5, .68), rng.uniform(.52, .7))
        hairs = ((.12, .09, .08), (.3, .19, .1), (.62, .45, .25), (.5, .24, .12), (.6, .6, .6))
        self.hair = np.array(hairs[rng.integers(5)]) * rng.uniform(.7, 1.2)

    def on_skull(self, points):
        """Where the turned head has points of its front."""
        points = np.array(points, float)
        around = np.arcsin(np.clip(points[:, 0] / self.width, -1, 1))
        yaw = self.yaw * (1 - .5 * np.clip((points[:, 1] - .3) / .6, 0, 1))
        points[:, 0] = self.width * np.sin(np.clip(around + yaw, -1.5, 1.5))
        points[:, 1] += self.pitch * (1 - .4 * (points[:, 1] + .1)**2)
        return points

    def feature(self, name, points, colour=None, over=SKIN, **options):
        self.draw.part(name, self.on_skull(points), colour, over, **options)

    def tint(self, points, colour, strength, blur, over=SKIN + NOSE, **options):
        self.draw.tint(self.on_skull(points), colour, strength, blur, over, **options)

    def paint(self):
        self.draw.background(blur=self.rng.uniform(.01, .025))
        self.strands = self.hair * (1 + .22 * self.draw.noise(90, 5)
                                    + .12 * self.draw.noise(25, 3))[..., None]
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
            end = rng.uniform(.7, 1.4)
            half = [(0, -1.12), (w * .75, -1.02), (w * 1.25, -.5), (w * 1.38, .1),
                    (w * rng.uniform(1.2, 1.6), end), (w * .5, end + .1), (0, end)]
        else:
            half = [(0, -1.1), (w * .7, -1.03), (w * 1.12, -.6), (w * 1.1, -.1), (w * .9, .2),
                    (0, .2)]
        self.draw.part('hair', curve(mirrored(half), closed=True), self.strands)

    def bust(self):
        rng, w = self.rng, self.width
        neck = [(w * .62, .4), (w * .55, .85), (w * .68, 1.15), (w * 1.1, 1.6), (0, 1.7)]
        cloth = rng.uniform(.05, .9, 3) * rng.uniform(.4, 1)
        shoulders = [(w * .75, 1.08), (w * 1.4, 1.2), (w * 2.6, 1.4), (w * 3, 2.2), (0, 2.2)]
        weave = cloth * (1 + .06 * self.draw.noise(80, 80))[..., None]
        self.draw.part('neck', curve(mirrored(neck)), self.skin * .88)
        # Clothes are background, as in the real labels.
        neckline = rng.uniform(1.2, 1.5)
        self.draw.part('background', mirrored([(0, neckline), *shoulders]), weave)
        shadow = self.skin * .45
        self.draw.tint(ellipse(.1 * self.yaw, .72, w * .8, .32), shadow, .8, .03, over=('neck',))

    def ear(self, side):
        x = side * self.width * (np.cos(self.yaw) + .04) + .12 * self.yaw
        y = .05 + .6 * self.pitch
        tilt = side * .15
        self.draw.part('ear', ellipse(x, y, .1, .2, tilt), self.skin * .95)
        rim = ellipse(x + side * .01, y - .03, .085, .17, tilt, np.pi * 1., np.pi * 2.2)
        if side < 0:
            rim = ellipse(x + side * .01, y - .03, .085, .17, tilt, np.pi * .8, np.pi * 2.)
        self.draw.part('ear helix', rim, self.skin * 1.04, width=.022, over=('ear',))
        self.draw.part('ear lobule', ellipse(x - side * .02, y + .15, .06, .06), self.skin * 1.,
                       over=('ear', 'ear helix'))
        self.draw.tint(ellipse(x, y, .04, .09, tilt), self.skin * .5, .7, .008, over=('ear',))

    def head(self):
        rng, w, jaw = self.rng, self.width, self.jaw

        def outline(shrink=1.):
            half = [(0, -.98), (w * .56, -.9), (w * .92, -.6), (w, -.2), (w * .96, .15),
                    (w * .84 * jaw, .5), (w * .5 * jaw, .8), (w * .2, .93), (0, .94)]
            return curve(mirrored(np.multiply(half, shrink)), closed=True)

        self.draw.part('head', outline(), self.skin)
        pores = 1 + .025 * self.draw.noise(110, 110) + .03 * self.draw.noise(9, 9)
        self.draw.light(pores, over=('head', 'ear', 'neck'))
        self.draw.part('jaw', [(-2, .38), (2, .38), (2, 2), (-2, 2)], over=('head',))
        inner = outline(.86)
        self.draw.part('head', inner, over=('jaw',))
        brow = -.38 + rng.uniform(-.02, .02)
        self.feature('forehead', curve([(-.44, brow), (-.4, -1), (.4, -1), (.44, brow),
                                        (0, brow - .03)], closed=True), over=('head',))
        for side in SIDES:
            self.feature('temple', ellipse(side * .58, -.28, .14, .28), over=('head',))
            cheek = ellipse(side * .37, .2, .17, .2, side * .35)
            self.feature('cheek', cheek, over=('head', 'jaw'))
            self.tint(cheek, self.skin * (1.08, .82, .82), rng.uniform(.1, .5), .025)
        self.feature('chin', ellipse(0, .76, .2, .16), over=('head', 'jaw'))
        self.tint(ellipse(0, .635, .16, .03), self.skin * .7, .5, .012)
        self.feature('frown', curve([(-.09, -.42), (.09, -.42), (.06, -.16), (-.06, -.16)],
                                    closed=True), self.skin * .96)
        crease = self.skin * rng.uniform(.6, .8)
        for side in SIDES:
            self.tint([(side * .03, -.36), (side * .025, -.25)], crease, .6, .003, width=.006)
        if rng.random() < .6:
            for y in rng.choice([-.5, -.6, -.7], rng.integers(1, 4), replace=False):
                bow = [(-.28, y + .03), (0, y - .01), (.28, y + .03)]
                self.feature('wrinkles', curve(bow), crease, width=.011)
        if rng.random() < .6:
            for side in SIDES:
                fold = np.array([(.19, .24), (.27, .36), (.29, .5)]) * (side, 1)
                self.feature('wrinkles', curve(fold), crease, width=.011)
        self.feature('philtrum', [(-.04, .29), (.04, .29), (.065, .43), (-.065, .43)])
        self.tint([(0, .3), (0, .4)], self.skin * .75, .5, .008, width=.012)

    def nose(self):
        rng, skin = self.rng, self.skin
        wide = rng.uniform(.85, 1.15)
        shadow, side = skin * .62, -1 if self.yaw > 0 else 1
        outline = np.array([(.06, -.2), (.07, 0), (.11, .14), (.15, .27), (0, .32)])
        self.feature('nose', curve(mirrored(outline * (wide, 1))), skin * 1.)
        self.tint(curve([(side * .07, -.15), (side * .08, .05), (side * .16, .22)]), shadow, .45,
                  .008, over=('nose', 'cheek', 'head'), width=.02)
        bridge = np.array([(.035, -.2), (.032, 0), (.045, .13)])
        self.feature('nose bridge', mirrored(bridge * (wide, 1)), skin * 1.08, over=('nose',))
        for s in SIDES:
            self.feature('ala of nose', ellipse(s * .13 * wide, .245, .058, .055), skin * .93,
                         over=NOSE + SKIN)
        self.feature('nose tip', ellipse(0, .2, .085 * wide, .075), skin * 1.04, over=NOSE)
        self.tint(ellipse(-.02, .18, .03, .025), np.ones(3), .35, .006, over=('nose tip',))
        for s in SIDES:
            self.feature('nostril', ellipse(s * .068 * wide, .275, .034, .021, s * .25),
                         skin * .25, over=NOSE + SKIN)

    def mouth(self):
        rng, lips = self.rng, self.lips
        w, y, thick = rng.uniform(.19, .25), rng.uniform(.46, .5), rng.uniform(.8, 1.3)
        smile = rng.uniform(-.01, .06)
        gap = rng.choice([.003, rng.uniform(.03, .07)])
        if rng.random() < .45:
            half = [(0, .34), (.1, .33), (.22, .37), (.26, y - .02), (.2, .42), (0, .4)]
            self.feature('moustache', mirrored(half), self.strands * .9)
        over = SKIN + ('moustache', 'superior lip', 'inferior lip', 'oral commissure', 'teeth')
        ends = (w, y - smile)
        top = [(0, y - .035 * thick - gap), (.05, y - .055 * thick - gap), (w * .6, y - .04 - gap)]
        low = [(w * .6, y + .055 * thick + gap), (0, y + .085 * thick + gap)]
        inside = [(w * .8, y - smile * .7), (w * .5, y + gap), (0, y + 1.2 * gap)]
        self.feature('inferior lip', curve(mirrored([(0, y), ends, *low])), lips, over)
        self.feature('superior lip', curve(mirrored([*top, ends, (0, y + .3 * gap)])), lips * .85,
                     over)
        slit = curve(mirrored([(0, y - gap), (w * .5, y - gap), *inside]))
        if gap > .01:
            self.feature('teeth', slit, np.array([.93, .91, .86]), over)
        else:
            self.tint(curve([(-w * .9, y - smile), (0, y + .005), (w * .9, y - smile)]), lips * .3,
                      .8, .003, over, width=.008)
        for side in SIDES:
            self.feature('oral commissure', ellipse(side * w, y - smile, .032, .026), lips * .6,
                         over)
        self.tint(ellipse(0, y + .05 * thick + gap, .06, .015), np.ones(3), .25, .005, over)

    def eye(self, side):
        rng, skin = self.rng, self.skin
        if side == SIDES[0]:
            self.iris = np.array([(.3, .18, .08), (.2, .35, .5), (.25, .4, .25),
                                  (.15, .1, .08)][rng.integers(4)])
            self.gaze = rng.uniform(-.025, .025)
            self.open = rng.uniform(.045, .062)
            self.brow = rng.uniform(.03, .05), rng.uniform(-.05, .02)
        x0, y0, w, h = side * .28, -.1, .14, self.open
        x = np.linspace(-1, 1, 17)
        arch = 1 - np.abs(x)**2.2

        def almond(above, below, wide=1.):
            upper = np.stack([x0 + w * wide * x, y0 - above * arch], 1)
            return np.concatenate([upper, np.stack([x0 + w * wide * x, y0 + below * arch],
                                                   1)[::-1]])

        over = SKIN + NOSE
        self.tint(ellipse(x0, y0 - .03, .19, .13), skin * .6, .4, .02)
        self.feature('top lid', almond(h + .06, 0, 1.1), skin * .86, over)
        self.feature('bottom lid', almond(0, .8 * h + .045, 1.1), skin * .9, over)
        eye = EYELIDS + ('eyelashes', 'sclera')
        self.feature('eyelashes', almond(h + .022, .4 * h, 1.08), np.array([.06, .05, .05]), eye)
        self.feature('sclera', almond(h, .8 * h), np.array([.92, .9, .88]), eye)
        xi, yi = x0 + self.gaze, y0 - .004
        self.feature('iris', ellipse(xi, yi, .064, .064), self.iris, ('sclera',))
        self.feature('pupil', ellipse(xi, yi, .029, .029), np.array([.02, .02, .02]), ('iris',))
        self.tint(ellipse(xi - .02, yi - .025, .012, .012), np.ones(3), .9, .002,
                  ('iris', 'pupil'))
        self.feature('tear duct', ellipse(x0 - side * w * .9, y0 + .012, .034, .026),
                     skin * (1., .6, .58), eye)
        thick, slope = self.brow
        inner, outer = x0 - side * .13, x0 + side * .17
        brow = curve([(inner, -.26 - thick), (x0 + side * .05, -.31 + slope), (outer, -.24),
                      (x0 + side * .05, -.29 + slope + thick), (inner, -.26 + thick)])
        self.feature('eyebrow', brow, self.strands * .8, SKIN + NOSE + EYELIDS)

    def hair_in_front(self):
        rng, w = self.rng, self.width
        part, low = rng.uniform(-.3, .3), rng.uniform(-.75, -.5)
        line = [(-w * 1.08, .05 if self.long else -.35), (-w * .93, low + .15), (-w * .5, low),
                (part, low - rng.uniform(.02, .12)), (w * .5, low), (w * .93, low + .15),
                (w * 1.08, .05 if self.long else -.35)]
        top = [(w * 1.15, -.6), (w * .7, -1.05), (0, -1.14), (-w * .7, -1.05), (-w * 1.15, -.6)]
        over = SKIN + ('hair', 'background', 'ear', 'ear helix')
        for side in SIDES:
            strip = np.array([(1.02, -.55), (.99, .12), (.88, .16), (.85, -.55)]) * (side * w, 1)
            strip[:, 0] += .04 * self.yaw
            self.draw.part('sideburns', strip, self.strands * .92, SKIN)
        self.draw.part('hair', curve([*line, *top], closed=True), self.strands, over)
        edge = curve(line) + (0, .03)
        self.draw.tint(edge, self.skin * .5, .5, .01, SKIN, width=.02)

    def shine(self):
        """Light from one side, as on a ball."""
        rng = self.rng
        x, y = self.draw.grid()
        left, below = self.draw.to_picture(np.array([(-self.width, 0), (0, .94)]))
        centre = self.draw.to_picture(np.zeros((1, 2)))[0]
        u, v = (x - centre[0]) / abs(centre - left).max(), (y - centre[1]) / (below - centre)[1]
        depth = np.sqrt(np.clip(1.25 - .8 * u**2 - .5 * v**2, .05, None))
        direction = np.array([rng.uniform(-.7, .7), rng.uniform(-.6, 0), 1.])
        direction /= np.sqrt(direction @ direction)
        shade = np.clip(direction[0] * u + direction[1] * v + direction[2] * depth, 0, None)
        ambient = rng.uniform(.3, .55)
        parts = [name for name in self.draw.ids if name != 'background']
        self.draw.light((ambient + (1.1 - ambient) * shade).astype(np.float32), over=parts)
