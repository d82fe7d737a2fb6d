"""Pictures of predictions: their contents, which images are drawn, where they go."""

from types import SimpleNamespace

import mmcv
import numpy as np
import pytest
import torch
from afno_mm.tasks import visualization
from afno_mm.tasks.visualization import PartsVisualizer, PredictionPicturesHook, picture_name
from mmengine.config import Config
from mmengine.structures import PixelData
from mmpretrain.structures import DataSample
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


@pytest.fixture
def runner():
    """Return a runner that notes the pictures which its visualizer gets."""
    loader = SimpleNamespace(dataset=SimpleNamespace(metainfo={}))
    drawn = {}
    visualizer = SimpleNamespace(
        drawn=drawn, add_image=lambda name, image, step: drawn.update({(name, step): image})
    )
    cfg = Config(dict(model=dict(type='InpaintingModel')))
    return SimpleNamespace(visualizer=visualizer, cfg=cfg, test_dataloader=loader, epoch=0, iter=7)


def draw(runner, *batches, **settings):
    """Run the hook through a test of batches of samples. Each sample has the same image."""
    hook = PredictionPicturesHook(number=0, enable=True, **settings)
    blue, green, red = 200, 100, 50
    image = torch.tensor([blue, green, red], dtype=torch.uint8)[:, None, None].expand(3, 32, 32)
    for number, samples in enumerate(batches):
        hook.after_test_iter(runner, number, dict(inputs=[image] * len(samples)), samples)
    return hook, image


def classified(path):
    return DataSample(metainfo=dict(img_path=path)).set_gt_label(0).set_pred_label(0)


def test_input_prediction_and_truth_side_by_side_as_png(runner, tmp_path):
    draw(runner, [sample(10)], out_dir=str(tmp_path / 'new'))
    picture = mmcv.imread(str(tmp_path / 'new/discs_10.png'), channel_order='rgb')
    assert picture.shape == (4, 15, 3)
    assert (picture[:, :2] == 0).all() and (picture[:, 2:5] == (10, 100, 200)).all()
    assert (picture[:, 5:10] == (50, 10, 60)).all() and (picture[:, 10:] == (10, 100, 200)).all()
    assert not runner.visualizer.drawn


def test_every_nth_image_of_a_test_whatever_the_batches(runner):
    draw(runner, [sample(0), sample(1)], [sample(2), sample(3)], [sample(4)], interval=3)
    assert list(runner.visualizer.drawn) == [('discs_0', 0), ('discs_3', 0)]
    assert all(np.shape(p) == (4, 15, 3) for p in runner.visualizer.drawn.values())


def test_two_processes_give_images_of_equal_names_different_pictures(runner, tmp_path, monkeypatch):
    monkeypatch.setattr(visualization, 'get_world_size', lambda: 2)
    runner.cfg.model.type = 'ImageClassifier'
    paths = [f'{folder}/{name}.png' for folder in ('cat', 'dog') for name in (0, 1)]
    runner.test_dataloader.dataset = Listed(paths)
    for rank in (0, 1):
        samples = [classified(path) for path in paths[2 * rank :][:2]]
        draw(runner, samples, out_dir=str(tmp_path), interval=1)
    drawn = {path.stem for path in tmp_path.iterdir()}
    assert drawn == {'0', '1', 'dog_0', 'dog_1'}


class Listed(list):
    """The paths of the images of a dataset."""

    metainfo: dict = {}

    def get_data_info(self, index):
        return dict(img_path=self[index])


def test_a_test_is_drawn_only_when_enabled(runner):
    PredictionPicturesHook().after_test_iter(runner, 0, dict(inputs=[None]), [sample(0)])
    assert not runner.visualizer.drawn


@pytest.mark.parametrize('model', ['ImageClassifier', 'AverageClsScoreTTA'])
def test_classified_images_keep_their_colours_also_of_several_views(model, runner, tmp_path):
    runner.cfg.model.type = 'ImageClassifier'
    hook, image = draw(runner, [classified('val/discs/a.JPEG')], out_dir=str(tmp_path))
    if model != 'ImageClassifier':
        runner.cfg.model = dict(type=model, module=runner.cfg.model)
        (tmp_path / 'a.png').unlink()
        views = dict(inputs=[image[None], image[None].flip(1)])
        hook.after_test_iter(runner, 0, views, [classified('val/discs/a.JPEG')])
    (picture,) = tmp_path.glob('*.png')
    assert picture.name == 'a.png' and mmcv.imread(str(picture))[220, 220].tolist() == [
        200,
        100,
        50,
    ]


def test_parts_are_drawn_without_names(tmp_path):
    visualizer = PartsVisualizer(alpha=1.0)
    visualizer.dataset_meta = dict(classes=['ground', 'part'], palette=[[0, 0, 0], [9, 99, 199]])
    label = PixelData(data=torch.arange(40).view(1, 40, 1).expand(1, 40, 60) // 20)
    sample = SegDataSample(gt_sem_seg=label, pred_sem_seg=label)
    path = str(tmp_path / 'two.png')
    visualizer.add_datasample('two', np.zeros((40, 60, 3), np.uint8), sample, out_file=path)
    colours = mmcv.imread(path, channel_order='rgb').reshape(-1, 3)
    assert set(map(tuple, colours.tolist())) == {(0, 0, 0), (9, 99, 199)}


def test_equal_file_names_in_other_folders_do_not_overwrite(runner, tmp_path):
    used = set()
    names = [picture_name(path, used) for path in ('/x/cat/0.jpg', '/x/dog/0.jpg', '/y/cat/0.jpg')]
    assert names == ['0', 'dog_0', 'cat_0']
    assert picture_name('/x/cat/0.jpg', used) == 'x_cat_0'
    runner.cfg.model.type = 'ImageClassifier'
    samples = [classified(f'/x/{name}/0.jpg') for name in ('cat', 'dog')]
    draw(runner, samples, out_dir=str(tmp_path), interval=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ['0.png', 'dog_0.png']


def test_pictures_of_validations_have_the_iteration_as_step_and_names_of_their_own(runner):
    runner.cfg.model.type = 'ImageClassifier'
    samples = [classified(f'/x/{name}/0.jpg') for name in ('cat', 'dog')]
    loader = type('Loader', (list,), dict(batch_size=2))([0])
    loader.dataset = type('Dataset', (list,), dict(metainfo={}))(samples)
    runner.val_dataloader, hook = loader, PredictionPicturesHook()
    for runner.iter in (5, 10):  # A training by iterations stays in epoch 0.
        images = [torch.zeros(3, 32, 32, dtype=torch.uint8)] * 2
        hook.after_val_iter(runner, 0, dict(inputs=images), samples)
    names = ['val_0.jpg', 'val_dog_0.jpg']
    assert list(runner.visualizer.drawn) == [(name, step) for step in (5, 10) for name in names]
