"""What a training shows while it runs: numbers, pictures of predictions, other loggers."""

import re
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from afno_mm.engine import read_config
from afno_mm.engine.mlflow import MLflowVisBackend
from afno_mm.tasks.visualization import PredictionPicturesHook
from mmengine.config import Config
from mmengine.registry import VISUALIZERS, DefaultScope
from mmengine.structures import PixelData
from mmpretrain.structures import DataSample
from mmseg.structures import SegDataSample
from running import REPOSITORY, scalars
from test_val_loss import train

NAMES = ['segformer_afno_b0_scenes', 'mit_afno_b0_images', 'vit_afno_inpainting_demo']
NAMES += ['vit_afno_faces_demo']


def test_memory_is_logged_and_the_gradient_norm_is_that_of_mmengine(tmp_path):
    norms = []
    for name, clip in (('ours', None), ('clipped', dict(max_norm=1e9))):
        (tmp_path / name).mkdir()
        hooks = dict(logger=dict(type='LoggerHook', interval=1))
        hooks['memory'] = dict(type='afno_mm.MemoryHook')
        options = {f'default_hooks.{key}': hook for key, hook in hooks.items()}
        train(tmp_path / name, **options, **{'optim_wrapper.clip_grad': clip})
        lines = [line for line in scalars(tmp_path / name) if 'loss' in line]
        assert len(lines) == 4 and all(100 < line['memory'] < 100_000 for line in lines)
        norms.append([line['grad_norm'] for line in lines])
    assert norms[0] == pytest.approx(norms[1], rel=1e-5) and min(norms[0]) > 0


class Dataset(list):
    metainfo = dict(classes=('ground', 'part'), palette=[[0, 0, 0], [255, 255, 255]])


def validate(name, batches, outputs, **settings):
    """Run the hook through a validation of fake batches. Return the pictures by name."""
    drawn = {}

    def add_image(name, picture, step):
        drawn[name] = picture
        assert step == 30

    dataset = Dataset(sample for samples in outputs for sample in samples)
    loader = type('Loader', (list,), dict(batch_size=2, dataset=dataset))(batches)
    visualizer = SimpleNamespace(add_image=add_image)
    cfg = Config.fromfile(REPOSITORY / f'configs/{name}.py')
    runner = SimpleNamespace(visualizer=visualizer, cfg=cfg, val_dataloader=loader, iter=30)
    hook = PredictionPicturesHook(**settings)
    for number, (batch, samples) in enumerate(zip(batches, outputs)):
        hook.after_val_iter(runner, number, batch, samples)
    return drawn


def test_image_truth_and_prediction_of_a_few_images_spread_over_the_data():
    image = torch.tensor([200, 100, 50], dtype=torch.uint8)[:, None, None].expand(3, 40, 64)  # BGR
    batches = [dict(inputs=[image, image])] * 5
    truth, prediction = torch.zeros(1, 40, 64), torch.ones(1, 40, 64)
    outputs = [
        [
            SegDataSample(
                metainfo=dict(img_path=f'val/{2 * batch + i}.png'),
                gt_sem_seg=PixelData(data=truth),
                pred_sem_seg=PixelData(data=prediction),
            )
            for i in range(2)
        ]
        for batch in range(5)
    ]
    drawn = validate(NAMES[0], batches, outputs, number=3, side=32)
    # As upstream's hooks, with the suffix, which MLflow needs.
    assert list(drawn) == ['val_0.png', 'val_3.png', 'val_6.png']
    picture = drawn['val_0.png']
    assert picture.dtype == np.uint8 and picture.shape == (3 * 20, 32, 3)  # wide: one below another
    assert picture[:20].reshape(-1, 3).tolist() == [[50, 100, 200]] * 640
    assert picture[20:40].max() == 80 and picture[40:].min() == 0.4 * 50 + 0.6 * 255
    assert validate(NAMES[0], batches, outputs, number=0) == {}


def test_every_task_has_pictures():
    image = torch.full((3, 32, 32), 90, dtype=torch.uint8)
    label = DataSample(metainfo=dict(img_path='a.png')).set_gt_label(0).set_pred_label(1)
    (picture,) = validate(NAMES[1], [dict(inputs=image[None])], [[label]]).values()
    assert picture.shape == (224, 224, 3) and len(np.unique(picture)) > 10  # it has text
    filled = DataSample(gt_image=image, pred_image=image // 2, mask=image[0] > 0)
    (picture,) = validate(NAMES[2], [dict(inputs=[image])], [[filled]]).values()
    assert picture[0, ::32, 0].tolist() == [0, 45, 90]


@pytest.mark.parametrize('name', NAMES)
@pytest.mark.parametrize('kind', ['Tensorboard', 'Wandb', 'MLflow'])
def test_one_setting_sends_all_to_another_logger(name, kind, tmp_path, monkeypatch):
    for package in ('wandb', 'mlflow'):
        monkeypatch.setitem(sys.modules, package, ModuleType(package))
    option = {'visualizer.vis_backends.1.type': f'{kind}VisBackend'} if kind[0] != 'T' else {}
    cfg = read_config(str(REPOSITORY / f'configs/{name}.py'), option)
    settings = dict(cfg.visualizer, save_dir=str(tmp_path), name=f'{name}-{kind}')
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        visualizer = VISUALIZERS.build(settings)
    backends = [type(backend).__name__ for backend in visualizer._vis_backends.values()]
    assert backends == ['LocalVisBackend', f'{kind}VisBackend']


@pytest.mark.parametrize('name', ['segformer_hybrid_b0_cityscapes', 'vit_afno_scenes'])
def test_every_config_can_be_logged_to_mlflow(name):
    cfg = read_config(str(REPOSITORY / f'configs/{name}.py'))
    cfg.label_map = {255: 1, (1, 0, 0): 2}
    found = MLflowVisBackend._flatten(MLflowVisBackend.__new__(MLflowVisBackend), cfg.to_dict())
    assert found['label_map.255'] == 1 and found['label_map._1_ 0_ 0_'] == 2
    assert 'AFNO' in [value for key, value in found.items() if '.mixer.' in key]
    assert all(re.fullmatch(r'[\w./: -]+', key) for key in found)
