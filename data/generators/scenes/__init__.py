"""Generator of street scenes in the layout of Cityscapes.

A pinhole camera looks down a street. The plan of the street, its light and its
colours come from a seed. Every thing becomes polygons of the annotation, and
the mask of these polygons paints it. cityscapesscripts makes all label images
from the annotation. So pictures and labels agree.

A model needs context to tell the classes apart. The classes in a row of this
table share textures and palettes, and every thing gets random colours. They
differ in shape, in position and in what surrounds them:

==========================  ===============================================
classes                     shared; different
==========================  ===============================================
road, sidewalk, parking     asphalt and slabs; side of the kerb, lane
                            markings, what stands on it
building, wall              brick, plaster, panels, boards; height, roof,
                            windows (some ends of houses have none)
terrain, vegetation         green speckle; flat on the ground or upright
                            (a hedge has the texture of a lawn)
fence, background           the background shows through; posts and bars
person, rider               bodies and clothes; a rider is on a two-wheeler
rider, motorcycle, bicycle  their outlines overlap
car, truck, bus, train      palette; size, wheels, windows, the gap behind
                            a cab, rails below
pole, tree trunk            grey and brown uprights; arm and lamp, or crown
traffic sign, shop, livery  saturated flat colours; on a post, wall, vehicle
sky, bright wall, white     pale smooth areas; above the roofs or below
truck
==========================  ===============================================

The annotation gives bins, crates, bridges, rail tracks, parking lanes and the
bonnet of the camera's car classes that are not scored (255).
"""

from .render import render_scene
from .write import make_scenes

__all__ = ['make_scenes', 'render_scene']
