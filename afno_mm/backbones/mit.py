"""SegFormer's encoder with a mixer slot."""

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from mmcv.cnn import build_norm_layer
from mmengine.model import BaseModule, ModuleList
from mmengine.utils import to_2tuple
from mmseg.models.backbones.mit import MixVisionTransformer, TransformerEncoderLayer
from mmseg.models.utils import PatchEmbed
from torch import Tensor, nn
from torch.nn import functional as F

from ..mixers import MixerConfig, mixer_per_stage
from ..ops.exporting import is_transformed
from ..registry import MODELS
from .base import MixerBackbone
from .mixer_block import MixerBlock, put_mixers


class MiTBlock(MixerBlock, TransformerEncoderLayer):
    """SegFormer's block with a token mixer."""

    after_attention = ('proj_drop', 'dropout_layer')

    def feed_forward(self, x: Tensor, hw_shape: tuple[int, int], identity: Tensor) -> Tensor:
        if x.device.type == 'cpu':
            out = self.ffn.layers(nlc_to_nchw(x, hw_shape)).permute(0, 2, 3, 1).flatten(1, 2)
        else:
            out = x
            for layer in self.ffn.layers:
                out = apply_to_tokens(layer, out, hw_shape)
        return identity + self.ffn.dropout_layer(out)


def apply_to_tokens(layer: nn.Module, x: Tensor, hw_shape: tuple[int, int]) -> Tensor:
    """Apply a feed-forward layer, which may be a convolution, to tokens ``(B, H*W, C)``.

    A convolution with kernel 1 is a linear map of each token. On a GPU ``linear`` adds the bias
    within the product. A convolution would add it in another pass over memory.
    """
    if not isinstance(layer, nn.Conv2d):
        return layer(x)
    if layer.kernel_size == (1, 1) and layer.stride == (1, 1) and layer.groups == 1:
        return F.linear(x, layer.weight.flatten(1), layer.bias)
    return layer(nlc_to_nchw(x, hw_shape)).permute(0, 2, 3, 1).flatten(1, 2)


def nlc_to_nchw(x: Tensor, hw_shape: tuple[int, int]) -> Tensor:
    """View tokens ``(B, H*W, C)`` as an image ``(B, C, H, W)`` in channels-last.

    For one image (B = 1) MMSegmentation's function of this name sets a batch stride that
    convolutions do not take for channels-last. Each convolution then copies to NCHW and back.
    """
    return x.unflatten(1, hw_shape).permute(0, 3, 1, 2)


