"""ImageNet in folders of classes, with a check of its files before the first step."""

from ..registry import DATASETS
from .image_folder import ImageFolder


@DATASETS.register_module()
class ImageNet(ImageFolder):
    """:class:`ImageFolder` with messages that say how to get ImageNet."""

    NAME = 'ImageNet'
    LAYOUT = """Expected are the folders of ImageNet: {root}/{{train,val}}/<class>/*.JPEG
Use one of these commands:
  export IMAGENET_DATASET=/path/to/imagenet     for *_imagenet.py and *_inpainting.py
  python {scripts}/make_images.py {root}     generates images in the same folders
If the images lie in val/ itself, as in ImageNet's download, give a list of lines
'<name> <index of the class>' (MMPretrain's meta/val.txt) as val_dataloader.dataset.ann_file
and test_dataloader.dataset.ann_file."""
    MAKE_LIST = """This command makes a list of a tenth of the images, as in the paper's ablations:
  python {scripts}/imagenet_subset.py {root}"""
