"""Images in ImageNet's folders, refused before step 0 if they are not there."""

import numpy as np
from mmengine import fileio
from mmpretrain.datasets import CustomDataset
from mmpretrain.datasets import ImageNet as MMPretrainImageNet

from ..registry import DATASETS
from .checked import NamedFiles, first

NUM_FILES_LOOKED_FOR = 16

LAYOUT = """The layout wanted is that of ImageNet: {root}/{{train,val}}/<class>/*.JPEG
Any of these mends it:
  export IMAGENET_DATASET=/path/to/imagenet     for *_imagenet.py and *_inpainting.py
  python data/make_images.py {root}     for generated images in the same layout
Images in val/ itself, as ImageNet's come, need a list of <name> <index of the class>: MMPretrain's
meta/val.txt, named in val_dataloader.dataset.ann_file and test_dataloader.dataset.ann_file"""
LIST = """A list of a tenth of the images, as in the paper's ablations, is made by
  python data/imagenet_subset.py {root}"""


@DATASETS.register_module()
class ImageNet(NamedFiles, CustomDataset):
    """MMPretrain's CustomDataset, with a check of the files when the list of images is made.

    Folders of classes below ``data_prefix``, in alphabetical order, any number of them; with an
    ``ann_file`` the images of its lines ``<class>/<name> <index of the class>``.

    Raises:
        FileNotFoundError: If the folder, the list, all images of a class, or an image of those
            looked for, which are spread over the list, is missing; says the command that mends it.
        ValueError: If train/ and val/ have different folders, for the index of a class is its
            folder's place among them.
    """

    def load_data_list(self):
        root = (self.data_root or '.').rstrip('/')
        if not fileio.isdir(self.img_prefix):
            raise FileNotFoundError(
                f'there is no folder {self.img_prefix}\n{LAYOUT.format(root=root)}'
            )
        if self.ann_file and not fileio.isfile(self.ann_file):
            raise FileNotFoundError(f'there is no list {self.ann_file}\n{LIST.format(root=root)}')
        try:
            data_list = super().load_data_list()
        except RuntimeError as error:  # upstream's, if there is no image
            raise FileNotFoundError(f'{error}\n{LAYOUT.format(root=root)}') from None
        if self.ann_file:
            self._check_some(data_list, root)
        elif self.with_label:
            self._check_classes({item['gt_label'] for item in data_list}, root)
        return data_list

    def _check_some(self, data_list, root):
        spread = np.linspace(0, len(data_list) - 1, min(NUM_FILES_LOOKED_FOR, len(data_list)))
        missing = [
            data_list[i]['img_path']
            for i in spread.astype(int)
            if not fileio.isfile(data_list[i]['img_path'])
        ]
        if missing:
            raise FileNotFoundError(
                f'{len(missing)} of {len(spread)} images looked for of the list '
                f'{self.ann_file} are not there: {missing[0]}\n{LIST.format(root=root)}'
            )

    def _check_classes(self, with_images, root):
        names = list(self.folder_to_idx)
        empty = [name for name in names if self.folder_to_idx[name] not in with_images]
        if empty:
            raise FileNotFoundError(
                f'{len(empty)} of {len(names)} folders in {self.img_prefix} '
                f'hold no image: {first(empty)}\n{LAYOUT.format(root=root)}'
            )
        for folder in (fileio.join_path(root, split) for split in ('train', 'val')):
            others = fileio.isdir(folder) and set(fileio.list_dir_or_file(folder, list_file=False))
            if others and others != set(names):
                odd = [fileio.join_path(self.img_prefix, name) for name in set(names) - others] + [
                    fileio.join_path(folder, name) for name in others - set(names)
                ]
                raise ValueError(
                    f'{self.img_prefix} and {folder} have different folders, which would number '
                    f'their classes differently. {len(odd)} are in one only: {first(sorted(odd))}'
                )


def subset(folder, fraction, seed=0):
    """A random share of the images of each class.

    The choice depends on nothing but the names of the images, the share and the seed.

    Args:
        folder (pathlib.Path): Holds folders of classes.
        fraction (float): Share of each class, in (0, 1]; rounded, but one image at least.
        seed (int): Another seed, other images.

    Returns:
        list[str]: Lines ``<class>/<name> <index of the class>``, sorted.

    Raises:
        FileNotFoundError: If there are no classes in the folder, or no images in one of them.
        ValueError: If the share is out of range.
    """
    if not 0 < fraction <= 1:
        raise ValueError(f'fraction must be in (0, 1], got {fraction}')
    classes = sorted(p for p in folder.glob('*') if p.is_dir())
    if not classes:
        raise FileNotFoundError(f'no folders of classes in {folder}, as in {folder}/n01440764')
    lines = []
    for index, path in enumerate(classes):
        names = sorted(
            p.name
            for p in path.iterdir()
            if p.name.lower().endswith(MMPretrainImageNet.IMG_EXTENSIONS)
        )
        if not names:
            raise FileNotFoundError(f'no images in {path}')
        count = max(1, round(fraction * len(names)))
        chosen = np.random.default_rng((seed, index)).permutation(len(names))[:count]
        lines += [f'{path.name}/{names[i]} {index}' for i in sorted(chosen)]
    return lines
