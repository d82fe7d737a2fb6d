"""Cityscapes as MMSegmentation reads it, refused before step 0 if it is not as it should be."""
import mmcv
import numpy as np
from mmengine import fileio
from mmengine.logging import print_log
from mmseg.datasets import CityscapesDataset as MMSegCityscapesDataset

from ..registry import DATASETS

NUM_LABELS_READ = 16

LAYOUT = """The layout wanted is that of the Cityscapes downloads:
  {root}/leftImg8bit/{{train,val}}/<city>/<city>_<number>_<number>_leftImg8bit.png
  {root}/gtFine/{{train,val}}/<city>/<city>_<number>_<number>_gtFine_{{labelIds,instanceIds}}.png
  {root}/gtFine/{{train,val}}/<city>/<city>_<number>_<number>_gtFine_labelTrainIds.png"""
GET_DATA = """Any of these mends it:
  export CITYSCAPES_DATASET=/path/to/cityscapes      if you have it elsewhere
  csDownload -d {root} leftImg8bit_trainvaltest.zip gtFine_trainvaltest.zip   and unzip both there
  python tools/make_scenes.py {root}      for generated street scenes in the same format"""
CONVERT = """This makes them:
  CITYSCAPES_DATASET={root} csCreateTrainIdLabelImgs"""


@DATASETS.register_module()
class CityscapesDataset(MMSegCityscapesDataset):
    """MMSegmentation's Cityscapes with a check of the files when the list of images is made.

    Images must be there, each must have its label, no label may be without its image, and
    the labels must hold train ids: some of them, spread over the list, are read.

    Images without labels, for prediction only, are those of a config whose ``data_prefix`` has
    no ``seg_map_path``.

    Raises:
        FileNotFoundError: If folders, images or labels are missing; says how many and which,
            the layout wanted, and the commands that mend it.
        ValueError: If a label holds values that are no train ids, as labelIds do.
    """

    def load_data_list(self):
        root = (self.data_root or '.').rstrip('/')
        images, labels = self.data_prefix['img_path'], self.data_prefix.get('seg_map_path')
        for folder in filter(None, (images, labels)):
            if not fileio.isdir(folder, backend_args=self.backend_args):
                raise FileNotFoundError(
                    f'Cityscapes: there is no folder {folder}\n'
                    f'{LAYOUT.format(root=root)}\n{GET_DATA.format(root=root)}')
        data_list = super().load_data_list()
        if not data_list:
            raise FileNotFoundError(
                f'Cityscapes: no image *{self.img_suffix} in {images}\n'
                f'{LAYOUT.format(root=root)}\n{GET_DATA.format(root=root)}')
        if labels:
            self._check_pairs(data_list, labels, root)
            self._check_values(data_list, root)
        return data_list

    def _check_pairs(self, data_list, folder, root):
        wanted = {item['seg_map_path'] for item in data_list}
        found = {
            fileio.join_path(folder, name, backend_args=self.backend_args)
            for name in fileio.list_dir_or_file(
                folder, list_dir=False, suffix=self.seg_map_suffix, recursive=True,
                backend_args=self.backend_args)
        }
        missing, spare = sorted(wanted - found), sorted(found - wanted)
        if missing:
            text = (f'Cityscapes: {len(missing)} of {len(wanted)} images have no label '
                    f'*{self.seg_map_suffix}. Missing: {_first(missing)}')
            if spare:
                text += f'\n{len(spare)} labels have no image (misnamed?): {_first(spare)}'
            raise FileNotFoundError(f'{text}\n{LAYOUT.format(root=root)}\n'
                                    f'{CONVERT.format(root=root)}')
        if spare and not self.ann_file:
            print_log(f'Cityscapes: {len(spare)} labels in {folder} have no image and are not '
                      f'used: {_first(spare)}', logger='current', level='WARNING')

    def _check_values(self, data_list, root):
        train_ids = np.append(np.arange(len(self.metainfo['classes'])), self.ignore_index)
        spread = np.linspace(0, len(data_list) - 1, min(NUM_LABELS_READ, len(data_list)))
        for index in spread.astype(int):
            path = data_list[index]['seg_map_path']
            label = mmcv.imfrombytes(
                fileio.get(path, backend_args=self.backend_args),
                flag='unchanged', backend='pillow')
            strange = np.setdiff1d(label, train_ids)
            if strange.size:
                raise ValueError(
                    f'Cityscapes: {path} holds the values {strange.tolist()}, which are no train '
                    f'ids (0..18, {self.ignore_index} for ignore). Labels with ids up to 33 are '
                    'labelIds: training needs *_gtFine_labelTrainIds.png.\n'
                    f'{CONVERT.format(root=root)}')


def _first(names, most=5):
    return ', '.join(names[:most]) + (', ...' if len(names) > most else '')
