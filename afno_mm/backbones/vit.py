"""Vision Transformers of MMPretrain and MMSegmentation with a mixer slot."""

from collections.abc import Sequence
from math import isqrt
from typing import Any

import torch
from mmpretrain.models.backbones import vision_transformer as mmpretrain_vit
from mmseg.models.backbones import vit as mmseg_vit
from torch import Tensor, nn

from ..mixers import MixerConfig, mixer_per_stage
from ..registry import MODELS
from .base import MixerBackbone
from .mixer_block import MixerBlock, put_mixers, set_grid


class ViTBlock(MixerBlock, mmpretrain_vit.TransformerEncoderLayer):
    """MMPretrain's layer with a token mixer."""

    after_attention = ('proj_drop', 'gamma1', 'out_drop')

    def take_mixer(self, mixer: nn.Module, skip: str) -> None:
        super().take_mixer(mixer, skip)
        self.register_load_state_dict_pre_hook(_find_layer_scale)


class SegViTBlock(MixerBlock, mmseg_vit.TransformerEncoderLayer):
    """MMSegmentation's layer with a token mixer."""

    after_attention = ('proj_drop', 'dropout_layer')


def _find_layer_scale(block: ViTBlock, state_dict: dict, prefix: str, *_: Any) -> None:
    """Move the layer scale, which upstream keeps in its attention, to ``after_mixing``."""
    for key in [k for k in state_dict if k.startswith(f'{prefix}attn.gamma1.')]:
        value = state_dict.pop(key)
        if len(block.after_mixing) > 1:
            state_dict[key.replace('attn.gamma1', 'after_mixing.1')] = value


class _MixerViT(MixerBackbone):
    """Put mixers in the layers and pass them the grid of the tokens, which upstream does not."""

    get_layer_depth = mmpretrain_vit.VisionTransformer.get_layer_depth

    def _put_mixers(
        self,
        mixer: MixerConfig,
        block_class: type[MixerBlock],
        known: list[dict],
        skip: str,
        without_class_token: str,
    ) -> None:
        stages = [[layer] for layer in self.layers]
        mixers = mixer_per_stage(mixer, len(stages))
        put_mixers(stages, mixers, block_class, known, skip)
        for layer in self._mixer_blocks():
            if self.with_cls_token and getattr(layer.attn, 'needs_grid', True):
                raise ValueError(
                    f'{type(layer.attn).__name__} mixes whole grids of tokens and cannot take a '
                    f'class token: set {without_class_token}'
                )
        for module in self.modules():
            if hasattr(module, 'drop_prob'):
                # MMPretrain passes NumPy's numbers, at which torch.compile would break the graph.
                module.drop_prob = float(module.drop_prob)
        if self._mixer_blocks():
            self.patch_embed.register_forward_hook(self._pass_on_grid)
        self._register_load_state_dict_pre_hook(self._rename_attention)

    def _rename_attention(self, state_dict: dict, prefix: str, *_: Any) -> None:
        """Rename the attention keys of the other framework's Vision Transformer to this one's."""
        own = self.state_dict()
        names = (('attn.attn.in_proj_', 'attn.qkv.'), ('attn.attn.out_proj.', 'attn.proj.'))
        for key in [key for key in state_dict if key.startswith(f'{prefix}layers.')]:
            for pair in (*names, *(name[::-1] for name in names)):
                other = key.replace(*pair)
                if other != key and other.removeprefix(prefix) in own:
                    state_dict[other] = state_dict.pop(key)
                    break

    def _fit_class_token(self, state_dict: dict, prefix: str, extra: int) -> int:
        """Remove the saved position embedding of a class token, or add this model's own.

        ``extra`` is 1 if this model has one, else 0. Return the side of the saved grid if it is
        another, square one, which must be resized, else 0.
        """
        key, own = prefix + 'pos_embed', self.pos_embed
        saved = state_dict.get(key)
        # Other widths and other grids that are not square stay: loading refuses them.
        if saved is None or saved.shape == own.shape or saved.shape[2:] != own.shape[2:]:
            return 0
        if f'{prefix}cls_token' not in state_dict:
            saved = torch.cat([own[:, :extra].detach().to(saved), saved], dim=1)
        elif not extra:
            saved = saved[:, 1:]
        state_dict[key] = saved
        side = isqrt(saved.shape[1] - extra)
        return side if side**2 + extra == saved.shape[1] != own.shape[1] else 0

    def _mixer_blocks(self) -> list[MixerBlock]:
        return [layer for layer in self.layers if isinstance(layer, MixerBlock)]

    def _pass_on_grid(self, patch_embed: nn.Module, inputs: tuple, output: tuple) -> None:
        for layer in self._mixer_blocks():
            set_grid(layer, output[1])


