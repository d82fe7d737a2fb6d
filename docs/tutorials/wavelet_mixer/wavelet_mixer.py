"""A token mixer in the wavelet domain, as a package beside afno_mm."""

import pywt
import torch
from afno_mm.ops import autocast_off, full_precision
from afno_mm.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F


@MODELS.register_module()
class Wavelet(nn.Module):
    """AFNO with wavelets in place of Fourier modes.

    ``y = IDWT(S_lambda(MLP(DWT(x)))) + x``. The wavelet transform splits the grid of tokens into
    bands: three bands of details on each level, and a coarse grid that remains. Each band has its
    own block-diagonal MLP, which all places share. A token sees about ``2**levels`` tokens on each
    axis. Grids have any size: the transform repeats tokens at the border of odd grids.

    The mixer computes in float32 (float64 for float64 tokens), also under autocast.

    Args:
        embed_dims: Channels C of the tokens.
        levels: How often the grid is halved.
        wavelet: Name of an orthogonal wavelet, see ``pywt.wavelist(kind='discrete')``.
        num_blocks: Number of diagonal blocks of the MLPs. Must divide ``embed_dims``.
        sparsity_threshold: lambda of the soft shrinkage. 0 turns it off.
    """

    def __init__(
        self,
        embed_dims: int,
        levels: int = 3,
        wavelet: str = 'haar',
        num_blocks: int = 8,
        sparsity_threshold: float = 0.01,
    ) -> None:
        super().__init__()
        if embed_dims % num_blocks:
            raise ValueError(f'num_blocks={num_blocks} must divide embed_dims={embed_dims}')
        if levels < 1:
            raise ValueError(f'levels must be 1 or more, got {levels}')
        self.embed_dims, self.levels = embed_dims, levels
        self.sparsity_threshold = sparsity_threshold
        # The filters are constants: they move with the module and are not saved.
        self.register_buffer('analysis', filters(wavelet, 'dec'), persistent=False)
        self.register_buffer('synthesis', filters(wavelet, 'rec'), persistent=False)
        bands, b = 3 * levels + 1, embed_dims // num_blocks
        shape = bands, num_blocks, b, b
        self.w1 = nn.Parameter(torch.randn(shape) * (2 / b) ** 0.5)
        self.b1 = nn.Parameter(torch.zeros(bands, num_blocks, 1, b))
        self.w2 = nn.Parameter(torch.randn(shape) * (1 / b) ** 0.5)
        self.b2 = nn.Parameter(torch.zeros(bands, num_blocks, 1, b))

    def forward(self, x: Tensor) -> Tensor:  # (B, H, W, C) -> (B, H, W, C)
        with autocast_off(x):
            tokens = full_precision(x).permute(0, 3, 1, 2)  # (B, C, H, W)
            y = self.mix(tokens).permute(0, 2, 3, 1)
        return (x + y).to(x.dtype)

    def mix(self, x: Tensor) -> Tensor:  # (B, C, H, W) -> (B, C, H, W)
        analysis, synthesis = self.analysis.to(x.dtype), self.synthesis.to(x.dtype)
        sizes, details = [], []
        for _ in range(self.levels):
            sizes.append(x.shape[2:])
            x, *bands = split(x, analysis)
            details.append(bands)
        x = self.mlp(x, 0)
        for level in reversed(range(self.levels)):
            bands = [self.mlp(band, 3 * level + i) for i, band in enumerate(details[level], 1)]
            x = join([x, *bands], synthesis, sizes[level])
        return x

    def mlp(self, x: Tensor, band: int) -> Tensor:
        """Run the MLP of a band on its coefficients (B, C, h, w), then shrink them."""
        w1, b1, w2, b2 = (p[band].to(x.dtype) for p in (self.w1, self.b1, self.w2, self.b2))
        batch, channels, height, width = x.shape
        z = x.permute(0, 2, 3, 1).reshape(batch * height * width, w1.shape[0], w1.shape[1])
        z = z.transpose(0, 1)  # (blocks, places, b)
        z = F.relu(z @ w1 + b1) @ w2 + b2
        z = F.softshrink(z, self.sparsity_threshold)
        return z.transpose(0, 1).reshape(batch, height, width, channels).permute(0, 3, 1, 2)


def filters(wavelet: str, kind: str) -> Tensor:
    """Return the filters of the coarse grid and of the three details, (4, 1, L, L)."""
    found = pywt.Wavelet(wavelet)
    if not found.orthogonal:
        raise ValueError(f'{wavelet} is not orthogonal. These are: haar, db2 to db38, sym2, coif1')
    low = torch.tensor(getattr(found, f'{kind}_lo'))
    high = torch.tensor(getattr(found, f'{kind}_hi'))
    # A convolution of PyTorch does not flip its filters, and the transform does.
    low, high = (f.flip(0) if kind == 'dec' else f for f in (low, high))
    pairs = (low, low), (high, low), (low, high), (high, high)
    return torch.stack([torch.outer(rows, columns) for rows, columns in pairs])[:, None]


def border(size: int) -> int:
    """Return how many tokens to repeat at a border, for filters of a size."""
    return (2 * size - 3) // 2


def split(x: Tensor, analysis: Tensor) -> tuple[Tensor, ...]:
    """Split (B, C, H, W) into a coarse grid and three details of half the size."""
    p, (height, width) = border(analysis.shape[-1]), x.shape[2:]
    padded = F.pad(x, (p, p + width % 2, p, p + height % 2), mode='replicate')
    bands = F.conv2d(padded.flatten(0, 1)[:, None], analysis, stride=2)  # (B * C, 4, h, w)
    return bands.unflatten(0, x.shape[:2]).unbind(2)


def join(bands: list[Tensor], synthesis: Tensor, size: tuple[int, int]) -> Tensor:
    """Undo :func:`split`: (B, C, H, W), of which ``size`` is (H, W)."""
    p, (height, width) = border(synthesis.shape[-1]), size
    stacked = torch.stack([band.flatten(0, 1) for band in bands], 1)
    x = F.conv_transpose2d(stacked, synthesis, stride=2)[:, 0, p : p + height, p : p + width]
    return x.unflatten(0, bands[0].shape[:2])
