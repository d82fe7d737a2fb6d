"""Dataset bases that check their files before the first training step."""

import io
import os.path as osp
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine import fileio
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log
from mmseg.datasets import BaseSegDataset
from PIL import Image

NUM_FILES_CHECKED = 16
# Folder of the data scripts, for commands in messages. A wheel installs them below .mim.
INSTALLED_SCRIPTS = Path(__file__).parents[1] / '.mim/data'
SCRIPTS = str(INSTALLED_SCRIPTS) if INSTALLED_SCRIPTS.is_dir() else 'data'


class NamedFiles(BaseDataset):
    """Name the image if the pipeline fails. OpenCV does not name an empty file.

    Use it as the first base of a class, in front of an MMEngine dataset.
    """

    def prepare_data(self, idx: int) -> Any:
        try:
            return super().prepare_data(idx)
        except Exception as error:
            path = self.get_data_info(idx)['img_path']
            raise RuntimeError(f'reading or transforming {path} failed: {error}') from error


class CheckedFiles(NamedFiles, BaseSegDataset):
    """Check the files of an MMSegmentation dataset when it lists its images.

    Use it as the first base of a class. Three things must hold: there are images, every image
    has a label, and a label has the size of its image and holds class ids. The last check reads
    16 labels, spread over the list. If ``data_prefix`` has no ``seg_map_path``, the images are
    for prediction only and need no labels.

    The class attributes are the texts of the messages. In them ``{root}`` stands for
    ``data_root``, ``{parent}`` for the folder above it, ``{scripts}`` for the folder of the
    data scripts.

    Attributes:
        NAME: Name of the dataset; every message starts with it.
        LAYOUT: The files that the dataset needs.
        GET_DATA: Commands that download or generate all of them.
        MEND_LABELS: Commands that replace missing or wrong labels.
        IDS: What the values of the labels are called.
        NOT_IDS: What labels with other values probably are.

    Raises:
        FileNotFoundError: If folders, images or labels are missing. The message has their
            number, the first names, the layout and the commands.
        ValueError: If one of the files read is not a whole picture, or a label has values that
            are not class ids, or a size that differs from its image.
    """

    NAME = LAYOUT = GET_DATA = MEND_LABELS = NOT_IDS = ''
    IDS = 'class ids'

    def load_data_list(self) -> list[dict]:
        images, labels = self.data_prefix['img_path'], self.data_prefix.get('seg_map_path')
        for folder in filter(None, (images, labels)):
            if not fileio.isdir(folder, backend_args=self.backend_args):
                raise self._error(
                    FileNotFoundError, f'there is no folder {folder}', self.LAYOUT, self.GET_DATA
                )
        data_list = super().load_data_list()
        if not data_list:
            raise self._error(
                FileNotFoundError,
                f'no image *{self.img_suffix} in {images}',
                self.LAYOUT,
                self.GET_DATA,
            )
        if labels:
            self._check_pairs(data_list, labels)
            for item in spread(data_list):
                self._check_label(item['img_path'], item['seg_map_path'])
        return data_list

    def _check_pairs(self, data_list: list[dict], folder: str) -> None:
        wanted = {item['seg_map_path'] for item in data_list}
        found = {
            fileio.join_path(folder, name, backend_args=self.backend_args)
            for name in fileio.list_dir_or_file(
                folder,
                list_dir=False,
                suffix=self.seg_map_suffix,
                recursive=True,
                backend_args=self.backend_args,
            )
        }
        missing, spare = sorted(wanted - found), sorted(found - wanted)
        if missing:
            text = (
                f'{len(missing)} of {len(wanted)} images have no label '
                f'*{self.seg_map_suffix}. Missing: {first(missing)}'
            )
            if spare:
                text += f'\n{len(spare)} labels have no image (misnamed?): {first(spare)}'
            raise self._error(FileNotFoundError, text, self.LAYOUT, self.MEND_LABELS)
        if spare and not self.ann_file:
            print_log(
                f'{self.NAME}: {len(spare)} labels in {folder} have no image. They are '
                f'ignored: {first(spare)}',
                logger='current',
                level='WARNING',
            )

    def _check_label(self, img_path: str, seg_map_path: str) -> None:
        image = self._open(img_path, self.GET_DATA)
        label = self._open(seg_map_path, self.MEND_LABELS)
        if image.size != label.size:
            raise self._error(
                ValueError,
                f'{seg_map_path} is {label.size[0]}x{label.size[1]}, its image '
                f'{img_path} is {image.size[0]}x{image.size[1]}; the sizes must be equal',
                self.MEND_LABELS,
            )
        last = len(self.METAINFO['classes']) - 1
        strange = np.setdiff1d(np.asarray(label), [*range(last + 1), self.ignore_index])
        if strange.size:
            raise self._error(
                ValueError,
                f'{seg_map_path} has the values {strange.tolist()}, which are not '
                f'{self.IDS} (0..{last}, {self.ignore_index} to ignore). {self.NOT_IDS}',
                self.MEND_LABELS,
            )

    def _open(self, path: str, advice: str) -> Image.Image:
        data = io.BytesIO(fileio.get(path, backend_args=self.backend_args))
        try:
            picture = Image.open(data)
            picture.load()
        except OSError as error:
            found = f'{path} is not a whole picture: {error}. Remove it first, then replace it'
            raise self._error(ValueError, found, advice) from None
        return picture

    def _error(self, kind: type[Exception], found: str, *advice: str) -> Exception:
        root = (self.data_root or '.').rstrip('/')
        places = dict(root=root, parent=osp.dirname(root) or '.', scripts=SCRIPTS)
        return kind('\n'.join([f'{self.NAME}: {found}', *(a.format(**places) for a in advice)]))


def spread(items: Sequence) -> list:
    """At most 16 items, evenly spaced, the first and the last included."""
    places = np.linspace(0, len(items) - 1, min(NUM_FILES_CHECKED, len(items)))
    return [items[i] for i in places.astype(int)]


def first(names: Sequence[str], most: int = 5) -> str:
    """The first names of a list, joined for a message."""
    return ', '.join(names[:most]) + (', ...' if len(names) > most else '')
