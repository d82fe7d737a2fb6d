"""Blocks of OpenMMLab's backbones with a token mixer in place of the attention."""

import threading
from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import torch
from mmcv.cnn.bricks import DropPath
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..mixers import build_mixer, mixer_takes
from ..mixers.checks import check_choice


class _Grids(threading.local):
    """The grids that the forward passes of this thread set: one model can serve many threads."""

    def __init__(self) -> None:
        self.of_block: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()


_grids = _Grids()


def set_grid(block: Any, hw_shape: Any) -> None:
    """Set the grid of a block's tokens for its next forward pass in this thread."""
    block.hw_shape = hw_shape  # compiled programs read it here
    if not torch.compiler.is_compiling():
        _grids.of_block[block] = hw_shape


def grid_of(block: Any) -> Any:
    """Return the grid (H, W) of a block's tokens in this thread, see :func:`set_grid`."""
    if torch.compiler.is_compiling():
        return block.hw_shape
    return _grids.of_block.get(block, block.hw_shape)


class MixerBlock:
    """norm -> token mixer -> skip -> norm -> feed-forward -> skip.

    A mixin for OpenMMLab's block classes. It stores the mixer as ``attn``, so checkpoints of SA and
    ESA have upstream's keys. All other layers are upstream's. ``skip='single'`` leaves out the
    first skip.
    """

    attn: Any
    ffn: Any
    norm1: Any
    norm2: Any
    training: bool
    # Submodules that upstream's attention applies to its result, in order, the dropout first.
    after_attention: tuple[str, ...]
    skip = 'double'
    with_cp = False
    compiled: Any = None  # replaces ``run`` in training, see compile_for_training
    # The grid (H, W) of the tokens, set by backbones that do not pass it to forward.
    hw_shape: Any = None

    def __getstate__(self) -> dict[str, Any]:
        # A trace leaves symbolic sizes here. They cannot be copied, nor can compiled functions.
        return dict(self.__dict__, hw_shape=None, compiled=None)

    def take_mixer(self, mixer: nn.Module, skip: str) -> None:
        """Replace the attention. Freeze the mixer if the attention was frozen."""
        after = [self.attn.get_submodule(name) for name in self.after_attention]
        # With a single skip, only the feed-forward applies layer scale and drop path.
        self.after_mixing = nn.Sequential(*(after if skip == 'double' else after[:1]))
        frozen = not any(p.requires_grad for p in self.attn.parameters())
        self.attn = mixer.requires_grad_(not frozen)
        self.skip = skip

    def feed_forward(self, x: Tensor, hw_shape: tuple[int, int], identity: Tensor) -> Tensor:
        """Return ``identity`` plus the feed-forward of tokens ``(B, H*W, C)``."""
        return self.ffn(x, identity=identity)

    def forward(self, x: Tensor, hw_shape: tuple[int, int] | None = None) -> Tensor:
        """Run the block on tokens ``(B, H*W, C)``, row major, of the grid ``hw_shape`` (H, W)."""
        grid = hw_shape or grid_of(self)
        run = self.compiled if self.compiled and self.training else self.run
        if self.with_cp and x.requires_grad:
            return checkpoint(run, x, grid, use_reentrant=False)
        return run(x, grid)

    def run(self, x: Tensor, grid: tuple[int, int]) -> Tensor:
        """Run the block on tokens ``(B, N, C)`` of a grid (H, W)."""
        mixed = self.after_mixing(self.mix(self.norm1(x), grid))
        if self.skip == 'double':
            x = mixed = x + mixed
        return self.feed_forward(self.norm2(mixed), grid, identity=x)

    def compile_for_training(self, **options: Any) -> None:
        """Compile the block for training. Blocks of the same shape share one program.

        Stochastic depth then draws other numbers. ``options`` are those of :func:`torch.compile`.
        """
        device = next(iter(self.norm1.parameters())).device  # type: ignore[attr-defined]
        for parent in list(self.modules()):  # type: ignore[attr-defined]
            for name, child in parent.named_children():
                if isinstance(child, DropPath):
                    setattr(parent, name, TensorDropPath(child.drop_prob, device))
        # Stages differ in size: PyTorch would compile a slower program for all sizes.
        self.compiled = torch.compile(self.run, **{'dynamic': False, **options})

    def mix(self, x: Tensor, hw_shape: tuple[int, int]) -> Tensor:
        """Apply the mixer to tokens ``(B, N, C)``.

        Raises:
            ValueError: If the mixer needs a grid and N is not H * W, or if it changes the shape.
        """
        name = type(self.attn).__name__
        if x.shape[1] != hw_shape[0] * hw_shape[1]:
            if getattr(self.attn, 'needs_grid', True):
                raise ValueError(
                    f'{name} mixes whole grids of tokens: got {x.shape[1]} tokens for the grid '
                    f'{tuple(hw_shape)}. It takes no class tokens, dropped tokens or masks'
                )
            hw_shape = (1, x.shape[1])
        grid = x.unflatten(1, hw_shape)
        mixed = self.attn(grid)
        if mixed.shape != grid.shape:
            raise ValueError(
                f'a mixer maps (B, H, W, C) to the same shape: {name} made '
                f'{tuple(mixed.shape)} of {tuple(grid.shape)}'
            )
        return mixed.flatten(1, 2)


