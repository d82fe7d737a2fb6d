"""The inpainting configs have the settings of the paper (A.1, A.2, A.6)."""

from math import cos, pi
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import DefaultScope
from mmpretrain.registry import DATASETS, MODELS
from one_weight import train

CONFIGS = Path(__file__).parents[1] / 'configs'
# Width, layers, learning rate, settings of the mixer.
PAPER = {
    'sa_b4': (768, 12, 1e-4, dict(num_heads=16)),
    'ls_b4': (768, 12, 1e-3, dict(window_size=4, num_landmarks=8)),
    'gfn_b4': (768, 12, 1e-3, dict()),
    'afno_b4': (750, 12, 1e-3, dict(num_blocks=1, sparsity_threshold=0.1)),
    'fno_xs4': (64, 5, 1e-3, dict(num_modes=(14, 14))),
    'static_xs4': (124, 5, 1e-3, dict(num_blocks=4, sparsity_threshold=0.01)),
    'afno35_xs4': (584, 5, 1e-3, dict(num_blocks=4, sparsity_threshold=0.0)),
    'afno_xs4': (584, 5, 1e-3, dict(num_blocks=4, sparsity_threshold=0.01, mode_fraction=1.0)),
    'sa_s4_depth10': (324, 10, 1e-4, dict(num_heads=12)),
    'ls_s4_depth10': (312, 10, 1e-3, dict(window_size=4, num_landmarks=8)),
    'gfn_s4_depth10': (245, 10, 1e-3, dict()),
    'afno_s4_depth10': (384, 10, 1e-3, dict(num_blocks=16, sparsity_threshold=0.01)),
}


@pytest.fixture(params=PAPER)
def name(request):
    return request.param


def load(name):
    return Config.fromfile(CONFIGS / f'vit_{name}_inpainting.py')


def test_model_has_the_settings_of_the_paper(name):
    width, depth, _, settings = PAPER[name]
    with DefaultScope.overwrite_default_scope('mmpretrain'), torch.device('meta'):
        model = MODELS.build(load(name).model)
    backbone, head = model.backbone, model.head
    mixers = [layer.attn for layer in backbone.layers]
    assert (backbone.embed_dims, len(mixers), backbone.patch_resolution) == (width, depth, (56, 56))
    assert backbone.cls_token is None
    assert (head.projection.in_channels, head.projection.out_channels) == (width, 48)
    for mixer in mixers:
        assert {key: getattr(mixer, key) for key in settings} == settings


def test_training_has_the_settings_of_the_paper(name, monkeypatch):
    monkeypatch.delenv('IMAGENET_DATASET', raising=False)
    cfg = load(name)
    optim = cfg.optim_wrapper
    assert (optim.optimizer.lr, optim.optimizer.weight_decay) == (PAPER[name][2], 0.01)
    assert (optim.clip_grad.max_norm, cfg.train_cfg.max_epochs) == (1.0, 100)
    for loader in (cfg.train_dataloader, cfg.test_dataloader):
        (mask,) = (t for t in loader.dataset.pipeline if t.type == 'afno_mm.RandomWalkMask')
        assert mask.num_steps == 3136
        assert ('seed' in mask) == (loader is cfg.test_dataloader)
    tenth = cfg.train_dataloader.dataset.get('ann_file') == 'meta/train_10percent.txt'
    assert tenth == (not name.endswith('b4'))


def test_a_missing_list_of_a_tenth_names_the_tool_that_writes_it(tmp_path):
    (tmp_path / 'train').mkdir()
    cfg = load('afno_xs4').train_dataloader.dataset
    with (
        DefaultScope.overwrite_default_scope('mmpretrain'),
        pytest.raises(FileNotFoundError, match='data/imagenet_subset.py'),
    ):
        DATASETS.build(dict(cfg, data_root=str(tmp_path)))


def test_learning_rate_falls_as_a_cosine_whatever_the_epochs(tmp_path):
    rates = []

    class Record(Hook):
        def before_train_iter(self, runner, batch_idx, data_batch=None):
            rates.extend(runner.optim_wrapper.get_lr()['lr'])

    train(tmp_path, 5, load('afno_xs4').param_scheduler, Record())
    # 20 steps that start at 1. The rate reaches 0.01 after the last.
    assert rates == pytest.approx(
        [0.01 + 0.99 * (1 + cos(pi * step / 20)) / 2 for step in range(20)], abs=1e-6
    )
