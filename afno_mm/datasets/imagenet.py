"""ImageNet in folders of classes, with a check of its files before step 0."""

from collections.abc import Sequence

from mmengine import fileio
from mmpretrain.datasets import CustomDataset

from ..registry import DATASETS
from .audit import inventory
from .checked import AuditedFiles
from .rules import Fault, first

LIST = """This command makes a list of a tenth of the images, as in the paper's ablations:
  python {scripts}/imagenet_subset.py {root}"""


@DATASETS.register_module()
class ImageNet(AuditedFiles, CustomDataset):
    """MMPretrain's CustomDataset with its files checked, see :class:`AuditedFiles`.

    Without ``ann_file`` the classes are the folders below ``data_prefix``, in alphabetical
    order; their number is free. With it the images are those of its lines
    ``<class>/<name> <index of the class>``, or those of absolute paths.

    Raises:
        FileNotFoundError: If the folder, the list, all images of a class or an image of the
            list is missing. The message has the command that helps.
        ValueError: If a file is not a whole picture, if a folder of a class is hidden, or if
            train/ and val/ have different folders. The index of a class is the place of its
            folder, so such folders would change the indices.
    """

    NAME = 'ImageNet'
    LAYOUT = """Expected are the folders of ImageNet: {root}/{{train,val}}/<class>/*.JPEG
Use one of these commands:
  export IMAGENET_DATASET=/path/to/imagenet     for *_imagenet.py and *_inpainting.py
  python {scripts}/make_images.py {root}     generates images in the same folders
If the images lie in val/ itself, as in ImageNet's download, give a list of lines
'<name> <index of the class>' (MMPretrain's meta/val.txt) as val_dataloader.dataset.ann_file
and test_dataloader.dataset.ann_file."""

    def load_data_list(self) -> list[dict]:
        if self.ann_file and not fileio.isfile(self.ann_file):
            raise self._error(FileNotFoundError, f'there is no list {self.ann_file}', LIST)
        # A list of absolute paths needs no folder.
        if not fileio.isdir(self.img_prefix) and (self.img_prefix or not self.ann_file):
            found = f'there is no folder {self.img_prefix}'
            raise self._error(FileNotFoundError, found, self.LAYOUT)
        try:
            data_list = super().load_data_list()
        except RuntimeError as error:  # MMPretrain raises it if there is no image
            found = f'{error}. {inventory(self.img_prefix)}'
            raise self._error(FileNotFoundError, found, self.LAYOUT) from None
        if self.with_label and not self.ann_file:
            self._check_classes({item['gt_label'] for item in data_list})
        return data_list

    def _refusal(self, faults: Sequence[Fault], *advice: str) -> Exception:
        listed = self.ann_file and any(fault.kind == 'no image' for fault in faults)
        return super()._refusal(faults, LIST if listed else '', *advice)

    def _check_classes(self, with_images: set[int]) -> None:
        names = set(self.folder_to_idx)
        if hidden := sorted(name for name in names if name.startswith('.')):
            raise self._error(
                ValueError,
                f'hidden folders in {self.img_prefix} would be classes: {first(hidden)}',
                f'Remove them: rm -r {self.img_prefix}/{hidden[0]}',
            )
        empty = [name for name, index in self.folder_to_idx.items() if index not in with_images]
        if empty:
            raise self._error(
                FileNotFoundError,
                f'{len(empty)} of {len(names)} folders in {self.img_prefix} '
                f'have no image: {first(empty)}',
                self.LAYOUT,
            )
        root = (self.data_root or '.').rstrip('/')
        for folder in (fileio.join_path(root, split) for split in ('train', 'val')):
            others = fileio.isdir(folder) and set(fileio.list_dir_or_file(folder, list_file=False))
            if others and others != names:
                odd = [fileio.join_path(self.img_prefix, name) for name in names - others]
                odd += [fileio.join_path(folder, name) for name in others - names]
                raise ValueError(
                    f'{self.img_prefix} and {folder} have different folders, so they would number '
                    f'their classes differently. {len(odd)} are in one only: {first(sorted(odd))}'
                )
