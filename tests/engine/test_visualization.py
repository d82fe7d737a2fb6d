"""Pictures of reconstructions: what is in them, which are drawn, and where they go."""
from types import SimpleNamespace

import mmcv
import numpy as np
import pytest
import torch
from mmpretrain.structures import DataSample

from afno_mm.engine import InpaintingVisualizationHook


def sample(index):
    sample = DataSample(metainfo=dict(img_path=f'train/discs/discs_{index}.JPEG'))
    mask = torch.zeros(4, 5, dtype=torch.bool)
    mask[:, :2] = True
    sample.set_mask(mask)
    for name, colour in (('gt_image', (index, 100, 200)), ('pred_image', (50, index, 60))):
        image = torch.tensor(colour, dtype=torch.uint8)[:, None, None].expand(3, 4, 5)
        sample.set_field(image, name)
    return sample


class Visualizer:

    def __init__(self):
        self.drawn = {}

    def add_image(self, name, image, step):
        self.drawn[name, step] = image


@pytest.fixture
def runner():
    return SimpleNamespace(visualizer=Visualizer(), epoch=7)


def test_input_prediction_and_truth_side_by_side_as_png(runner, tmp_path):
    hook = InpaintingVisualizationHook(enable=True, interval=1, out_dir=str(tmp_path / 'new'))
    hook.after_test_iter(runner, 0, None, [sample(10)])
    picture = mmcv.imread(str(tmp_path / 'new/discs_10.png'), channel_order='rgb')
    assert picture.shape == (4, 15, 3)
    assert (picture[:, :2] == 0).all() and (picture[:, 2:5] == (10, 100, 200)).all()
    assert (picture[:, 5:10] == (50, 10, 60)).all() and (picture[:, 10:] == (10, 100, 200)).all()
    assert not runner.visualizer.drawn


def test_every_nth_image_whatever_the_batches(runner):
    hook = InpaintingVisualizationHook(enable=True, interval=3)
    for _ in range(2):  # two validations
        for batch, indices in enumerate([(0, 1), (2, 3), (4, )]):
            hook.after_val_iter(runner, batch, None, [sample(i) for i in indices])
    assert list(runner.visualizer.drawn) == [('discs_0', 7), ('discs_3', 7)]
    assert all(np.shape(p) == (4, 15, 3) for p in runner.visualizer.drawn.values())


def test_draws_only_when_enabled(runner):
    InpaintingVisualizationHook().after_val_iter(runner, 0, None, [sample(0)])
    assert not runner.visualizer.drawn
