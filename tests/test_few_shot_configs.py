"""The few-shot configs have the settings of Tables 3 and 6 of the paper."""

from pathlib import Path

import pytest
import torch
from generators.datasetgan_sets import SETS
from mmengine.config import Config
from mmengine.registry import DATASETS, DefaultScope
from mmseg.registry import MODELS

CONFIGS = Path(__file__).parents[1] / 'configs'
CLASSES = dict(cats=16, cars=12, faces=34)
# Width, settings of the mixer, published mIoU in the order of CLASSES.
TABLE_3 = dict(
    sa=(768, dict(num_heads=16), (35.57, 49.26, 56.91)),
    ls=(768, dict(num_heads=12, window_size=4, num_landmarks=8), (20.29, 29.66, 41.36)),
    gfn=(768, dict(grid_size=(56, 56)), (34.52, 47.84, 55.21)),
    afno=(750, dict(num_blocks=1, sparsity_threshold=0.1), (35.73, 49.60, 55.75)),
)
TABLE_6 = dict(
    fno=(64, dict(num_modes=(14, 14)), 39.27),
    static=(124, dict(num_blocks=4, num_modes=(14, 14), sparsity_threshold=0.01), 44.04),
    afno35=(584, dict(num_blocks=4, sparsity_threshold=0, mode_fraction=32 / 56), 34.17),
    afno=(584, dict(num_blocks=4, sparsity_threshold=0.01, mode_fraction=1), 49.49),
)
ROWS = [
    (f'vit_{mixer}_b4_{name}', name, width, 12, settings, number)
    for mixer, (width, settings, numbers) in TABLE_3.items()
    for name, number in zip(CLASSES, numbers)
]
ROWS += [
    (f'vit_{mixer}_xs4_faces', 'faces', width, 5, settings, number)
    for mixer, (width, settings, number) in TABLE_6.items()
]


@pytest.mark.parametrize(
    'stem, name, width, layers, settings, number', ROWS, ids=[row[0] for row in ROWS]
)
def test_experiment_has_the_settings_of_its_row_in_the_paper(
    stem, name, width, layers, settings, number, monkeypatch
):
    monkeypatch.delenv('PARTS_DATASET', raising=False)
    cfg = Config.fromfile(CONFIGS / f'{stem}.py')
    with DefaultScope.overwrite_default_scope('mmseg'), torch.device('meta'):
        model = MODELS.build(cfg.model)
    blocks = model.backbone.layers
    assert len(blocks) == layers and model.backbone.embed_dims == width
    assert model.backbone.patch_embed.projection.kernel_size == (4, 4)
    for block in blocks:
        assert {key: getattr(block.attn, key) for key in settings} == settings
    # One linear map per token.
    head = model.decode_head
    assert not list(head.convs.parameters()) and not head.dropout
    assert head.conv_seg.weight.shape == (CLASSES[name], width, 1, 1)

    folder = {'cars': 'ade_cars'}.get(name, name)
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        assert loader.dataset.data_root == f'data/parts/{folder}'
        assert DATASETS.get(loader.dataset.type) is SETS[folder][0]
    assert cfg.optim_wrapper.to_dict() == dict(
        type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-4 if '_sa_' in stem else 1e-3)
    )
    assert cfg.train_cfg.max_epochs == 2000 and cfg.train_cfg.val_interval == 100
    assert not cfg.param_scheduler
    assert f'Expect: {number:.2f} mIoU' in (CONFIGS / f'{stem}.py').read_text()


def test_data_root_follows_the_environment(monkeypatch):
    monkeypatch.setenv('PARTS_DATASET', '/data/parts')
    cfg = Config.fromfile(CONFIGS / 'vit_afno_b4_cars.py')
    assert {cfg[f'{part}_dataloader'].dataset.data_root for part in ('train', 'val', 'test')} == {
        '/data/parts/ade_cars'
    }


@pytest.mark.parametrize('stem', [row[0] for row in ROWS])
def test_experiment_starts_from_the_weights_of_the_same_backbone(stem):
    backbone = Config.fromfile(CONFIGS / f'{stem}.py').model.backbone
    _, name, epoch = backbone.pop('init_cfg').checkpoint.split('/')
    inpainting = Config.fromfile(CONFIGS / f'{name}.py')
    assert inpainting.model.backbone == backbone
    assert epoch == f'epoch_{inpainting.train_cfg.max_epochs}.pth'


def test_weights_of_another_mixer_are_refused(tmp_path):
    """The feed-forward layers fit. They are more than half of a backbone, yet not enough."""
    with DefaultScope.overwrite_default_scope('mmseg'):
        sa, gfn = (
            Config.fromfile(CONFIGS / f'vit_{mixer}_b4_faces.py').model.backbone
            for mixer in ('sa', 'gfn')
        )
        sa.arch.num_layers = gfn.arch.num_layers = 1
        gfn.init_cfg.checkpoint = str(tmp_path / 'sa.pth')
        state = {f'backbone.{key}': value for key, value in MODELS.build(sa).state_dict().items()}
        torch.save(dict(state_dict=state), gfn.init_cfg.checkpoint)
        with pytest.raises(ValueError, match='missing: layers.0.attn(.|\n)*At least 100% were'):
            MODELS.build(gfn).init_weights()
