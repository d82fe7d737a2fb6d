"""Generated street scenes in the layout of Cityscapes.

A pinhole camera drives down a street that is planned, lit and painted from a
seed. Every thing is one polygon of the annotation and is painted through the
mask of that polygon, and cityscapesscripts makes all label images from the
annotation, so pictures and labels agree.

The classes are meant to need context. Those of a row share textures and
palettes, and colours are drawn anew for every thing in every scene; what
differs is shape, place and company:

==========================  ===============================================
road, sidewalk, parking     one family of asphalt and slabs; which side of
                            the kerb, lane markings, who stands on it
building, wall              brick, plaster, panels, boards; height, windows
                            (some house ends are blank), roof
terrain, vegetation         one green speckle; flat on the ground or upright
                            (a hedge is a wall of lawn)
fence, what is behind it    one looks through it; rhythm of posts and bars
person, rider               the same bodies and clothes; the rider is the
                            one on a two-wheeler
rider, motorcycle, bicycle  stand in one another's outline
car, truck, bus, train      one palette of paint; size, wheels, windows, the
                            gap behind a cab, rails below
pole, tree trunk            grey and brown uprights; arm and lamp, or crown
traffic sign, shop, livery  saturated flat fields; on a post or on a wall
sky, bright wall, white     pale smooth areas; above the roofs or not
truck
==========================  ===============================================

Bins, crates, bridges, the beds of rails, parking lanes and the bonnet of the
own car are annotated with classes that are not scored (255).
"""

from .render import render_scene
from .write import make_scenes

__all__ = ['make_scenes', 'render_scene']
