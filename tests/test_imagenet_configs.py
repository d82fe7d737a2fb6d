"""The classification configs have the settings of the paper (A.3, A.5, Table 5)."""

from math import cos, pi
from pathlib import Path

import pytest
import torch
from afno_mm.engine import check_schedule
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS
from one_weight import train

CONFIGS = sorted((Path(__file__).parents[1] / 'configs').glob('*_imagenet.py'))
# Width, settings of the mixer, published top-1 and top-5 accuracy.
TABLE_5 = dict(
    sa=(324, dict(num_heads=12), None),
    ls=(312, dict(num_heads=12, window_size=4, num_landmarks=8), '80.87 % top-1, 95.31 % top-5'),
    gfn=(245, dict(grid_size=(56, 56)), '78.77 % top-1, 94.4 % top-5'),
    afno=(384, dict(num_blocks=16, sparsity_threshold=0.1), '80.89 % top-1, 95.39 % top-5'),
)


@pytest.mark.parametrize('mixer', TABLE_5)
def test_vit_has_the_settings_of_its_row_in_table_5(mixer):
    width, settings, accuracy = TABLE_5[mixer]
    path = CONFIGS[0].with_name(f'vit_{mixer}_s4_imagenet.py')
    with DefaultScope.overwrite_default_scope('mmpretrain'), torch.device('meta'):
        backbone = MODELS.build(Config.fromfile(path).model.backbone)
    assert (backbone.embed_dims, len(backbone.layers)) == (width, 12)
    assert backbone.patch_resolution == (56, 56) and backbone.cls_token is None
    for layer in backbone.layers:
        assert {key: getattr(layer.attn, key) for key in settings} == settings
    if mixer == 'afno':
        assert isinstance(backbone.layers[0].attn.bias, torch.nn.Module)
    assert f'Expect: {accuracy or "no number"}' in path.read_text()


@pytest.mark.parametrize('path', CONFIGS, ids=lambda p: p.stem)
def test_training_has_the_settings_of_the_paper(path):
    cfg = Config.fromfile(path)
    optim = cfg.optim_wrapper
    # Learning rate 5e-4 for a batch of 512, decay, clipping.
    assert optim.optimizer.lr / cfg.auto_scale_lr.base_batch_size == pytest.approx(5e-4 / 512)
    assert (optim.optimizer.weight_decay, optim.clip_grad.max_norm) == (0.05, 1.0)
    assert cfg.train_cfg.max_epochs == 300
    assert cfg.train_dataloader.batch_size * 8 == cfg.auto_scale_lr.base_batch_size == 1024
    assert 'ann_file' not in cfg.train_dataloader.dataset
    assert cfg.model.neck.type == 'GlobalAveragePooling' and cfg.model.head.num_classes == 1000
    crops = [
        t.get('scale') or t.get('crop_size') for t in (cfg.train_pipeline[1], cfg.test_pipeline[2])
    ]
    assert crops == [224, 224] and cfg.test_evaluator == dict(type='Accuracy', topk=(1, 5))


def test_learning_rate_warms_up_for_five_epochs_and_falls_as_a_cosine(tmp_path):
    rates = []

    class Record(Hook):
        def before_train_iter(self, runner, batch_idx, data_batch=None):
            rates.extend(runner.optim_wrapper.get_lr()['lr'])

    train(tmp_path, 15, Config.fromfile(CONFIGS[0]).param_scheduler, Record())
    rise = [1e-3 + (1 - 1e-3) * step / 19 for step in range(20)]
    fall = [0.01 + 0.99 * (1 + cos(pi * step / 40)) / 2 for step in range(40)]  # of 1e-3: to 1e-5
    assert rates == pytest.approx(rise + fall, abs=1e-6)


def test_training_that_ends_within_the_warm_up_is_refused():
    cfg = Config.fromfile(CONFIGS[0])
    cfg.train_cfg.max_epochs = 5
    with pytest.raises(
        ValueError,
        match=r'ends after 5 epochs, and param_scheduler\.1 '
        r'\(CosineAnnealingLR\) begins after 5',
    ):
        check_schedule(cfg)
    # The settings that the message recommends.
    cfg.merge_from_dict({'param_scheduler.0.end': 1, 'param_scheduler.1.begin': 1})
    check_schedule(cfg)
    cfg.param_scheduler = dict(type='ConstantLR')
    check_schedule(cfg)

    cfg.train_cfg = dict(type='IterBasedTrainLoop', max_iters=1000)
    cfg.param_scheduler = [dict(type='PolyLR', begin=1500, by_epoch=False)]
    with pytest.raises(ValueError, match=r'ends after 1000 iters.*Raise train_cfg\.max_iters'):
        check_schedule(cfg)


def test_epochs_without_end_are_refused():
    cfg = Config.fromfile(CONFIGS[0])
    cfg.train_dataloader.sampler = dict(type='InfiniteSampler', shuffle=True)
    with pytest.raises(ValueError, match='the first one never ends'):
        check_schedule(cfg)
    cfg.param_scheduler = None
    cfg.train_cfg = dict(by_epoch=False, max_iters=10)
    check_schedule(cfg)


def test_schedule_in_epochs_is_refused_if_the_training_counts_iterations():
    """MMEngine counts one epoch: the rate would stay as it is, or fall to 0 within one pass."""
    cfg = Config.fromfile(CONFIGS[0])
    cfg.train_cfg = dict(by_epoch=False, max_iters=1000)
    for given in (
        dict(type='MultiStepLR', milestones=[1], by_epoch=True),
        dict(type='PolyLR', convert_to_iter_based=True),
    ):
        cfg.param_scheduler = [dict(type='LinearLR', by_epoch=False, end=9), given]
        with pytest.raises(ValueError, match=r'param_scheduler\.1\.by_epoch=False, with begin'):
            check_schedule(cfg)
    for given in (
        dict(type='PolyLR', by_epoch=False),
        dict(type='PolyLR', convert_to_iter_based=True, end=9),
        dict(type='ReduceOnPlateauLR', monitor='mIoU'),
    ):
        cfg.param_scheduler = given
        check_schedule(cfg)
