"""No mixer: a control experiment that shows what the rest of a network does."""

from torch import Tensor, nn

from ..registry import MODELS
from .checks import check_grid, show_settings


@MODELS.register_module()
class Identity(nn.Module):
    """Return the tokens as they are: ``y = x``. It has no parameters.

    Compare every mixer with it. With this mixer all accuracy comes from the patch embeddings, the
    feed-forward layers and the head. In MiT the feed-forward has 3x3 convolutions, which mix too.
    """

    needs_grid = False

    def __init__(self, embed_dims: int) -> None:
        super().__init__()
        self.embed_dims = embed_dims

    def forward(self, x: Tensor) -> Tensor:
        check_grid(x, self.embed_dims)
        return x

    extra_repr = show_settings
