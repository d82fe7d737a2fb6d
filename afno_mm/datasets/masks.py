"""Transforms that read labels of any mode as class ids, and images of more than 8 bits."""

import io
import threading
from typing import Any

import numpy as np
from mmcv.transforms import LoadImageFromFile
from mmengine import fileio
from mmseg.datasets.transforms import LoadAnnotations
from PIL import Image

from ..registry import TRANSFORMS
from .rules import COLOUR, COLOUR_MODES, Rules

_unlimited = threading.Lock()


def open_picture(data: bytes) -> Image.Image:
    """Open an image of any size. Pillow refuses more than 179 million pixels, as an attack."""
    with _unlimited:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(io.BytesIO(data))
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def label_values(picture: Image.Image) -> np.ndarray:
    """Return the pixel values of a label, (H, W). A colour has ``rules.colour(R, G, B)``."""
    if picture.mode in COLOUR_MODES:
        red, green, blue = np.moveaxis(np.asarray(picture, np.int64)[..., :3], -1, 0)
        return COLOUR + (red << 16) + (green << 8) + blue
    values = np.asarray(picture)
    return values.astype(np.uint8) if values.dtype == bool else values


@TRANSFORMS.register_module()
class LoadMask(LoadAnnotations):
    """Read a label as ``gt_seg_map``, class ids (H, W), uint8.

    It reads the modes L, P, 1, I and I;16 as values, and RGB and RGBA as colours of the palette.
    Values above 255 need a ``label_map``. :class:`SegDataset` replaces ``LoadAnnotations`` by this
    transform and adds its :class:`Rules` to each sample as ``mask_rules``. A sample without
    ``seg_map_path`` stays without labels.

    Raises:
        ValueError: If a value or a colour means no class. The message names them and the file.
    """

    def __init__(self, backend_args: dict | None = None) -> None:
        super().__init__(backend_args=backend_args)
        self.imdecode_backend = 'mask'  # becomes Rules.label_loader

    def _load_seg_map(self, results: dict) -> None:
        if 'seg_map_path' not in results:
            return  # an image for prediction
        path = results['seg_map_path']
        rules = results.get('mask_rules') or Rules(
            reduce_zero_label=results.get('reduce_zero_label', False),
            label_map=results.get('label_map'),
            label_loader='mask',
        )
        picture = open_picture(fileio.get(path, backend_args=self.backend_args))
        try:
            results['gt_seg_map'] = rules.class_ids(label_values(picture))
        except ValueError as error:
            raise ValueError(f'{path} of mode {picture.mode} {error}') from None
        results['seg_fields'].append('gt_seg_map')


@TRANSFORMS.register_module()
class LoadDeepImage(LoadImageFromFile):
    """Read an image of more than 8 bits and scale it: 0 stays 0, ``max_value`` becomes 255.

    Larger values become 255 too. The result is uint8: MMSegmentation's colour augmentation takes
    nothing else.
    """

    def __init__(self, max_value: float, **kwargs: Any) -> None:
        super().__init__(color_type=3, to_float32=True, **kwargs)  # IMREAD_ANYDEPTH | IMREAD_COLOR
        self.max_value = max_value

    def transform(self, results: dict) -> dict | None:
        results = super().transform(results)
        if results:
            image = results['img'] * (255 / self.max_value)
            results['img'] = image.round().clip(0, 255).astype(np.uint8)
        return results
