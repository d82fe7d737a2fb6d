"""What is added for local features to a Fourier mixer's result."""

from torch import nn
from torch.nn import functional as F

from .checks import check_choice


class PointwiseConv(nn.Conv1d):
    """A linear map of tokens ``(..., C)`` in the state of the published ``Conv1d(C, C, 1)``."""

    def __init__(self, embed_dims):
        super().__init__(embed_dims, embed_dims, 1)

    def forward(self, x):
        return F.linear(x, self.weight.squeeze(-1), self.bias)


def _none(embed_dims):
    return None


BIASES = {'identity': nn.Identity, 'conv': PointwiseConv, 'none': _none}


def local_bias(bias, embed_dims):
    """The module whose output is added for local features (Sec. 3.2), None for 'none'."""
    check_choice('bias', bias, BIASES)
    return BIASES[bias](embed_dims)
