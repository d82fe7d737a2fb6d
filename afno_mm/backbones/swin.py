"""Swin Transformers of MMPretrain and MMSegmentation with a mixer slot."""

from math import isqrt

import torch.nn.functional as F
from mmpretrain.models.backbones import swin_transformer as mmpretrain_swin
from mmseg.models.backbones import swin as mmseg_swin

from ..mixers import mixer_per_stage
from ..registry import MODELS
from .base import MixerBackbone
from .mixer_block import MixerBlock, put_mixers


class _MixerBlock(MixerBlock):
    @staticmethod
    def after_attention(attn):
        return attn.w_msa.proj_drop, attn.drop


class SwinBlock(_MixerBlock, mmpretrain_swin.SwinBlock):
    pass


class SegSwinBlock(_MixerBlock, mmseg_swin.SwinBlock):
    pass


def _put_mixers(swin, mixer, block_class, skip, grids):
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


def _resize_bias_tables(swin, state_dict, prefix):
    """Position biases of another window size are resized as in MMSegmentation."""
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


def _halved(grid, times):
    """A grid after ``times`` patch mergings, which pad odd sizes."""
    return tuple(-(-size // 2**times) for size in grid)


@MODELS.register_module()
class Swin(MixerBackbone, mmpretrain_swin.SwinTransformer):
    """Swin Transformer whose blocks take any token mixer, with MMPretrain's arguments.

    A mixer works on the whole map of its stage: no windows and no shift. Without one this is
    upstream's model: same keys, same initial values, same output, same old checkpoints.

    Args:
        *args, **kwargs: Those of MMPretrain's ``SwinTransformer``.
        mixer (dict | list[dict | None], optional): Token mixer in place of the attention, see
            :func:`afno_mm.mixers.mixer_per_stage`. ``None`` is the stock attention.
        skip (str): 'double' or 'single', see
            :func:`afno_mm.backbones.mixer_block.put_mixers`.
    """

    def __init__(self, *args, mixer=None, skip='double', **kwargs):
        super().__init__(*args, **kwargs)
        grids = [_halved(self.patch_resolution, i) for i in range(self.num_layers)]
        _put_mixers(self, mixer, SwinBlock, skip, grids)
        self._register_load_state_dict_pre_hook(self._convert_old_checkpoint)

    def _prepare_relative_position_bias_table(self, state_dict, prefix, *args, **kwargs):
        # Upstream's own way, of this name, needs a SciPy of before 1.14.
        _resize_bias_tables(self, state_dict, prefix)

    def _convert_old_checkpoint(self, state_dict, prefix, local_metadata, *args):
        """As upstream, which does it for its own class alone.

        Before version 2 there was one norm, before version 3 attention masks were saved.
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
        pretrain_img_size (int | tuple[int, int]): Image size of pre-training.
        strides (Sequence[int]): Stride of the patch embedding and of each patch merging.
        mixer (dict | list[dict | None], optional): As in :class:`Swin`.
        skip (str): As in :class:`Swin`.
        **kwargs: All others of MMSegmentation's ``SwinTransformer``.
    """

    def __init__(
        self, pretrain_img_size=224, strides=(4, 2, 2, 2), mixer=None, skip='double', **kwargs
    ):
        super().__init__(pretrain_img_size=pretrain_img_size, strides=strides, **kwargs)
        size = pretrain_img_size
        grid = (size, size) if isinstance(size, int) else tuple(size)
        grids = []
        for stride in strides:
            grid = tuple(-(-n // stride) for n in grid)
            grids.append(grid)
        _put_mixers(self, mixer, SegSwinBlock, skip, grids)
        self._register_load_state_dict_pre_hook(self._resize_loaded_bias_tables)

    def _resize_loaded_bias_tables(self, state_dict, prefix, *args):
        # Upstream does this for init_cfg alone.
        _resize_bias_tables(self, state_dict, prefix)
