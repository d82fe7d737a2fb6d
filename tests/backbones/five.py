"""The five backbones at a small size: our class, upstream's class, settings that both take."""

from typing import NamedTuple

import torch
from afno_mm.backbones import MiT, SegSwin, SegViT, Swin, ViT
from mmpretrain.models import SwinTransformer, VisionTransformer
from mmseg.models.backbones import MixVisionTransformer
from mmseg.models.backbones import SwinTransformer as SegSwinTransformer
from mmseg.models.backbones import VisionTransformer as SegVisionTransformer


class Backbone(NamedTuple):
    ours: type
    upstream: type
    settings: dict
    # More settings that a mixer of whole grids needs.
    for_grids: dict = {}

    def stock(self, **more):
        return self.ours(**self.settings, **more)

    def mixing(self, mixer, **more):
        return self.ours(**dict(self.settings, **self.for_grids, **more), mixer=mixer)


VIT = dict(embed_dims=24, num_layers=2, num_heads=2)
BACKBONES = {
    'MiT': Backbone(
        MiT,
        MixVisionTransformer,
        dict(embed_dims=8, num_layers=[1, 1, 2, 1], num_heads=[1, 2, 4, 8], drop_path_rate=0.1),
    ),
    'Swin': Backbone(
        Swin,
        SwinTransformer,
        dict(
            arch=dict(embed_dims=16, depths=[1, 2, 1, 1], num_heads=[1, 2, 2, 4]),
            out_indices=(0, 1, 2, 3),
            pad_small_map=True,
        ),
    ),
    'SegSwin': Backbone(
        SegSwin,
        SegSwinTransformer,
        dict(embed_dims=16, depths=[1, 2, 1, 1], num_heads=[1, 2, 2, 4]),
    ),
    'ViT': Backbone(
        ViT,
        VisionTransformer,
        dict(
            arch=dict(VIT, feedforward_channels=48),
            img_size=64,
            patch_size=8,
            out_type='featmap',
            drop_path_rate=0.1,
            layer_scale_init_value=0.5,
        ),
        dict(with_cls_token=False),
    ),
    'SegViT': Backbone(
        SegViT,
        SegVisionTransformer,
        dict(VIT, mlp_ratio=2, img_size=64, patch_size=8, drop_path_rate=0.1),
        dict(with_cls_token=False),
    ),
}


def initialised(model, seed=0):
    torch.manual_seed(seed)
    model.init_weights()
    return model


def blocks_of(model):
    """Return the blocks of each stage. Each layer of a ViT is a stage."""
    if hasattr(model, 'stages'):
        return [list(stage.blocks) for stage in model.stages]
    if isinstance(model, MiT):
        return [list(layer[1]) for layer in model.layers]
    return [[layer] for layer in model.layers]
