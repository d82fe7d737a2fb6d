"""Any folder of images and masks, with a check of its files before the first step."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..registry import DATASETS
from .checked import CheckedFiles

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp')
LABEL_SUFFIXES = ('.png', '.tif', '.tiff', '.bmp', '.gif')


@DATASETS.register_module()
class SegDataset(CheckedFiles):
    """Any folder of images and masks, with the files checked, see :class:`CheckedFiles`.

    An image and its mask have the same path below their folders, but for the suffixes. Both
    folders can be the same if the suffixes differ. ``LoadAnnotations`` in the pipeline becomes
    :class:`LoadMask`, which reads masks of the modes L, P, 1, I and I;16 as class ids, and masks
    in RGB by the palette.

    Args:
        metainfo: ``classes``: names of the classes, or a file with one name in each line, if
            wanted followed by R G B. ``palette``: a colour for each class, or a file with R G B
            in each line. Without ``classes``, the file ``classes.txt`` in ``data_root`` has
            them. Relative paths of files are looked up in ``data_root`` first.
        img_suffix: End of the names of the images, or several, in any case.
        seg_map_suffix: The same of the masks, for instance '_mask.png'.
        label_map: From values of the mask files to class ids or ``ignore_index``:
            ``{255: 1}``. A key can be a colour (R, G, B). Other values stay as they are.
        ann_file: List of the samples to use, one in each line: the name of the image with or
            without its suffix, or the image and its mask.
        **kwargs: Arguments of :class:`CheckedFiles` and of MMSegmentation's BaseSegDataset.

    Raises:
        FileNotFoundError: If folders, images or masks are missing, and nothing else is wrong.
        ValueError: If settings or files have other faults. The message says what mends them.
    """

    def __init__(
        self,
        *,
        metainfo: Mapping[str, Any] | None = None,
        img_suffix: str | Sequence[str] = IMAGE_SUFFIXES,
        seg_map_suffix: str | Sequence[str] = LABEL_SUFFIXES,
        label_map: Mapping | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            metainfo=metainfo, img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, **kwargs
        )
