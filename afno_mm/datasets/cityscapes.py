"""MMSegmentation's Cityscapes dataset, with a check of its files before the first step."""

from mmseg.datasets import CityscapesDataset as MMSegCityscapesDataset

from ..registry import DATASETS
from .segmentation import CheckedFiles


@DATASETS.register_module()
class CityscapesDataset(CheckedFiles, MMSegCityscapesDataset):
    """MMSegmentation's CityscapesDataset with its files checked, see :class:`CheckedFiles`."""

    NAME = 'Cityscapes'
    LAYOUT = """Expected are the folders of the Cityscapes downloads:
  {root}/leftImg8bit/{{train,val}}/<city>/<city>_<number>_<number>_leftImg8bit.png
  {root}/gtFine/{{train,val}}/<city>/<city>_<number>_<number>_gtFine_{{labelIds,instanceIds}}.png
  {root}/gtFine/{{train,val}}/<city>/<city>_<number>_<number>_gtFine_labelTrainIds.png"""
    GET_DATA = """Use one of these commands:
  export CITYSCAPES_DATASET=/path/to/cityscapes      if it is elsewhere, for *_cityscapes.py
  csDownload -d {root} leftImg8bit_trainvaltest.zip gtFine_trainvaltest.zip   and unzip both there
  python {scripts}/make_scenes.py {root}      generates street scenes in the same format"""
    MEND_LABELS = """This command makes the labels:
  CITYSCAPES_DATASET={root} csCreateTrainIdLabelImgs"""
    IDS = 'train ids'
    NOT_IDS = 'Labels with ids up to 33 are labelIds: training needs *_gtFine_labelTrainIds.png.'
