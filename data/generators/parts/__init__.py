"""Generated faces, cars and cats with the classes of DatasetGAN's few-shot sets.

Drawn from polygons and ellipses with random pose, shape, colour, light and background. Each
part is painted through the mask that labels it, so pictures and labels agree to the pixel. Many
parts have no edge of their own (cheek and jaw, fender and body, chest and belly), so place and
company count, as in the real sets.
"""

from .cars import paint_car
from .cats import paint_cat
from .faces import paint_face
from .write import make_parts

__all__ = ['make_parts', 'paint_car', 'paint_cat', 'paint_face']
