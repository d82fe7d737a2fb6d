"""Inpainting pre-training (Sec. 5.1, A.2): fill in pixels that a mask has set to zero."""

import torch
from mmpretrain.models.selfsup import BaseSelfSupervisor
from mmpretrain.models.utils import SelfSupDataPreprocessor
from torch import nn
from torch.nn import functional as F

from ..registry import MODELS

LOSS_ON = ('image', 'masked')


@MODELS.register_module()
class InpaintingDataPreprocessor(SelfSupDataPreprocessor):
    """Normalises images, and makes the masked ones: pixels of intensity 0, black, normalised.

    Args:
        mean (Sequence[float]): Mean of each channel, in intensities 0..255.
        std (Sequence[float]): Standard deviation of each channel.
        to_rgb (bool): Whether images come as BGR, as OpenMMLab loads them.
        non_blocking (bool): Whether to copy to the device asynchronously.
    """

    def __init__(self, mean, std, to_rgb=False, non_blocking=False):
        super().__init__(mean=mean, std=std, to_rgb=to_rgb, non_blocking=non_blocking)

    def forward(self, data, training=False):
        """Prepare a batch.

        Args:
            data (dict): ``inputs``, uint8 ``(B, 3, H, W)``, and ``data_samples`` with a ``mask``
                each, bool ``(H, W)``.
            training (bool): Makes no difference.

        Returns:
            dict: ``inputs``, masked images and images ``(B, 3, H, W)``, and ``data_samples``.

        Raises:
            ValueError: If the samples have no mask.
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

    def to_uint8(self, images):
        """Normalised images as 8-bit intensities."""
        return (images * self.std + self.mean).round().clamp(0, 255).to(torch.uint8)


@MODELS.register_module()
class InpaintingHead(nn.Module):
    """A linear projection of each token to the pixels of its patch, and the squared error.

    Args:
        in_channels (int): Channels of the tokens.
        patch_size (int): Side of a patch.
        out_channels (int): Channels of the image.
        loss_on (str): Pixels whose normalised values the loss compares: of the whole 'image'
            (Sec. 5.1) or the 'masked' ones (A.2). A model trained on these alone need not
            reproduce the others.
    """

    def __init__(self, in_channels, patch_size=4, out_channels=3, loss_on='image'):
        super().__init__()
        if loss_on not in LOSS_ON:
            raise ValueError(f'loss_on must be one of {list(LOSS_ON)}, got {loss_on!r}')
        self.patch_size = patch_size
        self.loss_on = loss_on
        self.projection = nn.Conv2d(in_channels, out_channels * patch_size**2, 1)

    def forward(self, tokens):
        """Images ``(B, out_channels, H, W)`` of tokens ``(B, in_channels, H/p, W/p)``."""
        return F.pixel_shuffle(self.projection(tokens), self.patch_size)

    def loss(self, predicted, images, mask):
        """Mean squared error of normalised images ``(B, C, H, W)``; mask ``(B, H, W)``."""
        error = (predicted.float() - images).square().mean(1)
        if self.loss_on == 'image':
            return error.mean()
        return (error * mask).sum() / mask.sum().clamp(min=1)


@MODELS.register_module()
class InpaintingModel(BaseSelfSupervisor):
    """Backbone and linear head that reproduce an image from a masked one.

    The backbone is any of MMPretrain's that gives a feature map ``(B, C, H/p, W/p)``; the one
    it learns is the ``backbone.`` of a checkpoint.

    Args:
        backbone (dict): With ``out_type='featmap'`` for a ViT.
        head (dict): As :class:`InpaintingHead`.
        data_preprocessor (dict): Of :class:`InpaintingDataPreprocessor`, the default type.
        init_cfg (dict, optional): Initialisation.
    """

    def __init__(self, backbone, head, data_preprocessor, init_cfg=None):
        super().__init__(
            backbone,
            head=head,
            init_cfg=init_cfg,
            data_preprocessor={'type': 'afno_mm.InpaintingDataPreprocessor', **data_preprocessor},
        )

    def forward(self, inputs, data_samples=None, mode='tensor'):
        """As in MMPretrain: ``mode`` is 'tensor' (features), 'loss' or 'predict'."""
        if mode == 'predict':
            return self.predict(inputs, data_samples)
        return super().forward(inputs, data_samples, mode)

    def extract_feat(self, inputs):
        """Features of images ``(B, 3, H, W)``, or of the masked ones of a prepared batch."""
        return self.backbone(inputs if torch.is_tensor(inputs) else inputs[0])

    def reconstruct(self, masked):
        """Normalised images ``(B, 3, H, W)`` from masked ones of the same shape."""
        tokens = self.extract_feat(masked)[-1]
        if tokens.ndim != 4:
            raise ValueError(
                'inpainting needs a feature map (B, C, H, W) of the backbone, got '
                f"{tuple(tokens.shape)}: set backbone.out_type='featmap'"
            )
        # Backbones pad images at the bottom and right to whole patches.
        return self.head(tokens)[..., : masked.shape[-2], : masked.shape[-1]]

    def loss(self, inputs, data_samples):
        """``dict(loss=...)`` of a prepared batch."""
        masked, images = inputs
        mask = torch.stack([sample.mask for sample in data_samples])
        return dict(loss=self.head.loss(self.reconstruct(masked), images, mask))

    def predict(self, inputs, data_samples):
        """The samples with ``gt_image`` and ``pred_image``, uint8 RGB ``(3, H, W)``.

        All pixels of ``pred_image`` are predicted, those that the model was shown as well.
        """
        masked, images = inputs
        to_uint8 = self.data_preprocessor.to_uint8
        predicted = to_uint8(self.reconstruct(masked).float())
        for sample, prediction, truth in zip(data_samples, predicted, to_uint8(images)):
            sample.set_field(prediction, 'pred_image')
            sample.set_field(truth, 'gt_image')
        return data_samples
