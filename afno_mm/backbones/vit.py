"""Vision Transformers of MMPretrain and MMSegmentation with a mixer slot."""

from math import isqrt

import torch
from mmpretrain.models.backbones import vision_transformer as mmpretrain_vit
from mmseg.models.backbones import vit as mmseg_vit

from ..mixers import mixer_per_stage
from ..registry import MODELS
from .base import MixerBackbone
from .mixer_block import MixerBlock, needs_grid, put_mixers


class ViTBlock(MixerBlock, mmpretrain_vit.TransformerEncoderLayer):
    @staticmethod
    def after_attention(attn):
        return attn.proj_drop, attn.gamma1, attn.out_drop

    def take_mixer(self, mixer, skip):
        super().take_mixer(mixer, skip)
        self.register_load_state_dict_pre_hook(_find_layer_scale)


class SegViTBlock(MixerBlock, mmseg_vit.TransformerEncoderLayer):
    @staticmethod
    def after_attention(attn):
        return attn.proj_drop, attn.dropout_layer


def _find_layer_scale(block, state_dict, prefix, *args):
    """Upstream's layer scale is a part of its attention."""
    for key in [k for k in state_dict if k.startswith(f'{prefix}attn.gamma1.')]:
        value = state_dict.pop(key)
        if len(block.after_mixing) > 1:
            state_dict[key.replace('attn.gamma1', 'after_mixing.1')] = value


def _is_square(number):
    return isqrt(number) ** 2 == number


def _put_mixers(vit, mixers, block_class, known, skip, class_token, without_class_token):
    put_mixers(
        [[layer] for layer in vit.layers], mixers, block_class, [known] * len(vit.layers), skip
    )
    mixing = [layer for layer in vit.layers if isinstance(layer, MixerBlock)]
    for layer in mixing:
        if class_token and needs_grid(type(layer.attn)):
            raise ValueError(
                f'{type(layer.attn).__name__} mixes whole grids of tokens and cannot take a class '
                f'token: set {without_class_token}'
            )
    if mixing:
        vit.patch_embed.register_forward_hook(vit._pass_on_grid)


class _GridOfPatches:
    """Tells the blocks the grid of the tokens, which upstream does not pass to them."""

    def _pass_on_grid(self, patch_embed, inputs, output):
        _, hw_shape = output
        for layer in self.layers:
            if isinstance(layer, MixerBlock):
                layer.hw_shape = hw_shape


@MODELS.register_module()
class ViT(MixerBackbone, _GridOfPatches, mmpretrain_vit.VisionTransformer):
    """Vision Transformer whose layers take any token mixer, with MMPretrain's arguments.

    Without a mixer this is upstream's model: same keys, same initial values, same output.

    Args:
        *args, **kwargs: Those of MMPretrain's ``VisionTransformer``. A mixer of whole grids, and
            that is all but self-attention, needs ``with_cls_token=False`` and
            ``out_type='featmap'`` or ``'avg_featmap'``.
        mixer (dict | list[dict | None], optional): Token mixer in place of the attention. A list
            has one per layer, see :func:`afno_mm.mixers.mixer_per_stage`.
        skip (str): 'double' or 'single', see
            :func:`afno_mm.backbones.mixer_block.put_mixers`.

    Raises:
        ValueError: If a mixer cannot take the class token.
    """

    def __init__(self, *args, mixer=None, skip='double', **kwargs):
        super().__init__(*args, **kwargs)
        attention = self.layers[0].attn
        known = dict(
            embed_dims=self.embed_dims,
            num_heads=attention.num_heads,
            qkv_bias=attention.qkv.bias is not None,
            attn_drop=attention.attn_drop,
            grid_size=tuple(self.patch_resolution),
        )
        _put_mixers(
            self,
            mixer_per_stage(mixer, self.num_layers),
            ViTBlock,
            known,
            skip,
            self.cls_token is not None,
            "with_cls_token=False and out_type='featmap', or 'avg_featmap' for pooled ones",
        )

    def _prepare_pos_embed(self, state_dict, prefix, *args, **kwargs):
        key = prefix + 'pos_embed'
        saved = state_dict.get(key)
        # Upstream cuts off the class token of weights of the same image size only.
        if not self.with_cls_token and saved is not None and _is_square(saved.shape[1] - 1):
            state_dict[key] = saved[:, 1:]
        super()._prepare_pos_embed(state_dict, prefix, *args, **kwargs)


@MODELS.register_module()
class SegViT(MixerBackbone, _GridOfPatches, mmseg_vit.VisionTransformer):
    """:class:`ViT` on MMSegmentation's class, with its arguments and its public weights.

    Args:
        img_size (int | tuple[int, int]): Image size of pre-training.
        patch_size (int): Side of a patch.
        embed_dims (int): Width.
        num_layers (int): Number of layers.
        num_heads (int): Attention heads, also for mixers that have heads.
        qkv_bias (bool): Whether attention's projections have a bias; likewise.
        attn_drop_rate (float): Dropout of attention weights; likewise.
        with_cls_token (bool): False for a mixer of whole grids.
        mixer (dict | list[dict | None], optional): As in :class:`ViT`.
        skip (str): As in :class:`ViT`.
        **kwargs: All others of MMSegmentation's ``VisionTransformer``.

    Raises:
        ValueError: If a mixer cannot take the class token.
    """

    def __init__(
        self,
        img_size=224,
        patch_size=16,
        embed_dims=768,
        num_layers=12,
        num_heads=12,
        qkv_bias=True,
        attn_drop_rate=0.0,
        with_cls_token=True,
        mixer=None,
        skip='double',
        **kwargs,
    ):
        mixers = mixer_per_stage(mixer, num_layers)
        super().__init__(
            img_size=img_size,
            patch_size=patch_size,
            embed_dims=embed_dims,
            num_layers=num_layers,
            # Attention that gives way to a mixer need not divide the width.
            num_heads=num_heads if None in mixers else 1,
            qkv_bias=qkv_bias,
            attn_drop_rate=attn_drop_rate,
            with_cls_token=with_cls_token,
            **kwargs,
        )
        known = dict(
            embed_dims=embed_dims,
            num_heads=num_heads,
            qkv_bias=qkv_bias,
            attn_drop=attn_drop_rate,
            grid_size=self._grid(),
        )
        _put_mixers(self, mixers, SegViTBlock, known, skip, with_cls_token, 'with_cls_token=False')
        self._register_load_state_dict_pre_hook(self._resize_saved_pos_embed)

    def _grid(self):
        return tuple(size // self.patch_size for size in self.img_size)

    def _resize_saved_pos_embed(self, state_dict, prefix, *args):
        """Weights of another image size load, as with upstream's ``init_cfg``.

        Of a square size, that is; and those of a model without class token as well.
        """
        key = prefix + 'pos_embed'
        saved, own = state_dict.get(key), self.pos_embed
        if saved is None or saved.shape == own.shape:
            return
        if _is_square(saved.shape[1]):
            saved = torch.cat([own[:, :1].detach().to(saved), saved], dim=1)
        if _is_square(saved.shape[1] - 1):
            side = isqrt(saved.shape[1] - 1)
            state_dict[key] = self.resize_pos_embed(
                saved, self._grid(), (side, side), self.interpolate_mode
            )
