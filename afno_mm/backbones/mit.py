"""SegFormer's encoder with a mixer slot."""

import numpy as np
import torch
from mmcv.cnn import build_norm_layer
from mmengine.model import BaseModule, ModuleList
from mmengine.utils import to_2tuple
from mmseg.models.backbones.mit import MixVisionTransformer, TransformerEncoderLayer
from mmseg.models.utils import PatchEmbed

from ..mixers import mixer_per_stage
from ..registry import MODELS
from .base import MixerBackbone
from .mixer_block import MixerBlock, put_mixers


class MiTBlock(MixerBlock, TransformerEncoderLayer):
    @staticmethod
    def after_attention(attn):
        return attn.proj_drop, attn.dropout_layer

    def feed_forward(self, x, hw_shape, identity):
        if x.device.type != 'cpu':
            return self.ffn(x, hw_shape, identity=identity)
        # Without upstream's copies to NCHW and back: 1.4 times as fast.
        out = self.ffn.layers(image(x, hw_shape)).permute(0, 2, 3, 1).flatten(1, 2)
        return identity + self.ffn.dropout_layer(out)


def image(tokens, hw_shape):
    """``(B, H*W, C)`` as ``(B, C, H, W)``, in channels-last without a copy."""
    return tokens.unflatten(1, hw_shape).permute(0, 3, 1, 2)


