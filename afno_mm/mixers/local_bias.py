"""The local term that a Fourier mixer adds to its result (Sec. 3.2 of the AFNO paper)."""

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional as F

from .checks import check_choice


class PointwiseConv(nn.Conv1d):
    """A linear map of tokens ``(..., C)`` with the parameters of the published Conv1d(C, C, 1)."""

    def __init__(self, embed_dims: int) -> None:
        super().__init__(embed_dims, embed_dims, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight.squeeze(-1), self.bias)


BIASES: dict[str, Callable[[int], nn.Module | None]] = {
    'identity': nn.Identity,
    'conv': PointwiseConv,
    'none': lambda embed_dims: None,
}


def local_bias(bias: str, embed_dims: int) -> nn.Module | None:
    """Return the module whose output the mixer adds, or None for 'none'."""
    check_choice('bias', bias, BIASES)
    return BIASES[bias](embed_dims)
