"""The official evaluation against scores computed by hand, and what it does to files."""

import os

import numpy as np
import pytest
import torch
from afno_mm.evaluation import CityscapesMetric
from PIL import Image


@pytest.fixture
def sample(tmp_path):
    """Truth: 3 pixels of road, 1 of car, 1 ignored. Prediction: 2 road, 3 car."""
    stem = tmp_path / 'gtFine/val/bern/bern_000000_000019_gtFine_'
    stem.parent.mkdir(parents=True)
    Image.fromarray(np.array([[7, 7, 7, 26, 0]], np.uint8)).save(f'{stem}labelIds.png')
    Image.fromarray(np.array([[7, 7, 7, 26000, 0]], np.uint16)).save(f'{stem}instanceIds.png')
    return dict(
        img_path='bern_000000_000019_leftImg8bit.png',
        seg_map_path=f'{stem}labelTrainIds.png',
        pred_sem_seg=dict(data=torch.tensor([[[0, 0, 13, 13, 13]]])),
    )


def test_class_scores_by_hand(sample):
    metric = CityscapesMetric()
    metric.process({}, [sample])
    scores = metric.evaluate(1)
    assert scores['cityscapes/IoU.road'] == pytest.approx(66.67)
    assert scores['cityscapes/IoU.car'] == pytest.approx(50)
    assert scores['cityscapes/mIoU'] == pytest.approx(100 * (2 / 3 + 1 / 2) / 2, abs=0.01)
    assert {'cityscapes/iIoU', 'cityscapes/category_mIoU', 'cityscapes/category_iIoU'} < set(scores)
    assert sum(name.startswith('cityscapes/IoU.') for name in scores) == 19


def test_a_folder_given_is_kept_and_a_temporary_one_removed(sample, tmp_path):
    given = tmp_path / 'given'
    given.mkdir()
    (given / 'mine').write_text('')
    metric, temporary = CityscapesMetric(str(given)), CityscapesMetric()
    folder = temporary.output_dir
    metric.process({}, [sample])
    del metric, temporary
    assert sorted(p.name for p in given.iterdir()) == ['bern_000000_000019_leftImg8bit.png', 'mine']
    assert not os.path.exists(folder)


def test_missing_instance_ids_are_named_at_the_first_image(sample):
    path = sample['seg_map_path'].replace('labelTrainIds', 'instanceIds')
    os.remove(path)
    with pytest.raises(FileNotFoundError, match=f'{path}.*gtFine_trainvaltest.zip'):
        CityscapesMetric().process({}, [sample])


def test_format_only_needs_a_folder():
    with pytest.raises(ValueError, match='output_dir'):
        CityscapesMetric(format_only=True)
