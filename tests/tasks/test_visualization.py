"""Pictures of predictions: their contents, which images are drawn, where they go."""

from types import SimpleNamespace

import mmcv
import numpy as np
import pytest
import torch
from afno_mm.tasks.visualization import (
    ClassVisualizationHook,
    InpaintingVisualizationHook,
    PartsVisualizer,
    picture_name,
)
from mmengine.structures import PixelData
from mmpretrain.structures import DataSample
from mmpretrain.visualization import UniversalVisualizer
from mmseg.structures import SegDataSample


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
        for batch, indices in enumerate([(0, 1), (2, 3), (4,)]):
            hook.after_val_iter(runner, batch, None, [sample(i) for i in indices])
    assert list(runner.visualizer.drawn) == [('discs_0', 7), ('discs_3', 7)]
    assert all(np.shape(p) == (4, 15, 3) for p in runner.visualizer.drawn.values())


def test_draws_only_when_enabled(runner):
    InpaintingVisualizationHook().after_val_iter(runner, 0, None, [sample(0)])
    assert not runner.visualizer.drawn


def test_classified_images_keep_their_colours(tmp_path):
    UniversalVisualizer.get_instance('colours', vis_backends=[])
    hook = ClassVisualizationHook(enable=True, interval=1, out_dir=str(tmp_path), resize=64)
    blue, green, red = 200, 100, 50
    image = torch.tensor([blue, green, red], dtype=torch.uint8)[:, None, None].expand(3, 32, 32)
    sample = DataSample(metainfo=dict(img_path='val/discs/a.JPEG')).set_gt_label(0)
    hook.after_test_iter(None, 0, dict(inputs=[image]), [sample])
    (picture,) = tmp_path.glob('*.png')
    assert mmcv.imread(str(picture))[60, 60].tolist() == [blue, green, red]


def test_parts_are_drawn_without_names(tmp_path):
    visualizer = PartsVisualizer(alpha=1.0)
    visualizer.dataset_meta = dict(classes=['ground', 'part'], palette=[[0, 0, 0], [9, 99, 199]])
    label = PixelData(data=torch.arange(40).view(1, 40, 1).expand(1, 40, 60) // 20)
    sample = SegDataSample(gt_sem_seg=label, pred_sem_seg=label)
    path = str(tmp_path / 'two.png')
    visualizer.add_datasample('two', np.zeros((40, 60, 3), np.uint8), sample, out_file=path)
    colours = mmcv.imread(path, channel_order='rgb').reshape(-1, 3)
    assert set(map(tuple, colours.tolist())) == {(0, 0, 0), (9, 99, 199)}


def test_equal_file_names_in_other_folders_do_not_overwrite(tmp_path):
    used = set()
    names = [picture_name(path, used) for path in ('/x/cat/0.jpg', '/x/dog/0.jpg', '/y/cat/0.jpg')]
    assert names == ['0', 'dog_0', 'cat_0']
    assert picture_name('/x/cat/0.jpg', used) == 'x_cat_0'
    visualizer = UniversalVisualizer.get_instance('names', save_dir=str(tmp_path))
    hook = ClassVisualizationHook(enable=True, interval=1, out_dir=str(tmp_path))
    hook._visualizer = visualizer
    samples = [
        DataSample(metainfo=dict(img_path=f'/x/{name}/0.jpg')).set_pred_label(0)
        for name in ('cat', 'dog')
    ]
    images = [torch.zeros(3, 32, 32, dtype=torch.uint8)] * 2
    hook._draw_samples(0, dict(inputs=images), samples)
    assert sorted(path.name for path in tmp_path.glob('*.png')) == [
        '0.jpg_0.png',
        'dog_0.jpg_0.png',
    ]
    # Test-time augmentation: a batch for each view.
    hook._draw_samples(0, dict(inputs=[torch.stack(images)] * 2), samples)
