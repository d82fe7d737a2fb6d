"""Swin Transformers of MMPretrain and MMSegmentation with a mixer slot."""

from collections.abc import Sequence
from math import isqrt
from typing import Any

import torch.nn.functional as F
from mmpretrain.models.backbones import swin_transformer as mmpretrain_swin
from mmseg.models.backbones import swin as mmseg_swin
from torch import nn

from ..mixers import MixerConfig, mixer_per_stage
from ..registry import MODELS
from .base import MixerBackbone
from .mixer_block import MixerBlock, put_mixers


class _MixerBlock(MixerBlock):
    @staticmethod
    def after_attention(attn: Any) -> tuple[nn.Module, ...]:
        return attn.w_msa.proj_drop, attn.drop


class SwinBlock(_MixerBlock, mmpretrain_swin.SwinBlock):
    """MMPretrain's block with a token mixer."""


class SegSwinBlock(_MixerBlock, mmseg_swin.SwinBlock):
    """MMSegmentation's block with a token mixer."""


def _put_mixers(
    swin: Any,
    mixer: MixerConfig,
    block_class: type[MixerBlock],
    skip: str,
    grids: list[tuple[int, ...]],
) -> None:
    stages = [stage.blocks for stage in swin.stages]
    known = []
    for blocks, grid in zip(stages, grids):
        attention = blocks[0].attn.w_msa
        known.append(
            dict(
                embed_dims=attention.embed_dims,
                num_heads=attention.num_heads,
                qkv_bias=attention.qkv.bias is not None,
                attn_drop=getattr(attention.attn_drop, 'p', 0.0),
                grid_size=grid,
            )
        )
    put_mixers(stages, mixer_per_stage(mixer, len(stages)), block_class, known, skip)


def _resize_bias_tables(swin: nn.Module, state_dict: dict, prefix: str) -> None:
    """Resize position biases of another window size, as MMSegmentation does."""
    for key, current in swin.state_dict().items():
        saved = state_dict.get(prefix + key)
        if (
            key.endswith('relative_position_bias_table')
            and saved is not None
            and len(saved) != len(current)
        ):
            old, new = isqrt(len(saved)), isqrt(len(current))
            maps = saved.T.unflatten(1, (old, old)).unsqueeze(0)  # (1, heads, old, old)
            maps = F.interpolate(maps, size=(new, new), mode='bicubic')
            state_dict[prefix + key] = maps.squeeze(0).flatten(1).T.contiguous()
            index = key.replace('bias_table', 'index')
            state_dict[prefix + index] = swin.get_buffer(index)


@MODELS.register_module()
class Swin(MixerBackbone, mmpretrain_swin.SwinTransformer):
    """Swin Transformer whose blocks take any token mixer, with MMPretrain's arguments.

    A mixer works on the whole map of its stage, without windows and shifts. Without a mixer this
    is upstream's model: same keys, same initial values, same output, same old checkpoints.

    Args:
        *args, **kwargs: Arguments of MMPretrain's ``SwinTransformer``.
        mixer: Token mixer in place of the attention, see
            :func:`afno_mm.mixers.mixer_per_stage`. ``None`` is the stock attention.
        skip: 'double' or 'single', see :func:`afno_mm.backbones.mixer_block.put_mixers`.
    """

    def __init__(
        self, *args: Any, mixer: MixerConfig = None, skip: str = 'double', **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        # Each patch merging halves the grid and pads odd sizes.
        grids = [
            tuple(-(-size // 2**i) for size in self.patch_resolution)
            for i in range(self.num_layers)
        ]
        _put_mixers(self, mixer, SwinBlock, skip, grids)
        self._register_load_state_dict_pre_hook(self._convert_old_checkpoint)

    def _prepare_relative_position_bias_table(
        self, state_dict: dict, prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        # Replaces upstream's method, which fails with SciPy 1.14 and later.
        _resize_bias_tables(self, state_dict, prefix)

    def _convert_old_checkpoint(
        self, state_dict: dict, prefix: str, local_metadata: dict, *args: Any
    ) -> None:
        """Convert old checkpoints as upstream does, which converts them only for its own class.

        Versions before 2 have one norm. Versions before 3 hold attention masks.
        """
        if (local_metadata.get('version') or 0) >= 3:
            return
        last_norm = f'norm{self.num_layers - 1}.'
        for key in [k for k in state_dict if k.startswith(prefix)]:
            name = key[len(prefix) :]
            if name.startswith('norm.'):
                state_dict[prefix + last_norm + name[5:]] = state_dict.pop(key)
            elif 'attn_mask' in name:
                del state_dict[key]


@MODELS.register_module()
class SegSwin(MixerBackbone, mmseg_swin.SwinTransformer):
    """:class:`Swin` on MMSegmentation's class, with its arguments and its public weights.

    Args:
        pretrain_img_size: Image size (H, W) of the pre-training.
        strides: Stride of the patch embedding and of each patch merging.
        mixer, skip: As in :class:`Swin`.
        **kwargs: All other arguments of MMSegmentation's ``SwinTransformer``.
    """

    def __init__(
        self,
        pretrain_img_size: int | tuple[int, int] = 224,
        strides: Sequence[int] = (4, 2, 2, 2),
        mixer: MixerConfig = None,
        skip: str = 'double',
        **kwargs: Any,
    ) -> None:
        super().__init__(pretrain_img_size=pretrain_img_size, strides=strides, **kwargs)
        size = pretrain_img_size
        grid = (size, size) if isinstance(size, int) else tuple(size)
        grids = []
        for stride in strides:
            grid = tuple(-(-n // stride) for n in grid)
            grids.append(grid)
        _put_mixers(self, mixer, SegSwinBlock, skip, grids)
        self._register_load_state_dict_pre_hook(self._resize_loaded_bias_tables)

    def _resize_loaded_bias_tables(self, state_dict: dict, prefix: str, *args: Any) -> None:
        # Upstream resizes only the weights that init_cfg names.
        _resize_bias_tables(self, state_dict, prefix)