@MODELS.register_module()
class MiT(MixerBackbone, MixVisionTransformer):
    """Mix Transformer (SegFormer B0-B5) whose blocks take any token mixer.

    This is MMSegmentation's class with a few more settings. Without a mixer it is upstream's
    model: same keys, same initial values, same output.

    Args:
        embed_dims: Width of each stage. An int has upstream's meaning: stage i is
            ``embed_dims * num_heads[i]`` wide.
        num_heads, sr_ratios, qkv_bias, attn_drop_rate: Settings of the attention, and of mixers
            that take them.
        act_cfg: By default ``dict(type='GELU')``.
        norm_cfg: By default ``dict(type='LN', eps=1e-6)``.
        pretrained: Old form of ``init_cfg=dict(type='Pretrained', checkpoint=pretrained)``.
        init_cfg: ``dict(type='Pretrained', checkpoint=...)`` takes the arguments of
            :func:`afno_mm.backbones.pretrained.load_pretrained`.
        mixer: Token mixer in place of the attention, see
            :func:`afno_mm.mixers.mixer_per_stage`. ``None`` is the upstream attention.
        skip: 'double' or 'single', see :func:`afno_mm.backbones.mixer_block.put_mixers`.
        pretrain_img_size: Image size (H, W) of the pre-training. It gives the grid size of
            mixers that have one (GFN).

    All other arguments are those of MMSegmentation's ``MixVisionTransformer``.

    Raises:
        ValueError: If per-stage settings differ in length, or a setting has no effect.
    """

    num_extra_tokens = 0  # for MMPretrain's vis_cam.py, which otherwise skips a class token

    def __init__(
        self,
        in_channels: int = 3,
        embed_dims: int | Sequence[int] = 64,
        num_stages: int = 4,
        num_layers: Sequence[int] = (3, 4, 6, 3),
        num_heads: Sequence[int] = (1, 2, 4, 8),
        patch_sizes: Sequence[int] = (7, 3, 3, 3),
        strides: Sequence[int] = (4, 2, 2, 2),
        sr_ratios: Sequence[int] = (8, 4, 2, 1),
        out_indices: Sequence[int] = (0, 1, 2, 3),
        mlp_ratio: int = 4,
        qkv_bias: bool = True,
        drop_rate: float = 0.0,
        attn_drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
        act_cfg: dict | None = None,
        norm_cfg: dict | None = None,
        pretrained: str | None = None,
        init_cfg: dict | list[dict] | None = None,
        with_cp: bool = False,
        mixer: MixerConfig = None,
        skip: str = 'double',
        pretrain_img_size: int | tuple[int, int] = 224,
    ) -> None:
        if pretrained:
            if init_cfg:
                raise ValueError('set init_cfg or the deprecated pretrained, not both')
            init_cfg = dict(type='Pretrained', checkpoint=pretrained)
        # Skip upstream's __init__: it takes no width per stage.
        BaseModule.__init__(self, init_cfg)
        if isinstance(embed_dims, int):
            embed_dims = [embed_dims * heads for heads in num_heads]
        per_stage = dict(embed_dims=embed_dims, num_layers=num_layers, num_heads=num_heads)
        per_stage |= dict(patch_sizes=patch_sizes, strides=strides, sr_ratios=sr_ratios)
        for name, values in per_stage.items():
            if len(values) != num_stages:
                raise ValueError(
                    f'{name} must have one value per stage, {num_stages} in all, got {values}'
                )
        if not out_indices or min(out_indices) < 0 or max(out_indices) >= num_stages:
            raise ValueError(f'out_indices must be in 0..{num_stages - 1}, got {out_indices}')
        mixers = mixer_per_stage(mixer, num_stages)
        norm_cfg = norm_cfg or dict(type='LN', eps=1e-6)
        self.embed_dims = embed_dims
        self.num_stages = num_stages
        self.out_indices = out_indices
        self.channels_last = any(mixer is not None for mixer in mixers)

        rates = dict(drop_rate=drop_rate, attn_drop_rate=attn_drop_rate)
        configs = dict(act_cfg=act_cfg or dict(type='GELU'), norm_cfg=norm_cfg)
        settings = dict(qkv_bias=qkv_bias, with_cp=with_cp, **rates, **configs)
        eps = norm_cfg.get('eps', 1e-5)
        for_mixers = dict(qkv_bias=qkv_bias, attn_drop=attn_drop_rate, norm_eps=eps)
        drop_path_rates = iter(np.linspace(0, drop_path_rate, sum(num_layers)).tolist())
        self.layers, known = ModuleList(), []
        grid = to_2tuple(pretrain_img_size)
        for chosen, stage in zip(mixers, zip(*per_stage.values())):
            width, layers, heads, patch, stride, sr_ratio = stage
            patches = dict(kernel_size=patch, stride=stride, padding=patch // 2)
            patch_embed = PatchEmbed(in_channels, width, norm_cfg=norm_cfg, **patches)
            grid = tuple((size + 2 * (patch // 2) - patch) // stride + 1 for size in grid)
            facts = dict(embed_dims=width, num_heads=heads, sr_ratio=sr_ratio, grid_size=grid)
            known.append(facts | for_mixers)
            if chosen is not None:  # The mixer replaces the attention, whose heads may not fit.
                heads = sr_ratio = 1
            sizes = width, heads, mlp_ratio * width
            blocks = ModuleList()
            for rate in itertools.islice(drop_path_rates, layers):
                of_block = dict(drop_path_rate=rate, sr_ratio=sr_ratio)
                blocks.append(TransformerEncoderLayer(*sizes, **of_block, **settings))
            norm = build_norm_layer(norm_cfg, width)[1]
            self.layers.append(ModuleList([patch_embed, blocks, norm]))
            in_channels = width
        put_mixers([blocks for _, blocks, _ in self.layers], mixers, MiTBlock, known, skip)

    def get_layer_depth(self, param_name: str, prefix: str = '') -> tuple[int, int]:
        """Return the depth of a parameter and the number of depths, for layer-wise learning rates.

        As in MMPretrain's Swin, the first patch embedding has depth 0, block i of all stages has
        i + 1, and parameters outside the backbone have the last depth. A later patch embedding and
        the norm of a stage have the depth of the block before them.
        """
        depths = [len(blocks) for _, blocks, _ in self.layers]
        last = sum(depths) + 1
        if not param_name.startswith(prefix):
            return last, last + 1
        _, stage, part, block, *_ = param_name.removeprefix(prefix).split('.')
        depth = {'0': 0, '2': depths[int(stage)]}.get(part)
        if depth is None:
            depth = int(block) + 1
        return sum(depths[: int(stage)]) + depth, last + 1

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        if x.device.type != 'cpu' or not self.channels_last or is_transformed():
            return super().forward(x)
        features = []
        x = x.contiguous(memory_format=torch.channels_last)
        for i, (patch_embed, blocks, norm) in enumerate(self.layers):
            x, hw_shape = patch_embed(x)
            for block in blocks:
                x = block(x, hw_shape)
            x = nlc_to_nchw(norm(x), hw_shape)
            if i in self.out_indices:
                features.append(x)
        return tuple(features)
