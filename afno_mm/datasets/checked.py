"""A dataset whose files are checked before the first step."""

import io
import os.path as osp

import numpy as np
from mmengine import fileio
from mmengine.logging import print_log
from PIL import Image

NUM_FILES_READ = 16


class NamedFiles:
    """Names the image whose pipeline failed, which decoders of empty files do not.

    Goes before the dataset, any of MMEngine's, among a class's bases.
    """

    def prepare_data(self, idx):
        try:
            return super().prepare_data(idx)
        except Exception as error:
            path = self.get_data_info(idx)['img_path']
            raise RuntimeError(f'reading or transforming {path} failed: {error}') from error


class CheckedFiles(NamedFiles):
    """Checks the files of a dataset of MMSegmentation when the list of images is made.

    Goes before the dataset among a class's bases, and says in class attributes what to tell
    the user; ``{root}`` stands there for the ``data_root``, ``{parent}`` for its folder. Images
    must be there, each must have its label, no label may be without its image, and labels must
    be as large as their images and hold classes: some of them, spread over the list, are read.

    Images without labels, for prediction only, are those of a config whose ``data_prefix`` has
    no ``seg_map_path``.

    Attributes:
        NAME (str): Of the data, in front of every message.
        LAYOUT (str): The files that are wanted.
        GET_DATA (str): Commands that fetch or make them all.
        MEND_LABELS (str): Commands that mend missing and wrong labels.
        IDS (str): What the values of labels are called.
        NOT_IDS (str): What labels with other values probably are.

    Raises:
        FileNotFoundError: If folders, images or labels are missing; says how many and which,
            the layout wanted, and the commands that mend it.
        ValueError: If a file looked at is no picture, or a label holds values that are no classes
            or is not of its image's size.
    """

    NAME = LAYOUT = GET_DATA = MEND_LABELS = NOT_IDS = ''
    IDS = 'class ids'

    def load_data_list(self):
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
            spread = np.linspace(0, len(data_list) - 1, min(NUM_FILES_READ, len(data_list)))
            for index in spread.astype(int):
                self._check_label(**data_list[index])
        return data_list

    def _check_pairs(self, data_list, folder):
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
                f'{self.NAME}: {len(spare)} labels in {folder} have no image and are not '
                f'used: {first(spare)}',
                logger='current',
                level='WARNING',
            )

    def _check_label(self, img_path, seg_map_path, **_):
        image = self._open(img_path, self.GET_DATA)
        label = self._open(seg_map_path, self.MEND_LABELS)
        if image.size != label.size:
            raise self._error(
                ValueError,
                f'{seg_map_path} is {label.size[0]}x{label.size[1]}, its image '
                f'{img_path} {image.size[0]}x{image.size[1]}; wanted are equal sizes',
                self.MEND_LABELS,
            )
        last = len(self.METAINFO['classes']) - 1
        strange = np.setdiff1d(label, [*range(last + 1), self.ignore_index])
        if strange.size:
            raise self._error(
                ValueError,
                f'{seg_map_path} holds the values {strange.tolist()}, which are no '
                f'{self.IDS} (0..{last}, {self.ignore_index} for ignore). {self.NOT_IDS}',
                self.MEND_LABELS,
            )

    def _open(self, path, advice):
        data = io.BytesIO(fileio.get(path, backend_args=self.backend_args))
        try:
            picture = Image.open(data)
            picture.load()
        except OSError as error:
            raise self._error(
                ValueError,
                f'{path} is no whole picture: {error}. Remove it before you get it anew',
                advice,
            ) from None
        return picture

    def _error(self, kind, found, *advice):
        root = (self.data_root or '.').rstrip('/')
        places = dict(root=root, parent=osp.dirname(root) or '.')
        return kind('\n'.join([f'{self.NAME}: {found}', *(a.format(**places) for a in advice)]))


def first(names, most=5):
    """The first of some names, for a message."""
    return ', '.join(names[:most]) + (', ...' if len(names) > most else '')
