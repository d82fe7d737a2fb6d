"""Cityscapes as MMSegmentation reads it, refused before step 0 if it is not as it should be."""

from mmseg.datasets import CityscapesDataset as MMSegCityscapesDataset

from ..registry import DATASETS
from .checked import CheckedFiles


@DATASETS.register_module()
class CityscapesDataset(CheckedFiles, MMSegCityscapesDataset):
    """MMSegmentation's Cityscapes with its files checked, see :class:`CheckedFiles`."""

    NAME = 'Cityscapes'
    LAYOUT = """The layout wanted is that of the Cityscapes downloads:
  {root}/leftImg8bit/{{train,val}}/<city>/<city>_<number>_<number>_leftImg8bit.png
  {root}/gtFine/{{train,val}}/<city>/<city>_<number>_<number>_gtFine_{{labelIds,instanceIds}}.png
  {root}/gtFine/{{train,val}}/<city>/<city>_<number>_<number>_gtFine_labelTrainIds.png"""
    GET_DATA = """Any of these mends it:
  export CITYSCAPES_DATASET=/path/to/cityscapes      for *_cityscapes.py, if you have it elsewhere
  csDownload -d {root} leftImg8bit_trainvaltest.zip gtFine_trainvaltest.zip   and unzip both there
  python data/make_scenes.py {root}      for generated street scenes in the same format"""
    MEND_LABELS = """This makes them:
  CITYSCAPES_DATASET={root} csCreateTrainIdLabelImgs"""
    IDS = 'train ids'
    NOT_IDS = 'Labels with ids up to 33 are labelIds: training needs *_gtFine_labelTrainIds.png.'
