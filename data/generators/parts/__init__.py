"""Generator of faces, cars and cats with the classes of DatasetGAN's few-shot sets.

The pictures consist of polygons and ellipses with random pose, shape, colour, light and
background. One mask labels a part and paints it, so pictures and labels agree in every pixel.
Many neighbours have no visible edge between them (cheek and jaw, fender and body, chest and
belly). As in the real sets, a model must use their position and their neighbours.
"""

from .cars import paint_car
from .cats import paint_cat
from .faces import paint_face
from .write import make_parts

__all__ = ['make_parts', 'paint_car', 'paint_cat', 'paint_face']
