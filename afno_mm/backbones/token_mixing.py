"""The adapter between a mixer and the attention slot of an OpenMMLab block."""
from mmcv.cnn.bricks.drop import build_dropout
from torch import nn


class TokenMixing(nn.Module):
    """A mixer where a block of an OpenMMLab backbone expects attention.

    Turns the block's tokens ``(B, H*W, C)`` into the mixer's grid and back. The block's
    share of the work, dropout, drop path and skip, stays outside the mixer.

    Args:
        mixer (nn.Module): ``(B, H, W, C) -> (B, H, W, C)``.
        drop_rate (float): Dropout after the mixer.
        drop_path_rate (float): Stochastic depth of the mixer's branch.
    """

    def __init__(self, mixer, drop_rate=0., drop_path_rate=0.):
        super().__init__()
        self.mixer = mixer
        self.drop = nn.Dropout(drop_rate)
        self.drop_path = build_dropout(dict(type='DropPath', drop_prob=drop_path_rate))

    def forward(self, x, hw_shape, identity=None):
        """``identity + mixer(x)``, with ``identity = x`` by default as in OpenMMLab's attention.

        Args:
            x (Tensor): Tokens ``(B, H*W, C)``, row major.
            hw_shape (tuple[int, int]): Their grid ``(H, W)``.
            identity (Tensor, optional): The skip ``(B, H*W, C)``.
        """
        grid = x.unflatten(1, hw_shape)
        mixed = self.mixer(grid)
        if mixed.shape != grid.shape:
            name = type(self.mixer).__name__
            raise ValueError(f'a mixer maps (B, H, W, C) to the same shape: {name} made '
                             f'{tuple(mixed.shape)} of {tuple(grid.shape)}')
        mixed = self.drop_path(self.drop(mixed.flatten(1, 2)))
        return (x if identity is None else identity) + mixed
