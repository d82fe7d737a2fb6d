"""What the backbones with a mixer slot have in common."""

from .pretrained import init_with_pretrained


class MixerBackbone:
    """A mixin before an OpenMMLab backbone.

    Pre-trained weights are loaded with every tensor accounted for, features are a tuple,
    which MMSegmentation and MMPretrain both take, and ``eval()`` returns the module.
    """

    def init_weights(self):
        init_with_pretrained(self, super().init_weights)

    def train(self, mode=True):
        super().train(mode)
        return self

    def forward(self, x):
        """Features of the stages in ``out_indices``.

        Args:
            x (Tensor): Images ``(B, in_channels, H, W)``.

        Returns:
            tuple[Tensor]: ``(B, C_i, H_i, W_i)`` for each stage.
        """
        return tuple(super().forward(x))
