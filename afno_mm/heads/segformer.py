"""SegFormer's all-MLP decoder, written from the paper. It fuses scales before it enlarges them."""

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.utils import resize
from torch import Tensor, nn

from ..registry import MODELS


class ScaleFusion(ConvModule):
    """A linear map of stacked scales, norm and ReLU, that never stacks the scales.

    The map is a sum over scales and works on each token by itself, so it commutes with enlarging.
    Each scale goes through its part of the map at its own size, is then enlarged and added.
    """

    def forward(
        self, scales: Sequence[Tensor], mode: str = 'bilinear', align_corners: bool = False
    ) -> Tensor:
        """Fuse scales ``(B, C, H_i, W_i)`` at the size of the first one."""
        weights = self.conv.weight.chunk(len(scales), 1)
        fused = F.conv2d(scales[0], weights[0], self.conv.bias)
        for x, weight in zip(scales[1:], weights[1:]):
            y = F.conv2d(x, weight)
            fused += resize(y, fused.shape[2:], mode=mode, align_corners=align_corners)
        return self.activate(self.norm(fused) if self.with_norm else fused)


@MODELS.register_module()
class SegformerHead(BaseDecodeHead):
    """The all-MLP decoder of SegFormer (Sec. 3.2 of https://arxiv.org/abs/2105.15203).

    Four steps: a linear map takes each scale to the same width, the scales are enlarged to the
    first one and stacked, a linear map fuses them, and another one classifies each token. The
    first and the third map are followed by a norm and an activation.

    :class:`ScaleFusion` computes the second and the third step together. With four scales it takes
    a third of the multiplications, and it never stores the stacked channels, which are four times
    the width at the largest size.

    Arguments and keys are those of MMSegmentation's head of the same name, and so are initial
    weights, and results up to rounding. This class is not derived from it.

    Args:
        interpolate_mode: How to enlarge, as in :func:`torch.nn.functional.interpolate`.
        **kwargs: Arguments of MMSegmentation's BaseDecodeHead: ``in_channels`` and ``in_index``
            with one entry for each scale, ``channels``, the width of the decoder, and so on.
            ``act_cfg`` is the activation of the scales; that of the fusion is ReLU.
    """

    def __init__(self, interpolate_mode: str = 'bilinear', **kwargs: Any) -> None:
        super().__init__(input_transform='multiple_select', **kwargs)
        self.interpolate_mode = interpolate_mode
        width, norm = self.channels, self.norm_cfg
        # A linear map of each token is a convolution with kernel 1.
        self.convs = nn.ModuleList(
            ConvModule(c, width, 1, norm_cfg=norm, act_cfg=self.act_cfg) for c in self.in_channels
        )
        self.fusion_conv = ScaleFusion(len(self.convs) * width, width, 1, norm_cfg=norm)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Map features ``(B, C_i, H_i, W_i)`` to logits ``(B, num_classes, H_0, W_0)``."""
        scales = [conv(x) for conv, x in zip(self.convs, self._transform_inputs(inputs))]
        fused = self.fusion_conv(scales, self.interpolate_mode, self.align_corners)
        return self.cls_seg(fused)
