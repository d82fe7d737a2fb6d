"""SegFormer's all-MLP decoder, written from the paper. It fuses scales, then enlarges them."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.utils import resize
from mmseg.utils import SampleList
from torch import Tensor, nn

from ..ops.exporting import cached, is_recorded
from ..registry import MODELS


class ScaleFusion(ConvModule):
    """Apply a linear map, norm and ReLU to stacked scales, without stacking them.

    The map is a sum over scales and works on each token by itself, so it commutes with enlarging.
    Each scale goes through its part of the map at its own size. The results are enlarged and added.
    """

    def forward(
        self, scales: Sequence[Tensor], mode: str = 'bilinear', align_corners: bool = False
    ) -> Tensor:
        """Fuse scales ``(B, C, H_i, W_i)`` at the size of the first one."""
        weights = self.conv.weight.chunk(len(scales), 1)
        corners = align_corners if mode in ('bilinear', 'bicubic') else None
        if scales[0].device.type == 'cuda' and mode == 'bilinear':
            fused = self._fuse_by_products(scales, weights, align_corners)
        else:
            fused = F.conv2d(scales[0], weights[0], self.conv.bias)
            for x, weight in zip(scales[1:], weights[1:]):
                y = F.conv2d(x, weight)
                fused += resize(y, fused.shape[2:], mode=mode, align_corners=corners)
        return self.activate(self.norm(fused) if self.with_norm else fused)

    def _fuse_by_products(self, scales, weights, align_corners):
        # Under autocast on a GPU, F.interpolate runs in float32. Its forward and backward took 10 %
        # of a SegFormer-B3 training step. The matrix products below take a tenth of that time.
        grids = [x.permute(0, 2, 3, 1) for x in scales]  # (B, H_i, W_i, C)
        fused = F.linear(grids[0], weights[0].flatten(1), self.conv.bias)
        for x, weight in zip(grids[1:], weights[1:]):
            fused = add_enlarged(fused, F.linear(x, weight.flatten(1)), align_corners)
        return fused.permute(0, 3, 1, 2)


def add_enlarged(grid: Tensor, x: Tensor, align_corners: bool) -> Tensor:
    """Enlarge ``x (B, h, w, C)`` bilinearly to the size of ``grid (B, H, W, C)``. Add it in place.

    Bilinear interpolation is a matrix product along each axis.
    """
    (batch, height, width, channels), (h, w) = grid.shape, x.shape[1:3]
    along_w = interpolation(w, width, align_corners, x.dtype, x.device)
    along_h = interpolation(h, height, align_corners, x.dtype, x.device)
    x = along_w.expand(batch * h, -1, -1).bmm(x.reshape(batch * h, w, channels))
    x = x.view(batch, h, width * channels)
    flat = grid.view(batch, height, width * channels)
    return flat.baddbmm_(along_h.expand(batch, -1, -1), x).view_as(grid)


@cached
def interpolation(
    size: int, enlarged: int, align_corners: bool, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """Return the matrix ``(enlarged, size)`` of linear interpolation along an axis."""
    where = device if is_recorded() else 'cpu'  # A CPU tensor would keep a program off CUDA graphs.
    identity = torch.eye(size, device=where, dtype=torch.float64)[None]
    matrix = F.interpolate(identity, enlarged, mode='linear', align_corners=align_corners)
    return matrix[0].t().contiguous().to(device, dtype)


@MODELS.register_module()
class SegformerHead(BaseDecodeHead):
    """The all-MLP decoder of SegFormer (Sec. 3.2 of https://arxiv.org/abs/2105.15203).

    Four steps: (1) a linear map takes each scale to the same width, (2) the scales are enlarged to
    the size of the first one and stacked, (3) a linear map fuses them, (4) a linear map classifies
    each token. A norm and an activation follow (1) and (3).

    :class:`ScaleFusion` computes (2) and (3) together. With four scales it takes a third of the
    multiplications, and it never stores the stacked channels, which are four times the width at the
    largest size.

    MMSegmentation's head of the same name has the same arguments, keys, initial weights, and
    results up to rounding. This class does not derive from it.

    Args:
        interpolate_mode: How to enlarge, as in :func:`torch.nn.functional.interpolate`.
        **kwargs: Arguments of MMSegmentation's BaseDecodeHead: ``in_channels`` and ``in_index``
            with one entry for each scale, ``channels``, the width of the decoder, and so on.
            ``act_cfg`` is the activation after (1). After (3) it is always ReLU.
    """

    def __init__(self, interpolate_mode: str = 'bilinear', **kwargs: Any) -> None:
        super().__init__(input_transform='multiple_select', **kwargs)
        self.interpolate_mode = interpolate_mode
        self.compiled: Any = None  # replaces ``losses_of`` in training, see compile_for_training
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

    def loss_by_feat(self, seg_logits: Tensor, batch_data_samples: SampleList) -> dict:
        """Compute the losses, and the pixel accuracy in percent, as upstream's method does.

        For the accuracy, upstream sorts the classes of each pixel and waits for the GPU. This
        method does neither, so a CUDA graph can capture it. Tied classes may count differently.
        """
        labels = self._stack_batch_gt(batch_data_samples)
        compute = self.compiled if self.compiled and self.training else self.losses_of
        return compute(seg_logits, labels)

    def losses_of(self, logits: Tensor, labels: Tensor) -> dict:
        """Return the losses of logits ``(B, classes, h, w)`` for labels ``(B, 1, H, W)``."""
        size, align = labels.shape[2:], self.align_corners
        logits = resize(logits, size, mode='bilinear', align_corners=align)
        sampled = None if self.sampler is None else self.sampler.sample(logits, labels)
        labels = labels.squeeze(1)
        several = isinstance(self.loss_decode, nn.ModuleList)
        losses: dict = {}
        for loss in self.loss_decode if several else [self.loss_decode]:
            value = loss(logits, labels, weight=sampled, ignore_index=self.ignore_index)
            losses[loss.loss_name] = losses.get(loss.loss_name, 0) + value
        losses['acc_seg'] = pixel_accuracy(logits, labels, self.ignore_index)
        return losses

    def compile_for_training(self, **options: Any) -> None:
        """Compile the losses for training. ``options`` are those of :func:`torch.compile`.

        Leave ``dynamic`` to PyTorch: the number of labelled pixels differs from step to step.
        """
        self.compiled = torch.compile(self.losses_of, **options)

    def __getstate__(self) -> dict[str, Any]:
        return dict(self.__dict__, compiled=None)  # Compiled functions cannot be copied.


def pixel_accuracy(logits: Tensor, labels: Tensor, ignore_index: int) -> Tensor:
    """Return the percentage of the labelled pixels with the right class, of shape ``(1,)``.

    Without a labelled pixel it is 100, as in MMSegmentation's ``accuracy``.
    """
    counted = labels != ignore_index
    right = (logits.argmax(1) == labels) & counted
    eps = torch.finfo(torch.float32).eps
    return (100 * (right.sum() + eps) / (counted.sum() + eps))[None]