@MODELS.register_module()
class ViT(_MixerViT, mmpretrain_vit.VisionTransformer):
    """Vision Transformer whose layers take any token mixer, with MMPretrain's arguments.

    Without a mixer this is upstream's model: same keys, same initial values, same output.

    Args:
        *args, **kwargs: Arguments of MMPretrain's ``VisionTransformer``. All mixers except SA and
            Identity need whole grids, so ``with_cls_token=False`` and ``out_type='featmap'`` or
            ``'avg_featmap'``. A class token that the mixer cannot take raises ValueError.
        mixer: Token mixer in place of the attention. A list has one per layer, see
            :func:`afno_mm.mixers.mixer_per_stage`.
        skip: 'double' or 'single', see :func:`afno_mm.backbones.mixer_block.put_mixers`.
    """

    def __init__(
        self, *args: Any, mixer: MixerConfig = None, skip: str = 'double', **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        known, grid = [], tuple(self.patch_resolution)
        for attn in (layer.attn for layer in self.layers):  # layer_cfgs may differ
            sizes = dict(embed_dims=self.embed_dims, num_heads=attn.num_heads, grid_size=grid)
            known.append(sizes | dict(qkv_bias=attn.qkv.bias is not None, attn_drop=attn.attn_drop))
        settings = "with_cls_token=False and out_type='featmap', or 'avg_featmap' for pooled ones"
        self._put_mixers(mixer, ViTBlock, known, skip, settings)

    def _prepare_pos_embed(self, state_dict: dict, prefix: str, *args: Any, **kwargs: Any) -> None:
        if self._fit_class_token(state_dict, prefix, self.num_extra_tokens):
            super()._prepare_pos_embed(state_dict, prefix, *args, **kwargs)


@MODELS.register_module()
class SegViT(_MixerViT, mmseg_vit.VisionTransformer):
    """:class:`ViT`, derived from MMSegmentation's class. It can load that class's public weights.

    Args:
        num_heads: Heads of the attention, and of mixers that have heads.
        mixer, skip: As in :class:`ViT`.
        **kwargs: All other arguments of MMSegmentation's ``VisionTransformer``. Mixers that need
            whole grids raise ValueError unless ``with_cls_token=False``.
    """

    def __init__(
        self,
        *,
        num_layers: int = 12,
        num_heads: int = 12,
        mixer: MixerConfig = None,
        skip: str = 'double',
        **kwargs: Any,
    ) -> None:
        mixers = mixer_per_stage(mixer, num_layers)
        # If mixers replace every attention, num_heads need not divide the width.
        heads = num_heads if None in mixers else 1
        super().__init__(num_layers=num_layers, num_heads=heads, **kwargs)
        attention = self.layers[0].attn.attn
        patches = self.patch_embed  # Padded, they cover the image. Position embeddings do not.
        pad = self.patch_size - 1 if patches.adap_padding else 2 * patches.projection.padding[0]
        grid = tuple((size + pad) // self.patch_size for size in self.img_size)
        known = dict(embed_dims=attention.embed_dim, grid_size=grid)
        known |= dict(num_heads=num_heads, qkv_bias=attention.in_proj_bias is not None)
        known |= dict(attn_drop=attention.dropout)
        self.num_layers = num_layers
        self._put_mixers(mixers, SegViTBlock, [known] * num_layers, skip, 'with_cls_token=False')
        self._register_load_state_dict_pre_hook(self._resize_saved_pos_embed)

    def _grid(self) -> tuple[int, int]:
        return tuple(size // self.patch_size for size in self.img_size)

    def _pos_embeding(self, x: Tensor, hw_shape: Sequence[int], pos_embed: Tensor) -> Tensor:
        """Add position embeddings, also on another grid with the same number of tokens.

        Upstream compares the numbers alone, and so does not resize them from 4x6 to 6x4.
        """
        if x.shape[1] == pos_embed.shape[1] and tuple(hw_shape) != self._grid():
            pos_embed = self.resize_pos_embed(
                pos_embed, hw_shape, self._grid(), self.interpolate_mode
            )
        return super()._pos_embeding(x, hw_shape, pos_embed)

    def _resize_saved_pos_embed(self, state_dict: dict, prefix: str, *_: Any) -> None:
        """Resize position embeddings of another, square grid, as upstream for ``init_cfg``."""
        key = prefix + 'pos_embed'
        if side := self._fit_class_token(state_dict, prefix, 1):
            state_dict[key] = self.resize_pos_embed(
                state_dict[key], self._grid(), (side, side), self.interpolate_mode
            )
