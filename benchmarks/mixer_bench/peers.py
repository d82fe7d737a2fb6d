"""Public layers as their users install them, as mixers ``(B, H, W, C) -> (B, H, W, C)``."""

import importlib

from mmseg.models.backbones.mit import EfficientMultiheadAttention
from torch import nn


class MissingPeerError(ImportError):
    """A public layer cannot be imported; says what installs it."""


class PublicAFNO(nn.Module):
    """physicsnemo's AFNO layer; parameters are those of :class:`afno_mm.mixers.AFNO`.

    On grids that are wider than high it drops the columns beyond H // 2 + 1, so that its
    result is another one there, and takes less time than it should.
    """

    def __init__(self, embed_dims, num_blocks=8, sparsity_threshold=0.01):
        super().__init__()
        layer = _find('physicsnemo.models.afno.afno', 'AFNO2DLayer', 'nvidia-physicsnemo')
        self.layer = layer(embed_dims, num_blocks, sparsity_threshold)

    def forward(self, x):
        return self.layer(x)


class PublicAFNOAttention(nn.Module):
    """The public layer as the attention of a MMSegmentation block, which adds the skip itself."""

    def __init__(self, layer, attn):
        super().__init__()
        self.layer, self.dropout_layer = layer, attn.dropout_layer

    def forward(self, x, hw_shape, identity):
        mixed = self.layer(x.unflatten(1, hw_shape)).flatten(1, 2)
        return identity + self.dropout_layer(mixed)


def put_public_afno(backbone, mixers):
    """Public layers in MMSegmentation's blocks, as one puts them there without this package.

    Args:
        backbone (MiT): Without mixers.
        mixers (Sequence[dict]): AFNO's config of each stage.
    """
    for (_, blocks, norm), mixer in zip(backbone.layers, mixers):
        settings = {key: mixer[key] for key in ('num_blocks', 'sparsity_threshold')}
        for block in blocks:
            layer = PublicAFNO(*norm.normalized_shape, **settings).to(norm.weight.device)
            block.attn = PublicAFNOAttention(layer, block.attn)


class PublicFNO(nn.Module):
    """neuraloperator's spectral convolution, which takes channels first."""

    def __init__(self, embed_dims, num_modes):
        super().__init__()
        layer = _find('neuralop.layers.spectral_convolution', 'SpectralConv', 'neuraloperator')
        m1, m2 = num_modes
        # It counts both signs of the frequencies on either axis.
        self.layer = layer(embed_dims, embed_dims, (2 * m1, 2 * m2 - 2), bias=False)

    def forward(self, x):
        return self.layer(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class StockESA(nn.Module):
    """MMSegmentation's attention of SegFormer, with the skip that is part of it."""

    def __init__(self, embed_dims, num_heads, sr_ratio):
        super().__init__()
        self.layer = EfficientMultiheadAttention(
            embed_dims,
            num_heads,
            qkv_bias=True,
            norm_cfg=dict(type='LN', eps=1e-6),
            sr_ratio=sr_ratio,
        )

    @classmethod
    def around(cls, layer):
        """One around a layer that a backbone has built."""
        mixer = cls.__new__(cls)
        nn.Module.__init__(mixer)
        mixer.layer = layer
        return mixer

    def forward(self, x):
        return self.layer(x.flatten(1, 2), x.shape[1:3]).view_as(x)


def _find(module, name, package):
    try:
        return getattr(importlib.import_module(module), name)
    except Exception as error:  # one that is installed and broken is missing too
        raise MissingPeerError(
            f'{package} is not to be had: {type(error).__name__}: {error}. '
            f'Run: pip install {package}'
        ) from error
