"""The paper's models have the parameters that its tables give (millions, within 0.5 %)."""

from pathlib import Path

import pytest
import torch
from afno_mm.backbones import ViT
from afno_mm.registry import MODELS
from mmengine.config import Config
from torch import nn

CONFIGS = Path(__file__).parents[1] / 'configs'
CLASSES, PIXELS = 1000, 4 * 4 * 3


def millions(*modules):
    return sum(p.numel() for m in modules for p in m.parameters()) / 1e6


def afno(**settings):
    return dict(type='AFNO', **settings)


def modes(kind, **settings):
    return dict(type=kind, num_modes=(14, 14), **settings)


# ViTs with 4x4 patches at 224 pixels: layers, width, heads, mixer, outputs, millions of parameters.
TABLES_2_AND_3 = [
    (12, 768, 16, dict(type='SA'), PIXELS, 87.54),
    (12, 768, 12, dict(type='LS', window_size=4, num_landmarks=8), PIXELS, 88.5),
    (12, 768, 12, dict(type='GFN'), PIXELS, 89.12),
    (12, 750, 1, afno(num_blocks=1, bias='conv'), PIXELS, 90.30),
    (12, 750, 1, afno(num_blocks=1), PIXELS, 83.54),
]
TABLE_5 = [
    (12, 324, 12, dict(type='SA'), CLASSES, 16.53),
    (12, 312, 12, dict(type='LS', window_size=4, num_landmarks=8), CLASSES, 15.75),
    (12, 245, 1, dict(type='GFN'), CLASSES, 16.36),
    (12, 384, 1, afno(num_blocks=16), CLASSES, 16.27),
    (12, 384, 1, afno(num_blocks=16, bias='conv'), CLASSES, 18.04),
]
TABLE_6 = [
    (5, 64, 1, modes('FNO'), PIXELS, 16.43),
    (5, 124, 1, modes('StaticAFNO', num_blocks=4), PIXELS, 16.09),
    (5, 584, 1, afno(num_blocks=4), PIXELS, 17.27),
]


@pytest.mark.parametrize(
    'layers, width, heads, mixer, outputs, expected', TABLES_2_AND_3 + TABLE_5 + TABLE_6
)
def test_vit_has_the_parameters_of_its_table(layers, width, heads, mixer, outputs, expected):
    with torch.device('meta'):
        backbone = ViT(
            arch=dict(
                embed_dims=width, num_layers=layers, num_heads=heads, feedforward_channels=4 * width
            ),
            patch_size=4,
            with_cls_token=False,
            out_type='featmap',
            mixer=mixer,
        )
    assert millions(backbone, nn.Linear(width, outputs)) == pytest.approx(expected, rel=0.005)


@pytest.mark.parametrize(
    'config, outputs, expected',
    [('esa', CLASSES, 44.6), ('ls', CLASSES, 45.4), ('gfn', CLASSES, 45.0), ('afno', None, 46.6)],
)
def test_table_4_counts_the_encoder_with_the_classifier(config, outputs, expected):
    cfg = Config.fromfile(CONFIGS / f'segformer_{config}_b3_cityscapes.py').model.backbone
    with torch.device('meta'):
        modules = [MODELS.build(cfg)] + ([nn.Linear(512, outputs)] if outputs else [])
    assert millions(*modules) == pytest.approx(expected, rel=0.005)
