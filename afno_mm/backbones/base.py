"""What the backbones with a mixer slot have in common."""

from mmengine.model import BaseModule
from torch import Tensor

from .pretrained import init_with_pretrained


class MixerBackbone(BaseModule):
    """A mixin before an OpenMMLab backbone.

    Pre-trained weights are loaded with every tensor accounted for. Features are a tuple, which
    MMSegmentation and MMPretrain both take. ``eval()`` returns the module.
    """

    def init_weights(self) -> None:
        init_with_pretrained(self, super().init_weights)

    def train(self, mode: bool = True) -> 'MixerBackbone':
        super().train(mode)
        return self

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Map images ``(B, in_channels, H, W)`` to features of the stages in ``out_indices``.

        Returns:
            ``(B, C_i, H_i, W_i)`` for each stage.
        """
        return tuple(super().forward(x))
