"""Tiny models with random weights, with their configs and checkpoints, and images to look at."""

import sys
from functools import cache
from pathlib import Path

import numpy as np
import torch
from afno_mm.engine import build_model, read_config
from PIL import Image
from running import REPOSITORY

sys.path.insert(0, str(REPOSITORY / 'tools'))

SEGMENTOR = """
default_scope = 'mmseg'
data_preprocessor = dict(type='SegDataPreProcessor', mean=[120.] * 3, std=[60.] * 3,
                         bgr_to_rgb=True, size=(64, 96))
model = dict(
    type='EncoderDecoder', data_preprocessor=data_preprocessor,
    backbone=dict(type='afno_mm.MiT', embed_dims=[16, 16, 24, 32], num_layers=[1, 2, 1, 1],
                  mixer={mixer}),
    decode_head=dict(type='afno_mm.SegformerHead', in_channels=[16, 16, 24, 32],
                     in_index=[0, 1, 2, 3], channels=16, num_classes=3,
                     norm_cfg=dict(type='BN')),
    test_cfg={test_cfg})
test_dataloader = dict(dataset=dict(type='BaseSegDataset', pipeline=[
    dict(type='LoadImageFromFile'), dict(type='Resize', scale=(96, 64), keep_ratio=True),
    dict(type='LoadAnnotations'), dict(type='PackSegInputs')],
    metainfo=dict(classes=('sky', 'sea & salt', 'land'),
                  palette=[[0, 0, 255], [0, 255, 255], [0, 255, 0]])))
"""
CLASSIFIER = """
default_scope = 'mmpretrain'
data_preprocessor = dict(num_classes=4, mean=[120.] * 3, std=[60.] * 3, to_rgb=True)
model = dict(
    type='ImageClassifier',
    backbone={backbone},
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=4, in_channels={width},
              loss=dict(type='CrossEntropyLoss')))
test_dataloader = dict(dataset=dict(type='mmpretrain.CustomDataset', pipeline=[
    dict(type='LoadImageFromFile'), dict(type='ResizeEdge', scale=48, edge='short'),
    dict(type='CenterCrop', crop_size=32), dict(type='PackInputs')],
    metainfo=dict(classes=('ant', 'bee', 'cat', 'dog'))))
"""
INPAINTING = """
default_scope = 'mmpretrain'
model = dict(
    type='afno_mm.InpaintingModel',
    data_preprocessor=dict(mean=[120.] * 3, std=[60.] * 3, to_rgb=True),
    backbone={backbone},
    head=dict(type='afno_mm.InpaintingHead', in_channels=16, patch_size=4))
test_dataloader = dict(dataset=dict(type='afno_mm.ImageFolder', with_label=False, pipeline=[
    dict(type='LoadImageFromFile'), dict(type='CenterCrop', crop_size=32),
    dict(type='afno_mm.RandomWalkMask', num_steps=40, grid='token', patch_size=4, seed=0),
    dict(type='PackInputs')]))
"""
AFNO = "dict(type='AFNO', num_blocks=4, init='scaled', sparsity_threshold=0.2)"
VIT = f"""dict(type='afno_mm.ViT', img_size=32, patch_size=4, with_cls_token=False,
    out_type='featmap', mixer={AFNO}, arch=dict(embed_dims=16, num_layers=5, num_heads=2,
    feedforward_channels=32))"""
SWIN = f"""dict(type='afno_mm.Swin', window_size=2, img_size=32, patch_size=2, mixer={AFNO},
    arch=dict(embed_dims=16, depths=[1, 1, 1, 1], num_heads=[1, 1, 1, 1]))"""
STOCK_SWIN = SWIN.replace(f'mixer={AFNO},', '')
WHOLE = "dict(mode='whole')"
SLIDE = "dict(mode='slide', crop_size=(32, 48), stride=(16, 24))"
CONFIGS = {
    'afno': SEGMENTOR.format(mixer=AFNO, test_cfg=WHOLE),
    'esa': SEGMENTOR.format(mixer="dict(type='ESA')", test_cfg=WHOLE),
    'stock': SEGMENTOR.format(mixer=None, test_cfg=WHOLE),
    'slide': SEGMENTOR.format(mixer=AFNO, test_cfg=SLIDE),
    'vit': CLASSIFIER.format(backbone=VIT, width=16),
    'swin': CLASSIFIER.format(backbone=SWIN, width=128),
    'stock_swin': CLASSIFIER.format(backbone=STOCK_SWIN, width=128),
    'inpainting': INPAINTING.format(backbone=VIT),
}


def files(folder: Path, name: str) -> list[str]:
    """Write a config and a checkpoint to ``folder/name``, as a work dir has them."""
    work = Path(folder, name)
    config, checkpoint = work / f'{name}.py', work / 'epoch_1.pth'
    if not checkpoint.exists():
        work.mkdir(parents=True)
        config.write_text(CONFIGS[name])
        torch.manual_seed(0)
        cfg = read_config(str(config))
        model = build_model(cfg, None, 'cpu')
        data = cfg.to_dict()['test_dataloader']['dataset']
        meta = dict(dataset_meta=data.get('metainfo', {}), cfg=cfg.pretty_text)
        torch.save(dict(state_dict=model.state_dict(), meta=meta), checkpoint)
    return [str(config), str(checkpoint)]


@cache
def picture(height: int = 80, width: int = 120) -> np.ndarray:
    """Return a picture with structure: stripes, a bright part and some noise."""
    rows, columns = np.mgrid[:height, :width]
    base = 100 + 60 * np.sin(columns / 7.0) + 60 * (rows > height // 2)
    noise = np.random.default_rng(0).normal(0, 10, (height, width, 3))
    return np.clip(base[..., None] + noise, 0, 255).astype(np.uint8)


def image_file(folder: Path, name: str = 'image.png', size: tuple[int, int] = (80, 120)) -> str:
    """Write a picture to ``folder/name``."""
    path = Path(folder, name)
    Image.fromarray(picture(*size)).save(path)
    return str(path)
