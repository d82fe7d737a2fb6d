"""Adaptive Fourier neural operator."""

import functools
from fractions import Fraction

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..ops import (
    NORMS,
    afno_operator,
    as_autocast,
    choose_backend,
    is_recorded,
    published_weights,
    scaled_weights,
)
from ..registry import MODELS, print_log
from . import checks
from .smooth_filter import SmoothFilter

INITS = {'published': published_weights, 'scaled': scaled_weights}


@MODELS.register_module()
class AFNO(nn.Module):
    """Adaptive Fourier neural operator (Sec. 4 and Fig. 3 of the AFNO paper).

    ``y = IRFFT2(S_lambda(MLP(RFFT2(x)))) + bias(x)``, with one block-diagonal complex MLP that
    all frequencies share. It runs in float32 (float64 for float64 tokens), whatever the dtype of
    the module. The one exception is the backend 'triton' on a GPU: it computes half-precision
    tokens in half precision. On a GPU, autocast makes tokens half-precision, and the result too.
    :func:`afno_mm.ops.choose_backend` returns which backend computes the operator, and why.

    Parameters have the published names and shapes, with ``b = C / k``, ``h = b * hidden_ratio``
    and the real and imaginary part first: ``w1 (2, k, b, h)``, ``b1 (2, k, h)``,
    ``w2 (2, k, h, b)``, ``b2 (2, k, b)``.

    Args:
        embed_dims: Channels C of the tokens ``(B, H, W, C)``.
        num_blocks: Number of diagonal blocks k. Must divide ``embed_dims``.
        sparsity_threshold: lambda of the soft shrinkage (Eq. 8). 0 turns it off.
        mode_fraction: Share of the frequencies to keep on each axis, the lowest ones, in (0, 1]. To
            keep 25 % of the modes, as the paper does, keep half of
            each axis: 0.5. The paper's 35 % are 32 / 56.
        hidden_ratio: Ratio h / b of the hidden width of the MLP to the block size.
        bias: Local term (Sec. 3.2). 'identity' adds the tokens (Fig. 3), 'conv' adds a pointwise
            convolution of them (A.2 and A.5), 'depthwise' a 3x3 convolution of each channel by
            itself (ours), 'none' adds nothing.
        norm: Scaling of the transforms, 'ortho' or 'forward'. With 'forward' the spectrum of an
            image does not depend on the grid that samples it.
        init: 'published' draws all parameters from ``0.02 * N(0, 1)``. 'scaled' keeps the scale
            of the spectrum at any block size, see :func:`afno_mm.ops.scaled_weights`. With
            'published' at d=384, k=16, lambda=0.1 (A.5) the shrinkage sets nearly all
            coefficients to zero, where the gradient is zero too (docs/mixers/afno.md).
        padding: Share of height and width, rounded up, that is added as rows and columns of zeros
            before the transform, and removed after it, in [0, 1]. Opposite borders are then not
            neighbours (an idea of this project, not of the paper).
        frequency_filter: 'none' is the paper's AFNO. 'smooth' adds g(f) times each coefficient
            beside the MLP: ``IRFFT2(S_lambda(MLP(z)) + g(f) * z)``, see :class:`.SmoothFilter`.
            It is an idea of this project, not of the paper. It starts at g = 0. So weights of an
            AFNO without filter load with ``strict=False`` and give the same output at first.

    Raises:
        ValueError: If a setting is out of range, or ``num_blocks`` does not divide ``embed_dims``.
    """

    def __init__(
        self,
        embed_dims: int,
        num_blocks: int = 8,
        sparsity_threshold: float = 0.01,
        mode_fraction: float = 1.0,
        hidden_ratio: int = 1,
        bias: str = 'identity',
        norm: str = 'ortho',
        init: str = 'published',
        frequency_filter: str = 'none',
        padding: float = 0.0,
    ) -> None:
        super().__init__()
        checks.check_divisor('num_blocks', num_blocks, embed_dims)
        checks.check_choice('norm', norm, NORMS)
        checks.check_choice('init', init, INITS)
        checks.check_choice('frequency_filter', frequency_filter, ('none', 'smooth'))
        checks.check_threshold(sparsity_threshold)
        if not 0 < checks.number(mode_fraction) <= 1:
            raise ValueError(f'mode_fraction must be in (0, 1], got {mode_fraction!r}')
        if not 0 <= checks.number(padding) <= 1:
            raise ValueError(f'padding must be a number in [0, 1], got {padding!r}')
        checks.check_whole('hidden_ratio', hidden_ratio)
        self.embed_dims = embed_dims
        self.num_blocks = num_blocks = int(num_blocks)
        self.sparsity_threshold = float(sparsity_threshold)
        self.mode_fraction = float(mode_fraction)
        self.norm = norm
        self.padding = float(padding)
        # A fraction of integers, so that programs for any grid compute the padding in integers.
        share = Fraction(self.padding).limit_denominator(1000)
        self._padding = share if share or not padding else Fraction(1, 1000)
        b = embed_dims // num_blocks
        weights = INITS[init](num_blocks, b, b * int(hidden_ratio))
        self.w1, self.b1, self.w2, self.b2 = (nn.Parameter(w) for w in weights)
        self.bias = local_bias(bias, embed_dims)
        self.filter = SmoothFilter(embed_dims) if frequency_filter == 'smooth' else None

    def forward(self, x: Tensor) -> Tensor:
        checks.check_grid(x, self.embed_dims)
        x = as_autocast(x)
        padded = self.pad(x)
        if not is_recorded():
            _log_backend(*choose_backend(padded))
        identity = isinstance(self.bias, nn.Identity)
        weights = self.w1, self.b1, self.w2, self.b2
        settings = self.sparsity_threshold, self.mode_fraction, self.norm
        g = None if self.filter is None else self.filter(padded, self.mode_fraction)
        y = afno_operator(padded, *weights, *settings, residual=identity, frequency_filter=g)
        y = y[:, : x.shape[1], : x.shape[2]]
        if self.bias is not None and not identity:
            y = y + self.bias(x)
        return y.to(x.dtype)

    def pad(self, x: Tensor) -> Tensor:
        """Return tokens with the rows and columns of zeros that the transform takes."""
        if not self.padding:
            return x
        part, whole = self._padding.numerator, self._padding.denominator
        # Rounded up. ONNX divides negative numbers otherwise than Python.
        rows, columns = ((size * part + whole - 1) // whole for size in x.shape[1:3])
        return F.pad(x, (0, 0, 0, columns, 0, rows))

    extra_repr = checks.show_settings


class PointwiseConv(nn.Conv1d):
    """A linear map of tokens ``(..., C)`` with the parameters of the published Conv1d(C, C, 1)."""

    def __init__(self, embed_dims: int) -> None:
        super().__init__(embed_dims, embed_dims, 1)

    def forward(self, x: Tensor) -> Tensor:
        dtype = torch.promote_types(x.dtype, self.weight.dtype)
        bias = None if self.bias is None else self.bias.to(dtype)
        return F.linear(x.to(dtype), self.weight.squeeze(-1).to(dtype), bias)


class DepthwiseConv(nn.Conv2d):
    """A 3x3 convolution of tokens ``(B, H, W, C)``, each channel by itself."""

    def __init__(self, embed_dims: int) -> None:
        super().__init__(embed_dims, embed_dims, 3, padding=1, groups=embed_dims)

    def forward(self, x: Tensor) -> Tensor:
        dtype = torch.promote_types(x.dtype, self.weight.dtype)
        bias = None if self.bias is None else self.bias.to(dtype)
        x = x.permute(0, 3, 1, 2).to(dtype)
        x = F.conv2d(x, self.weight.to(dtype), bias, padding=1, groups=self.groups)
        return x.permute(0, 2, 3, 1)


def local_bias(bias: str, embed_dims: int) -> nn.Module | None:
    """Return the local term of a mixer (Sec. 3.2): a module, or None for 'none'."""
    checks.check_choice('bias', bias, ('identity', 'conv', 'depthwise', 'none'))
    modules = dict(conv=PointwiseConv, depthwise=DepthwiseConv)
    if bias in modules:
        return modules[bias](embed_dims)
    return nn.Identity() if bias == 'identity' else None


@functools.cache
def _log_backend(backend: str, reason: str) -> None:
    """Log each backend and reason once."""
    print_log(f'AFNO takes the backend {backend!r}: {reason}', 'current')
