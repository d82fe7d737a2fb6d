"""SegFormer's decoder, which fuses scales before it enlarges them."""

import torch.nn.functional as F
from mmseg.models.decode_heads import SegformerHead as StockSegformerHead
from mmseg.models.utils import resize

from ..registry import MODELS


@MODELS.register_module()
class SegformerHead(StockSegformerHead):
    """The all-MLP decoder of SegFormer: MMSegmentation's, with less work for the same result.

    Upstream enlarges every scale to the first, stacks their channels, and fuses them by a 1x1
    convolution, which is nearly all of the decoder's work. That convolution is a sum over scales and
    works on each token by itself, so it commutes with enlarging: here each scale goes through its
    part of it at its own size, is then enlarged, and added. With four scales that is a third of its
    multiplications, and the stacked channels, four times the width at the largest size, are
    never in memory. Arguments, keys and, up to rounding, results are upstream's.
    """

    def forward(self, inputs):
        """Logits.

        Args:
            inputs (Sequence[Tensor]): Features ``(B, C_i, H_i, W_i)`` of the backbone.

        Returns:
            Tensor: ``(B, num_classes, H_0, W_0)``.
        """
        scales = self._transform_inputs(inputs)
        fusion = self.fusion_conv
        weights = fusion.conv.weight.chunk(len(scales), 1)
        fused = F.conv2d(self.convs[0](scales[0]), weights[0], fusion.conv.bias)
        for x, conv, weight in zip(scales[1:], self.convs[1:], weights[1:]):
            fused += resize(
                F.conv2d(conv(x), weight),
                fused.shape[2:],
                mode=self.interpolate_mode,
                align_corners=self.align_corners,
            )
        if fusion.with_norm:
            fused = fusion.norm(fused)
        return self.cls_seg(fusion.activate(fused))
