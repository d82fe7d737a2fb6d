"""Two iterations of a tiny segmentation training, with averaged weights (EMA)."""

import numpy as np
import pytest
from afno_mm.engine import build_runner, read_config
from PIL import Image

CONFIG = """
default_scope = 'mmseg'
data_root = {root!r}
data_preprocessor = dict(type='SegDataPreProcessor', mean=[120.] * 3, std=[60.] * 3,
                         bgr_to_rgb=True, size=(64, 64))
model = dict(
    type='EncoderDecoder', data_preprocessor=data_preprocessor,
    backbone=dict(type='afno_mm.MiT', embed_dims=[8, 16, 20, 32], num_layers=[1, 1, 1, 1],
                  mixer=[dict(type='AFNO', num_blocks=2), dict(type='FNO', num_modes=(4, 3)),
                         dict(type='GFN'), None]),
    decode_head=dict(type='afno_mm.SegformerHead', in_channels=[8, 16, 20, 32],
                     in_index=[0, 1, 2, 3], channels=8, num_classes=3,
                     norm_cfg=dict(type='SyncBN')),
    test_cfg=dict(mode='whole'))
train_pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'),
                  dict(type='PackSegInputs')]
test_pipeline = [dict(type='LoadImageFromFile'), dict(type='Resize', scale=(64, 64)),
                 dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
dataset = dict(type='BaseSegDataset', data_root=data_root, pipeline=train_pipeline,
               data_prefix=dict(img_path='images', seg_map_path='labels'),
               metainfo=dict(classes=('sky', 'sea', 'land'),
                             palette=[[0, 0, 255], [0, 255, 255], [0, 255, 0]]))
train_dataloader = dict(batch_size=1, num_workers=0, dataset=dataset,
                        sampler=dict(type='DefaultSampler', shuffle=False))
test_dataloader = dict(batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler'),
                       dataset=dict(dataset, pipeline=test_pipeline))
test_evaluator = dict(type='IoUMetric')
test_cfg = dict()
del dataset
train_cfg = dict(by_epoch=True, max_epochs=1)
optim_wrapper = dict(optimizer=dict(type='AdamW', lr=0.01))
default_hooks = dict(checkpoint=dict(type='CheckpointHook', interval=1))
custom_hooks = [dict(type='EMAHook', momentum=0.5)]
"""


@pytest.fixture(scope='session')
def config(tmp_path_factory):
    root = tmp_path_factory.mktemp('shore')
    rng = np.random.default_rng(0)
    for folder, shape, most in (('images', (64, 64, 3), 256), ('labels', (64, 64), 3)):
        (root / folder).mkdir()
        for i in range(2):
            suffix = 'jpg' if folder == 'images' else 'png'
            pixels = rng.integers(0, most, shape, dtype=np.uint8)
            Image.fromarray(pixels).save(root / folder / f'{i}.{suffix}')
    path = root / 'shore.py'
    path.write_text(CONFIG.format(root=str(root)))
    return path


@pytest.fixture(scope='session')
def trained(config, tmp_path_factory):
    """The work dir of the training."""
    cfg = read_config(str(config))
    cfg.work_dir = str(tmp_path_factory.mktemp('work') / 'shore')
    build_runner(cfg).train()
    return tmp_path_factory.getbasetemp() / cfg.work_dir


@pytest.fixture(scope='session')
def image(config):
    return str(config.parent / 'images/0.jpg')
