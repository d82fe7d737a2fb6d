"""Cats that sit or stand and look at the camera, in the 16 parts of CatsDataset."""
import numpy as np

from ..datasetgan import CatsDataset
from .canvas import Canvas, curve, ellipse

TORSO = ('back', 'belly', 'chest', 'neck')
FUR = TORSO + ('leg', 'paw', 'head', 'ear', 'tail', 'mouth')
SIDES = (-1, 1)


def paint_cat(rng, size):
    """One cat: a picture ``(size, size, 3)`` and its labels ``(size, size)``, uint8."""
    return Cat(rng, size).paint()


class Cat:
    """A cat in coordinates of its own: x to where it faces, y down, about one unit high."""

    def __init__(self, rng, size):
        self.rng = rng
        self.sits = rng.random() < .6
        scale, tilt = rng.uniform(.54, .6) - .06 * (not self.sits), rng.normal(0, .05)
        centre = rng.uniform(-.04, .04, 2) + (.5, .6 if self.sits else .55)
        turn = scale * np.array([[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]])
        turn[0] *= rng.choice([-1, 1])
        self.draw = Canvas(size, CatsDataset.METAINFO['classes'], rng, lambda p: p @ turn + centre)
        furs = ((.75, .45, .2), (.5, .47, .45), (.13, .12, .12), (.85, .8, .72), (.45, .33, .24),
                (.62, .56, .5))
        self.colour = np.array(furs[rng.integers(6)]) * rng.uniform(.8, 1.15)
        self.white = np.array([.9, .88, .84]) if rng.random() < .5 else self.colour * 1.12
        self.stripes = rng.choice([0, rng.uniform(.3, .6)])

    def fur(self, colour):
        """Hair, with the stripes of a tabby if it has them."""
        draw = self.draw
        hair = 1 + .09 * draw.noise(120, 60) + .07 * draw.noise(30, 30)
        x, y = draw.grid()
        waves = np.sin(55 * (x + .03 * draw.noise(5, 5)) + 14 * y)
        return colour * (hair * (1 - self.stripes * np.clip(2 * waves - .4, 0, 1)))[..., None]

    def furry(self, outline, depth=.012):
        """An outline with tufts."""
        outline = np.asarray(outline, float)
        tufts = self.rng.uniform(-1, 1, (len(outline), 1)) * depth
        middle = outline.mean(0)
        away = outline - middle
        return outline + tufts * away / (np.linalg.norm(away, axis=1, keepdims=True) + 1e-6)

    def part(self, name, outline, colour, over=None):
        self.draw.part(name, self.furry(outline), colour, over)

    def shade(self, outline, strength=.5, over=FUR, width=None):
        self.draw.tint(outline, self.colour * .25, strength, .015, over, width)

    def paint(self):
        self.room()
        self.coat, self.pale = self.fur(self.colour), self.fur(self.white)
        if self.sits:
            self.sit()
        else:
            self.stand()
        self.head()
        self.sun()
        return self.draw.photo()

    def room(self):
        """A wall, and a floor with a pattern or a carpet's grain."""
        rng, draw = self.rng, self.draw
        draw.background(blur=rng.uniform(.008, .025))
        floor, edge = rng.uniform(.15, .8, 3), rng.uniform(.1, .5)
        x, y = draw.grid()
        planks = 1 - .12 * (np.sin(2 * np.pi * rng.integers(3, 12) * (y + .1 * x)) > .9)
        grain = planks * (1 + .05 * draw.noise(200, 40) + .05 * draw.noise(6, 6))
        box = np.array([(-3, edge), (3, edge), (3, 3), (-3, 3)])
        draw.part('background', box, floor * grain[..., None])

    def sit(self):
        rng, wide = self.rng, self.rng.uniform(.9, 1.1)
        self.neck = np.array([rng.uniform(.0, .1), -.36])
        shadow = ellipse(-.05, .6, .5, .08)
        self.draw.tint(shadow, np.zeros(3), .6, .02)
        tip = rng.uniform(.1, .4)
        tail = curve([(-.3, .52), (-.52, .56), (-.5 + tip * .3, .66), (-.05 + tip, .66)])
        self.tail(tail)
        body = curve(np.array([(-.02, -.3), (.18, -.12), (.24, .2), (.26, .5), (.05, .6),
                               (-.32, .58), (-.42, .35), (-.33, .0), (-.18, -.22)])
                     * (wide, 1), closed=True)
        self.part('back', body, self.coat)
        self.part('belly', ellipse(.04, .36, .24, .24), self.pale, TORSO)
        self.part('chest', ellipse(.08, .03, .17, .26), self.pale, TORSO)
        self.collar((-.15, -.3), (.2, -.3))
        self.part('leg', ellipse(-.24, .4, .18, .2, .3), self.coat)
        self.shade(ellipse(-.24, .4, .18, .2, .3, 3.3, 5.8), .7, width=.01)
        self.paw(-.12, .58)
        for x in (.0, .2):
            self.leg(x, .12, x + rng.uniform(-.02, .03), .55)

    def stand(self):
        rng = self.rng
        self.neck = np.array([.52, rng.uniform(-.32, -.26)])
        self.draw.tint(ellipse(.0, .6, .65, .07), np.zeros(3), .6, .02)
        up = rng.uniform(-.75, -.1)
        self.tail(curve([(-.5, -.02), (-.7, -.15), (-.74, up * .6), (-.62, up)]))
        step = rng.uniform(-.1, .1, 4)
        for k, x in enumerate((.42, -.36)):
            self.leg(x, .12, x + .06 + step[k], .54, .8)
        body = curve([(.5, -.25), (.56, .02), (.42, .22), (.1, .27), (-.25, .22), (-.5, .2),
                      (-.56, .0), (-.42, -.14), (.0, -.13), (.3, -.2)], closed=True)
        self.part('back', body, self.coat)
        self.part('belly', ellipse(-.02, .24, .36, .12), self.pale, TORSO)
        self.part('chest', ellipse(.5, .06, .17, .24, .2), self.pale, TORSO)
        self.collar((.3, -.28), (.6, -.2))
        self.part('leg', ellipse(-.42, .12, .14, .2, .2), self.coat)
        self.shade(ellipse(-.42, .12, .14, .2, .2, 4.5, 6.5), .6, width=.01)
        for k, x in enumerate((.36, -.42)):
            self.leg(x, .12, x + step[k + 2], .57)

    def collar(self, left, right):
        """The neck: what is left of the torso between the head and two points."""
        (x0, y0), (x1, y1) = left, right
        band = curve([(x0, y0 - .2), (x1, y1 - .2), (x1, y1 + .12), ((x0 + x1) / 2, y0 + .22),
                      (x0, y0 + .15)], closed=True)
        self.part('neck', band, self.coat, ('background', *TORSO))

    def tail(self, line):
        self.draw.part('tail', line, self.coat, width=self.rng.uniform(.035, .055))
        self.shade(line + (0, .03), .4, ('tail',), width=.012)

    def leg(self, x0, y0, x1, y1, shade=1.):
        outline = curve([(x0 - .085, y0), (x1 - .065, y1), (x1 + .065, y1), (x0 + .085, y0),
                         (x0, y0 - .07)], closed=True)
        self.part('leg', outline, self.coat * shade)
        self.shade(np.array([(x0 - .08, y0), (x1 - .06, y1)]), .6, width=.008)
        self.paw(x1 + .02, y1, shade)

    def paw(self, x, y, shade=1.):
        self.part('paw', ellipse(x, y + .03, .1, .055), self.pale * shade)
        for toe in (-.03, .03):
            self.shade(np.array([(x + toe, y + .03), (x + toe, y + .08)]), .9, ('paw',), .006)

    def head(self):
        rng, draw = self.rng, self.draw
        wide, look = rng.uniform(.3, .34), rng.uniform(-.05, .05)
        centre = self.neck + (0, -.17)
        pink = np.array([.85, .55, .52])
        for side in SIDES:
            foot = side * wide * .62
            ear = np.array([(foot - .12, -.14), (foot + side * .1, -.44), (foot + .12, -.1)])
            self.part('ear', curve(ear + centre), self.coat)
            inner = ear.mean(0) + .5 * (ear - ear.mean(0)) + centre
            draw.tint(inner, pink * .8, .7, .006, ('ear',))
        face = curve([(0, -.25), (wide * .7, -.2), (wide, .0), (wide * .85, .17), (wide * .4, .26),
                      (-wide * .4, .26), (-wide * .85, .17), (-wide, .0), (-wide * .7, -.2)],
                     closed=True)
        self.part('head', face + centre, self.coat)
        self.shade(ellipse(*(centre + (0, .32)), wide * .8, .06), .7, TORSO)
        middle = centre + (look, .02)
        iris = np.array([(.75, .65, .15), (.45, .6, .2), (.3, .55, .75), (.7, .42, .12)]
                        [rng.integers(4)])
        slit, tall = rng.uniform(.018, .045), rng.uniform(.05, .064)
        for side in SIDES:
            x, y = middle + (side * .135, -.03)
            draw.part('limbus', ellipse(x, y, .088, tall + .024, side * .2), [.06, .05, .05])
            draw.part('eye', ellipse(x, y, .068, tall, side * .2), iris)
            draw.tint(ellipse(x, y, slit, tall * .85), np.zeros(3), 1., .001, ('eye',))
            draw.tint(ellipse(x - .02, y - .02, .013, .013), np.ones(3), .9, .001, ('eye',))
        x, y = middle + (0, .14)
        for side in SIDES:
            self.part('mouth', ellipse(x + side * .055, y, .08, .065), self.pale, ('head', 'mouth'))
        if rng.random() < .6:
            draw.part('mouth', ellipse(x, y + .065, .055, .04), [.3, .1, .1], ('head', 'mouth'))
            draw.part('tongue', ellipse(x, y + .085, .038, .045), pink * (1.05, .8, .85))
        smile = curve([(x - .09, y + .05), (x - .04, y + .065), (x, y + .02), (x + .04, y + .065),
                       (x + .09, y + .05)])
        draw.tint(smile, np.zeros(3), .7, .002, ('mouth', 'head'), width=.006)
        nose = curve([(x - .05, y - .07), (x + .05, y - .07), (x, y - .005)], closed=True)
        draw.part('nose', nose, pink * rng.uniform(.4, .95))
        for side in SIDES:
            for k in range(3):
                out, up = rng.uniform(.32, .42), .075 * k - .09 + rng.uniform(-.02, .02)
                hair = [(.09, .025 * k - .015), (.22, up - .03), (out, up)]
                draw.part('whiskers', curve(hair) * (side, 1) + (x, y), [.95, .95, .92],
                          width=.0065)

    def sun(self):
        """Light from above and one side."""
        rng = self.rng
        x, y = self.draw.grid()
        lit = 1.12 - rng.uniform(.2, .5) * y + rng.uniform(-.35, .35) * (x - .5)
        self.draw.light(lit.astype(np.float32), over=[n for n in self.draw.ids
                                                      if n not in ('background', 'whiskers')])
