"""Swin Transformers of MMPretrain and MMSegmentation with a mixer slot."""

from collections.abc import Sequence
from math import isqrt
from typing import Any

import torch.nn.functional as F
from mmengine.utils import to_2tuple
from mmpretrain.models.backbones import swin_transformer as mmpretrain_swin
from mmseg.models.backbones import swin as mmseg_swin

from ..mixers import MixerConfig, mixer_per_stage
from ..registry import MODELS
from .base import MixerBackbone
from .mixer_block import MixerBlock, put_mixers

AFTER_ATTENTION = ('w_msa.proj_drop', 'drop')


class SwinBlock(MixerBlock, mmpretrain_swin.SwinBlock):
    """MMPretrain's block with a token mixer."""

    after_attention = AFTER_ATTENTION


class SegSwinBlock(MixerBlock, mmseg_swin.SwinBlock):
    """MMSegmentation's block with a token mixer."""

    after_attention = AFTER_ATTENTION


class _MixerSwin(MixerBackbone):
    get_layer_depth = mmpretrain_swin.SwinTransformer.get_layer_depth

    def _put_mixers(
        self,
        mixer: MixerConfig,
        block_class: type[MixerBlock],
        skip: str,
        grid: tuple[int, ...],
        strides: Sequence[int],
    ) -> None:
        stages, known = [stage.blocks for stage in self.stages], []
        for blocks, stride in zip(stages, strides):
            grid = tuple(-(-size // stride) for size in grid)  # Upstream pads odd sizes.
            attention = blocks[0].attn.w_msa
            sizes = dict(embed_dims=attention.embed_dims, num_heads=attention.num_heads)
            rate = getattr(attention.attn_drop, 'p', 0.0)
            settings = dict(qkv_bias=attention.qkv.bias is not None, attn_drop=rate)
            known.append(sizes | settings | dict(grid_size=grid))
        put_mixers(stages, mixer_per_stage(mixer, len(stages)), block_class, known, skip)

    def _prepare_relative_position_bias_table(
        self, state_dict: dict, prefix: str, *_: Any, **__: Any
    ) -> None:
        """Resize position biases of another window size, as MMSegmentation does for ``init_cfg``.

        This replaces MMPretrain's method of the same name, which fails with SciPy 1.14 and later.
        """
        for key, current in self.state_dict().items():
            saved = state_dict.get(prefix + key)
            if saved is None or not key.endswith('relative_position_bias_table'):
                continue
            if len(saved) != len(current):
                old, new = isqrt(len(saved)), isqrt(len(current))
                maps = saved.T.unflatten(1, (old, old)).unsqueeze(0)  # (1, heads, old, old)
                maps = F.interpolate(maps, size=(new, new), mode='bicubic')
                state_dict[prefix + key] = maps.squeeze(0).flatten(1).T.contiguous()
                index = key.replace('bias_table', 'index')
                state_dict[prefix + index] = self.get_buffer(index)


@MODELS.register_module()
class Swin(_MixerSwin, mmpretrain_swin.SwinTransformer):
    """Swin Transformer whose blocks take any token mixer, with MMPretrain's arguments.

    A mixer works on the whole feature map of its stage, without windows and shifts. Without a mixer
    this is upstream's model: same keys, initial values and output, and old checkpoints load.

    Args:
        *args, **kwargs: Arguments of MMPretrain's ``SwinTransformer``.
        mixer: Token mixer in place of the attention, see
            :func:`afno_mm.mixers.mixer_per_stage`. ``None`` is the upstream attention.
        skip: 'double' or 'single', see :func:`afno_mm.backbones.mixer_block.put_mixers`.
    """

    def __init__(
        self, *args: Any, mixer: MixerConfig = None, skip: str = 'double', **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        strides = [1] + [2] * (self.num_layers - 1)
        self._put_mixers(mixer, SwinBlock, skip, self.patch_resolution, strides)
        self._register_load_state_dict_pre_hook(self._convert_old_checkpoint)

    def _convert_old_checkpoint(
        self, state_dict: dict, prefix: str, local_metadata: dict, *args: Any
    ) -> None:
        """Convert old checkpoints. Upstream does this only for its own class, not for subclasses.

        Versions before 2 have one norm, 'norm'. Versions before 3 hold attention masks.
        """
        version = local_metadata.get('version') or 0
        if version >= 3:
            return
        last_norm = f'norm{self.num_layers - 1}.'
        for key in [k for k in state_dict if k.startswith(prefix)]:
            name = key[len(prefix) :]
            if name.startswith('norm.') and version < 2:
                state_dict[prefix + last_norm + name[5:]] = state_dict.pop(key)
            elif 'attn_mask' in name:
                del state_dict[key]


@MODELS.register_module()
class SegSwin(_MixerSwin, mmseg_swin.SwinTransformer):
    """:class:`Swin`, derived from MMSegmentation's class. It can load that class's public weights.

    Args:
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
        self.depths = [len(stage.blocks) for stage in self.stages]
        self._put_mixers(mixer, SegSwinBlock, skip, to_2tuple(pretrain_img_size), strides)
        self._register_load_state_dict_pre_hook(self._prepare_relative_position_bias_table)
