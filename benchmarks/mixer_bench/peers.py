"""Public layers from their packages, wrapped as mixers ``(B, H, W, C) -> (B, H, W, C)``."""

import importlib
from collections.abc import Sequence

from mmseg.models.backbones.mit import EfficientMultiheadAttention
from torch import Tensor, nn


class MissingPeerError(ImportError):
    """A public layer cannot be imported. The message says how to install it."""


class PublicAFNO(nn.Module):
    """physicsnemo's AFNO layer. It has the same parameters as :class:`afno_mm.mixers.AFNO`.

    On grids that are wider than high, it keeps only the first H // 2 + 1 columns of the spectrum.
    There its result differs from AFNO's, and it does less work.
    """

    def __init__(
        self, embed_dims: int, num_blocks: int = 8, sparsity_threshold: float = 0.01
    ) -> None:
        super().__init__()
        layer = _find('physicsnemo.models.afno.afno', 'AFNO2DLayer', 'nvidia-physicsnemo')
        self.layer = layer(embed_dims, num_blocks, sparsity_threshold)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)


class PublicAFNOAttention(nn.Module):
    """The public layer in place of the attention of an MMSegmentation block.

    MMSegmentation's attention adds the skip connection, so this module adds it too.
    """

    def __init__(self, layer: nn.Module, attn: nn.Module) -> None:
        super().__init__()
        self.layer, self.dropout_layer = layer, attn.dropout_layer

    def forward(self, x: Tensor, hw_shape: tuple[int, int], identity: Tensor) -> Tensor:
        mixed = self.layer(x.unflatten(1, hw_shape)).flatten(1, 2)
        return identity + self.dropout_layer(mixed)


def put_public_afno(backbone: nn.Module, mixers: Sequence[dict]) -> None:
    """Replace the attention of MMSegmentation's blocks by the public layer.

    This is what a user without this package would write.

    Args:
        backbone: A MiT without mixers.
        mixers: AFNO's config for each stage.
    """
    for (_, blocks, norm), mixer in zip(backbone.layers, mixers):
        settings = {key: mixer[key] for key in ('num_blocks', 'sparsity_threshold')}
        for block in blocks:
            layer = PublicAFNO(*norm.normalized_shape, **settings).to(norm.weight.device)
            block.attn = PublicAFNOAttention(layer, block.attn)


class PublicFNO(nn.Module):
    """neuraloperator's spectral convolution. It wants channels first."""

    def __init__(self, embed_dims: int, num_modes: tuple[int, int]) -> None:
        super().__init__()
        layer = _find('neuralop.layers.spectral_convolution', 'SpectralConv', 'neuraloperator')
        m1, m2 = num_modes
        # The layer counts positive and negative frequencies on both axes.
        self.layer = layer(embed_dims, embed_dims, (2 * m1, 2 * m2 - 2), bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class StockESA(nn.Module):
    """MMSegmentation's efficient self-attention of SegFormer, including its skip connection."""

    def __init__(self, embed_dims: int, num_heads: int, sr_ratio: int) -> None:
        super().__init__()
        self.layer = EfficientMultiheadAttention(
            embed_dims,
            num_heads,
            qkv_bias=True,
            norm_cfg=dict(type='LN', eps=1e-6),
            sr_ratio=sr_ratio,
        )

    @classmethod
    def around(cls, layer: nn.Module) -> 'StockESA':
        """Wrap a layer that a backbone has built."""
        mixer = cls.__new__(cls)
        nn.Module.__init__(mixer)
        mixer.layer = layer
        return mixer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.flatten(1, 2), x.shape[1:3]).view_as(x)


def _find(module, name, package):
    try:
        return getattr(importlib.import_module(module), name)
    except Exception as error:  # an installed package may be broken in any way
        raise MissingPeerError(
            f'{package} cannot be imported: {type(error).__name__}: {error}. '
            f'Run: pip install {package}'
        ) from error
