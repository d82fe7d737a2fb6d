"""The inpainting model (Sec. 5.1, A.2): a backbone and a linear head that predict pixels."""

from collections.abc import Sequence
from typing import Any

import torch
from mmpretrain.models.selfsup import BaseSelfSupervisor
from mmpretrain.models.utils import SelfSupDataPreprocessor
from mmpretrain.structures import DataSample
from torch import Tensor, nn
from torch.nn import functional as F

from ..registry import MODELS


@MODELS.register_module()
class InpaintingDataPreprocessor(SelfSupDataPreprocessor):
    """Normalise images, and add copies with black masked pixels (intensity 0).

    ``mean`` and ``std`` have one value per channel, for intensities 0..255. ``options`` are
    MMPretrain's, such as ``to_rgb`` and ``non_blocking``.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], **options: bool) -> None:
        super().__init__(mean=mean, std=std, **options)

    def forward(self, data: dict, training: bool = False) -> dict:
        """Prepare a batch: ``inputs`` becomes ``[masked images, images]``, each (B, 3, H, W).

        Each of the ``data_samples`` needs a ``mask``, bool ``(H, W)``. ``training`` is not used.
        """
        data = super().forward(data, training)
        images, samples = data['inputs'], data['data_samples']
        if not all('mask' in sample for sample in samples or [{}]):
            raise ValueError(
                'inpainting needs masks: put dict(type="afno_mm.RandomWalkMask") '
                'before PackInputs in the pipeline'
            )
        mask = torch.stack([sample.mask for sample in samples])[:, None]  # (B, 1, H, W)
        black = (0 - self.mean) / self.std
        return dict(inputs=[torch.where(mask, black, images), images], data_samples=samples)

    def to_uint8(self, images: Tensor) -> Tensor:
        """Convert normalised images to 8-bit intensities."""
        return (images * self.std + self.mean).round().clamp(0, 255).to(torch.uint8)


@MODELS.register_module()
class InpaintingHead(nn.Module):
    """Project each token linearly to the pixels of its patch. The loss is the squared error.

    ``loss_on`` selects the pixels of the loss: 'image' for all pixels (Sec. 5.1), or 'masked' for
    the masked ones alone (A.2). With 'masked', the model need not reproduce the others.
    """

    def __init__(
        self, in_channels: int, patch_size: int = 4, out_channels: int = 3, loss_on: str = 'image'
    ) -> None:
        super().__init__()
        if loss_on not in ('image', 'masked'):
            raise ValueError(f"loss_on must be one of ['image', 'masked'], got {loss_on!r}")
        self.patch_size = patch_size
        self.loss_on = loss_on
        self.projection = nn.Conv2d(in_channels, out_channels * patch_size**2, 1)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens ``(B, in_channels, H/p, W/p)`` to images ``(B, out_channels, H, W)``."""
        return F.pixel_shuffle(self.projection(tokens), self.patch_size)

    def loss(self, predicted: Tensor, images: Tensor, mask: Tensor) -> Tensor:
        """Return the mean squared error of normalised images ``(B, C, H, W)``.

        With ``loss_on='image'`` all pixels count. With 'masked', only pixels where ``mask``
        ``(B, H, W)`` is True count; the loss is 0 if there are none.
        """
        error = (predicted.float() - images).square().mean(1)
        if self.loss_on == 'image':
            return error.mean()
        return (error * mask).sum() / mask.sum().clamp(min=1)


@MODELS.register_module()
class InpaintingModel(BaseSelfSupervisor):
    """Reconstruct an image from a masked one, with an :class:`InpaintingHead`.

    The backbone is one of MMPretrain that returns a feature map ``(B, C, H/p, W/p)``, such as a ViT
    with ``out_type='featmap'``. The data preprocessor's default type is
    :class:`InpaintingDataPreprocessor`.
    """

    def __init__(
        self, backbone: dict, head: dict, data_preprocessor: dict, init_cfg: dict | None = None
    ) -> None:
        super().__init__(
            backbone,
            head=head,
            init_cfg=init_cfg,
            data_preprocessor={'type': 'afno_mm.InpaintingDataPreprocessor', **data_preprocessor},
        )

    def forward(self, inputs: Any, data_samples: Any = None, mode: str = 'tensor') -> Any:
        """Run the model. ``mode`` is 'tensor' (features), 'loss' or 'predict', as in MMPretrain."""
        if mode == 'predict':
            return self.predict(inputs, data_samples)
        return super().forward(inputs, data_samples, mode)

    def extract_feat(self, inputs: Tensor | list[Tensor]) -> tuple[Tensor, ...]:
        """Return features of images ``(B, 3, H, W)``, or of the masked ones in [masked, whole]."""
        return self.backbone(inputs if torch.is_tensor(inputs) else inputs[0])

    def reconstruct(self, masked: Tensor) -> Tensor:
        """Predict normalised images ``(B, 3, H, W)`` from masked ones of the same shape."""
        tokens = self.extract_feat(masked)[-1]
        if tokens.ndim != 4:
            raise ValueError(
                'inpainting needs a feature map (B, C, H, W) of the backbone, got '
                f"{tuple(tokens.shape)}: set backbone.out_type='featmap'"
            )
        return _crop(self.head(tokens), masked.shape[-2:])

    def loss(self, inputs: list[Tensor], data_samples: list[DataSample]) -> dict[str, Tensor]:
        """Return ``dict(loss=...)`` for ``inputs`` [masked images, images], each (B, 3, H, W)."""
        masked, images = inputs
        mask = torch.stack([sample.mask for sample in data_samples])
        return dict(loss=self.head.loss(self.reconstruct(masked), images, mask))

    def predict(self, inputs: list[Tensor], data_samples: list[DataSample]) -> list[DataSample]:
        """Add ``gt_image`` and ``pred_image``, uint8 RGB ``(3, H, W)``, to the samples.

        Every pixel of ``pred_image`` is predicted, unmasked ones too.
        """
        masked, images = inputs
        to_uint8 = self.data_preprocessor.to_uint8
        predicted = to_uint8(self.reconstruct(masked).float())
        for sample, prediction, truth in zip(data_samples, predicted, to_uint8(images)):
            sample.set_field(prediction, 'pred_image')
            sample.set_field(truth, 'gt_image')
        return data_samples


def _crop(images: Tensor, size: Sequence[int]) -> Tensor:
    """Crop images to ``size`` (H, W). Backbones pad them to whole patches, bottom and right."""
    exporting = getattr(torch.compiler, 'is_exporting', torch.compiler.is_compiling)  # torch 2.6
    if not exporting():
        return images[..., : size[0], : size[1]]
    # Export index_select: the strides of a slice would add comparisons of sizes to the program.
    for dim, n in zip((2, 3), size):
        images = images.index_select(dim, torch.arange(n, device=images.device))
    return images
