"""Images in class folders such as ImageNet, in a list, or without classes, with checked files."""

import os.path as osp
from collections import Counter
from collections.abc import Sequence
from itertools import product
from typing import Any

from mmengine import fileio
from mmengine.utils import is_abs
from mmpretrain.datasets import CustomDataset

from ..names import first
from ..registry import DATASETS
from .audit import inventory, list_files
from .checked import AuditedFiles
from .pairs import IMAGE_SUFFIXES, suffixes_of
from .rules import Outcome


@DATASETS.register_module()
class ImageFolder(AuditedFiles, CustomDataset):
    """MMPretrain's CustomDataset with its files checked, see :class:`AuditedFiles`.

    For classification; with ``with_label=False``, for inpainting with all images below the folder.

    Without ``ann_file`` the classes are the folders in ``data_prefix``. If ``classes`` names the
    folders, it also gives their order, and a folder can be missing. If it names none of them, the
    order is alphabetical. ``ann_file`` has lines '<image> <index of the class>' (with_label=False:
    '<image>'). Paths are relative to ``data_prefix``, or absolute.

    Args:
        extensions: Suffixes of the images, in any case.
        **kwargs: Arguments of :class:`AuditedFiles` and of CustomDataset.

    Raises:
        FileNotFoundError: If the folder, the list, all images of a class or an image of the
            list is missing.
        ValueError: If a file is damaged or a line of the list is wrong. Or if a class folder is
            hidden, there is only one class, or train/ and val/ have different folders, which would
            number the classes differently.
    """

    LAYOUT = """Expected are the folders {root}/{{train,val}}/<class>/*.jpg
For images without classes, as in inpainting, set with_label=False. A list of lines
'<image> <index of the class>' can be given as ann_file."""
    MAKE_LIST = ''
    NAME_THEM = """If classes=('cat', 'dog', ...) of the dataset has the names of the folders, a
folder can be missing, and every split numbers its classes alike."""

    def __init__(self, *, extensions: str | Sequence[str] = IMAGE_SUFFIXES, **kwargs: Any) -> None:
        super().__init__(extensions=suffixes_of(extensions), **kwargs)

    def load_data_list(self) -> list[dict]:
        names, indices = self._listed() if self.ann_file else self._in_folders()
        paths = [fileio.join_path(self.img_prefix, name) for name in names]
        if not self.with_label:
            return [dict(img_path=path) for path in paths]
        return [dict(img_path=path, gt_label=index) for path, index in zip(paths, indices)]

    def _listed(self) -> tuple[list[str], list[int]]:
        """Return the image names and the class indices that ``ann_file`` lists."""
        lines = self._lines_of(self.ann_file, self.MAKE_LIST)
        parts = [line.rsplit(maxsplit=1) if self.with_label else [line, '0'] for line in lines]
        most = len(self.CLASSES) if self.CLASSES else 10**9
        wrong = [p for p in parts if len(p) < 2 or not p[1].isdecimal() or int(p[1]) >= most]
        if wrong:
            found = f'{len(wrong)} of {len(lines)} lines of the list {self.ann_file} are wrong'
            mend = "Expected is '<image> <index of the class>' in each line"
            mend += f', with indices below {most}.' if self.CLASSES else '.'
            first_ones = first([' '.join(p) for p in wrong])
            raise self._error(ValueError, f'{found}: {first_ones}', mend)
        names = [name for name, _ in parts]
        if not all(map(is_abs, names)):
            self._check_folder(self.img_prefix)
        indices = [int(index) for _, index in parts]
        # SettingsHook compares it with the model if the classes have no names.
        self.least_classes = max(indices) + 1 if self.with_label else 0
        return names, indices

    def _in_folders(self) -> tuple[list[str], list[int]]:
        """Return the image names, sorted, and the class indices of their folders."""
        self._check_folder(self.img_prefix)
        every = list_files(self.img_prefix)
        names = [name for name in every if self.is_valid_file(name)]
        self._note_left_out([name for name in every if not self.is_valid_file(name)], 'extensions')
        indices: list[int] = []
        if self.with_label:
            loose = [name for name in names if '/' not in name]
            names = [name for name in names if '/' in name]
            self._note_left_out(loose, 'the layout <class>/<image>')
            if names:
                self._number_folders({name.split('/')[0] for name in names})
            indices = [self.folder_to_idx[name.split('/')[0]] for name in names]
        if not names:
            found = f'no image {" ".join(sorted(self.extensions))} in '
            found += f'{"folders of " * self.with_label}{self.img_prefix}'
            raise self._error(
                FileNotFoundError, f'{found}. {inventory(self.img_prefix)}', self.LAYOUT
            )
        return names, indices

    def _number_folders(self, with_images: set[str]) -> None:
        """Set ``folder_to_idx``, and the classes if there are none. Check the folders."""
        folders = sorted(fileio.list_dir_or_file(self.img_prefix, list_file=False))
        if hidden := [name for name in folders if name.startswith('.')]:
            found = f'hidden folders in {self.img_prefix} would be classes: {first(hidden)}'
            mend = f'Remove them: rm -r {self.img_prefix}/{hidden[0]}'
            raise self._error(ValueError, found, mend)
        named = self.CLASSES and {*folders} <= {*self.CLASSES}
        self.folder_to_idx = {n: i for i, n in enumerate(self.CLASSES if named else folders)}
        if named:
            return
        classes = self.CLASSES or ()
        if {name.lower() for name in classes} & {name.lower() for name in folders}:
            strange = [name for name in folders if name not in classes]
            without = [name for name in classes if name not in folders]
            found = f'folders in {self.img_prefix} that classes does not name: {first(strange)}'
            found += f'; classes without a folder: {first(without) or "none"}'
            raise self._error(ValueError, found, self.NAME_THEM)
        if self.CLASSES and len(self.CLASSES) != len(folders):
            found = f'{len(self.CLASSES)} classes, but {len(folders)} folders in {self.img_prefix}'
            raise self._error(ValueError, f'{found}: {first(folders)}', self.NAME_THEM)
        self._metainfo.setdefault('classes', tuple(folders))
        if len(folders) == 1:
            found = f'{self.img_prefix} has one folder of a class only: {folders[0]}'
            raise self._error(ValueError, found, self.LAYOUT)
        if empty := [name for name in folders if name not in with_images]:
            found = f'{len(empty)} of {len(folders)} folders in {self.img_prefix} have no image'
            raise self._error(
                FileNotFoundError, f'{found}: {first(empty)}', self.LAYOUT, self.NAME_THEM
            )
        roots = {osp.dirname(self.img_prefix.rstrip('/')) or '.', self.data_root or ''} - {''}
        splits = product(sorted(roots), ('train', 'val'))
        for folder in (fileio.join_path(root, split) for root, split in splits):
            others = fileio.isdir(folder) and {*fileio.list_dir_or_file(folder, list_file=False)}
            if others and others != {*folders}:
                odd = [fileio.join_path(self.img_prefix, name) for name in {*folders} - others]
                odd += [fileio.join_path(folder, name) for name in others - {*folders}]
                raise self._error(
                    ValueError,
                    f'{self.img_prefix} and {folder} have different folders, so they would number '
                    f'their classes differently. {len(odd)} are in one only: {first(sorted(odd))}',
                    self.LAYOUT,
                    self.NAME_THEM,
                )

    def _complete(self, outcome: Outcome) -> Outcome:
        """Count the images of each class."""
        labels = (item['gt_label'] for item in self.items() if 'gt_label' in item)
        return super()._complete(outcome._replace(counts=Counter(labels)))

    def _refusal(self, outcome: Outcome, *advice: str) -> Exception:
        listed = self.ann_file and any(fault.kind == 'no image' for fault in outcome.faults)
        return super()._refusal(outcome, self.MAKE_LIST if listed else '', *advice)


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