class TensorDropPath(nn.Module):
    """Stochastic depth (https://arxiv.org/abs/1603.09382) with its rate in a tensor.

    mmcv's DropPath has its rate as a number, and numbers are constants of a compiled program. Each
    block has another rate, so each would be compiled anew. It is no buffer: hooks that average
    weights expect the buffers of the model that they copied.
    """

    def __init__(self, drop_prob: float, device: torch.device) -> None:
        super().__init__()
        self.kept_share = torch.tensor(1 - drop_prob, device=device)

    def forward(self, x: Tensor) -> Tensor:
        """Set samples of ``x (B, ...)`` to zero, and divide the others by the share kept."""
        if not self.training:
            return x
        kept = torch.rand(len(x), device=x.device) < self.kept_share
        return x * (kept / self.kept_share).to(x.dtype).view(-1, *[1] * (x.dim() - 1))


def put_mixers(
    stages: Sequence[Sequence[Any]],
    mixers: Sequence[dict | None],
    block_class: type[MixerBlock],
    known: Sequence[dict],
    skip: str = 'double',
) -> None:
    """Put mixers in the blocks of a backbone.

    Args:
        stages: Upstream's blocks, stage by stage.
        mixers: The mixer of each stage. ``None`` keeps the attention.
        block_class: Subclass of :class:`MixerBlock` and upstream's block class.
        known: For each stage ``embed_dims`` and other arguments for mixers that take them, see
            :func:`afno_mm.mixers.build_mixer`.
        skip: 'double' adds the tokens after the mixer and again after the feed-forward, as
            OpenMMLab's blocks do. 'single' adds them only after the feed-forward, as GFNet does.

    Raises:
        ValueError: If a setting is unknown or has no effect.
    """
    check_choice('skip', skip, ('double', 'single'))
    chosen = [mixer for mixer in mixers if mixer is not None]
    if skip != 'double' and not chosen:
        raise ValueError(f'skip={skip!r} has no effect without a mixer: set mixer, or leave it out')
    drop = max((stage.get('attn_drop', 0.0) for stage in known), default=0.0)
    if drop and len(chosen) == len(mixers) and not any(mixer_takes(m, 'attn_drop') for m in chosen):
        raise ValueError(
            f'attn_drop_rate={drop} has no effect: every stage has a mixer without '
            'attention weights. Remove it or use drop_rate'
        )
    for blocks, mixer, known_of_stage in zip(stages, mixers, known):
        if mixer is not None:
            for block in blocks:
                # Change the class in place, so that upstream's init_weights still finds the block.
                block.__class__ = block_class
                block.take_mixer(build_mixer(mixer, **known_of_stage), skip)