@MODELS.register_module()
class MiT(MixerBackbone, MixVisionTransformer):
    """Mix Transformer (SegFormer B0-B5) whose blocks take any token mixer.

    MMSegmentation's class with a few more settings. Without a mixer it is upstream's
    model: same keys, same initial values, same output. The features are a tuple, so
    MMPretrain's necks and heads take them too.

    Args:
        in_channels (int): Channels of the image.
        embed_dims (int | Sequence[int]): Width of each stage. An int has upstream's
            meaning: stage i is ``embed_dims * num_heads[i]`` wide.
        num_stages (int): Number of stages.
        num_layers (Sequence[int]): Blocks of each stage.
        num_heads (Sequence[int]): Attention heads of each stage, also for mixers that have heads.
        patch_sizes (Sequence[int]): Kernel of each stage's patch embedding.
        strides (Sequence[int]): Its stride.
        sr_ratios (Sequence[int]): Spatial reduction of each stage's attention; likewise.
        out_indices (Sequence[int]): Stages whose features are returned.
        mlp_ratio (int): Hidden width of the MixFFN in stage widths.
        qkv_bias (bool): Whether the attention's projections have a bias; likewise.
        drop_rate (float): Dropout after mixer and MixFFN.
        attn_drop_rate (float): Dropout of attention weights; likewise.
        drop_path_rate (float): Stochastic depth of the last block; rises linearly from 0.
        act_cfg (dict): Activation of the MixFFN.
        norm_cfg (dict): Normalisation.
        init_cfg (dict, optional): Initialisation. ``dict(type='Pretrained', checkpoint=...)``
            reports what was loaded and refuses a checkpoint that hardly fits, see
            :func:`afno_mm.backbones.pretrained.load_pretrained`.
        with_cp (bool): Recompute blocks in backward to save memory.
        mixer (dict | list[dict | None], optional): Token mixer in place of the attention, see
            :func:`afno_mm.mixers.mixer_per_stage`. ``None`` is the stock attention.
        skip (str): 'double' or 'single', see
            :func:`afno_mm.backbones.mixer_block.put_mixers`.
        pretrain_img_size (int | tuple[int, int]): Image size that mixers with a grid of their
            own (GFN) are made for: the size of pre-training.

    Raises:
        ValueError: If per-stage settings differ in length, or one has no effect.
    """

    def __init__(
        self,
        in_channels=3,
        embed_dims=64,
        num_stages=4,
        num_layers=(3, 4, 6, 3),
        num_heads=(1, 2, 4, 8),
        patch_sizes=(7, 3, 3, 3),
        strides=(4, 2, 2, 2),
        sr_ratios=(8, 4, 2, 1),
        out_indices=(0, 1, 2, 3),
        mlp_ratio=4,
        qkv_bias=True,
        drop_rate=0.0,
        attn_drop_rate=0.0,
        drop_path_rate=0.0,
        act_cfg=dict(type='GELU'),
        norm_cfg=dict(type='LN', eps=1e-6),
        init_cfg=None,
        with_cp=False,
        mixer=None,
        skip='double',
        pretrain_img_size=224,
    ):
        # Not upstream's __init__: its widths cannot be set per stage.
        BaseModule.__init__(self, init_cfg)
        if isinstance(embed_dims, int):
            embed_dims = [embed_dims * heads for heads in num_heads]
        for name, values in dict(
            embed_dims=embed_dims,
            num_layers=num_layers,
            num_heads=num_heads,
            patch_sizes=patch_sizes,
            strides=strides,
            sr_ratios=sr_ratios,
        ).items():
            if len(values) != num_stages:
                raise ValueError(
                    f'{name} must have one value per stage, {num_stages} in all, got {values}'
                )
        if max(out_indices) >= num_stages:
            raise ValueError(f'out_indices {out_indices} must be below num_stages={num_stages}')
        mixers = mixer_per_stage(mixer, num_stages)
        self.embed_dims = embed_dims
        self.num_stages = num_stages
        self.out_indices = out_indices

        drop_path_rates = np.linspace(0, drop_path_rate, sum(num_layers)).tolist()
        self.layers = ModuleList()
        known = []
        grid = to_2tuple(pretrain_img_size)
        for i in range(num_stages):
            patch_embed = PatchEmbed(
                in_channels=in_channels,
                embed_dims=embed_dims[i],
                kernel_size=patch_sizes[i],
                stride=strides[i],
                padding=patch_sizes[i] // 2,
                norm_cfg=norm_cfg,
            )
            grid = tuple(
                (size + 2 * (patch_sizes[i] // 2) - patch_sizes[i]) // strides[i] + 1
                for size in grid
            )
            known.append(
                dict(
                    embed_dims=embed_dims[i],
                    num_heads=num_heads[i],
                    sr_ratio=sr_ratios[i],
                    qkv_bias=qkv_bias,
                    attn_drop=attn_drop_rate,
                    grid_size=grid,
                    norm_eps=norm_cfg.get('eps', 1e-5),
                )
            )
            stock = mixers[i] is None
            blocks = ModuleList(
                [
                    TransformerEncoderLayer(
                        embed_dims=embed_dims[i],
                        # Attention that gives way to a mixer need not divide its width.
                        num_heads=num_heads[i] if stock else 1,
                        feedforward_channels=mlp_ratio * embed_dims[i],
                        drop_rate=drop_rate,
                        attn_drop_rate=attn_drop_rate,
                        drop_path_rate=drop_path_rates.pop(0),
                        qkv_bias=qkv_bias,
                        act_cfg=act_cfg,
                        norm_cfg=norm_cfg,
                        with_cp=with_cp,
                        sr_ratio=sr_ratios[i] if stock else 1,
                    )
                    for _ in range(num_layers[i])
                ]
            )
            norm = build_norm_layer(norm_cfg, embed_dims[i])[1]
            self.layers.append(ModuleList([patch_embed, blocks, norm]))
            in_channels = embed_dims[i]
        put_mixers([blocks for _, blocks, _ in self.layers], mixers, MiTBlock, known, skip)
        self.channels_last = any(mixer is not None for mixer in mixers)

    def forward(self, x):
        if x.device.type != 'cpu' or not self.channels_last:
            return super().forward(x)
        features = []
        x = x.contiguous(memory_format=torch.channels_last)
        for i, (patch_embed, blocks, norm) in enumerate(self.layers):
            x, hw_shape = patch_embed(x)
            for block in blocks:
                x = block(x, hw_shape)
            x = image(norm(x), hw_shape)
            if i in self.out_indices:
                features.append(x)
        return tuple(features)
