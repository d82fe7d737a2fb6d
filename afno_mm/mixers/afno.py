"""Adaptive Fourier neural operator."""

import functools

import torch
from mmengine.logging import print_log
from torch import nn

from ..ops import NORMS, afno_operator, choose_backend, published_weights, scaled_weights
from ..registry import MODELS
from .checks import check_choice, check_divisor, check_grid, check_threshold, check_whole
from .local_bias import local_bias

INITS = {'published': published_weights, 'scaled': scaled_weights}


@MODELS.register_module()
class AFNO(nn.Module):
    """Adaptive Fourier neural operator (Sec. 4 and Fig. 3 of the AFNO paper).

    ``y = IRFFT2(S_lambda(MLP(RFFT2(x)))) + bias(x)`` with one block-diagonal complex
    MLP for all frequencies. Any grid size, and grids may differ from call to call.
    It runs in float32 (float64 for float64 tokens), whatever the dtype of the module and under
    any autocast, save on GPUs with Triton, where half-precision tokens are multiplied by
    tensor cores; the output has the dtype of ``x``. :func:`afno_mm.ops.choose_backend` tells which
    program computes it.

    Parameters are those of the published layer: ``w1 (2, k, b, h)``, ``b1 (2, k, h)``,
    ``w2 (2, k, h, b)``, ``b2 (2, k, b)`` with real and imaginary part first, ``b = C / k``
    and ``h = b * hidden_ratio``.

    Args:
        embed_dims (int): Channels C (the paper's d).
        num_blocks (int): Diagonal blocks k. Must divide ``embed_dims``.
        sparsity_threshold (float): lambda of the soft shrinkage (Eq. 8). 0 turns it off.
        mode_fraction (float): Share of the low frequencies kept on each axis, which is hard
            thresholding. The paper's 25 % of the modes keeps half on both axes: 0.5; its
            35 % keeps 32 / 56.
        hidden_ratio (int): Width of the MLP's hidden layer in block sizes.
        bias (str): What is added for local features (Sec. 3.2): the tokens themselves
            ('identity', Fig. 3), a pointwise convolution of them ('conv', A.2 and A.5),
            or nothing ('none').
        norm (str): Scaling of the transforms, 'ortho' or 'forward'. With 'forward' the
            spectrum of an image does not depend on the grid it is sampled on.
        init (str): 'published' draws everything from ``0.02 * N(0, 1)``. At d=384, k=16 and
            lambda=0.1 (A.5) that leaves next to no coefficient above the threshold, and none
            below it has a gradient. 'scaled' keeps the scale of the spectrum at any
            block size, see :func:`afno_mm.ops.scaled_weights`.

    Raises:
        ValueError: If an argument is out of range, or tokens are not ``(B, H, W, C)``.
    """

    def __init__(
        self,
        embed_dims,
        num_blocks=8,
        sparsity_threshold=0.01,
        mode_fraction=1.0,
        hidden_ratio=1,
        bias='identity',
        norm='ortho',
        init='published',
    ):
        super().__init__()
        check_divisor('num_blocks', num_blocks, embed_dims)
        check_choice('norm', norm, NORMS)
        check_choice('init', init, INITS)
        check_threshold(sparsity_threshold)
        if not 0 < mode_fraction <= 1:
            raise ValueError(f'mode_fraction must be in (0, 1], got {mode_fraction}')
        check_whole('hidden_ratio', hidden_ratio)
        self.embed_dims = embed_dims
        self.num_blocks = num_blocks = int(num_blocks)
        self.sparsity_threshold = sparsity_threshold
        self.mode_fraction = mode_fraction
        self.norm = norm
        b = embed_dims // num_blocks
        weights = INITS[init](num_blocks, b, b * int(hidden_ratio))
        self.w1, self.b1, self.w2, self.b2 = (nn.Parameter(w) for w in weights)
        self.bias = local_bias(bias, embed_dims)

    def forward(self, x):
        check_grid(x, self.embed_dims)
        if not torch.compiler.is_compiling():
            _log_backend(*choose_backend(x))
        identity = isinstance(self.bias, nn.Identity)
        y = afno_operator(
            x,
            self.w1,
            self.b1,
            self.w2,
            self.b2,
            self.sparsity_threshold,
            self.mode_fraction,
            self.norm,
            residual=identity,
        )
        if self.bias is not None and not identity:
            y = y + self.bias(x)
        return y.to(x.dtype)

    def extra_repr(self):
        return (
            f'embed_dims={self.embed_dims}, num_blocks={self.num_blocks}, '
            f'sparsity_threshold={self.sparsity_threshold}, '
            f'mode_fraction={self.mode_fraction}, norm={self.norm!r}'
        )


@functools.cache
def _log_backend(backend, reason):
    """Log each choice once."""
    print_log(f'AFNO takes the backend {backend!r}: {reason}', 'current')
