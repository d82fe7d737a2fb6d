"""Blocks of OpenMMLab's backbones with a token mixer in place of the attention."""

from torch import nn
from torch.utils.checkpoint import checkpoint

from ..mixers import build_mixer, mixer_takes
from ..mixers.checks import check_choice

SKIPS = ('double', 'single')


class MixerBlock:
    """norm -> token mixer -> skip -> norm -> feed-forward -> skip.

    A mixin for OpenMMLab's block classes. The mixer sits in the block's own ``attn``, so
    that a mixer with an upstream attention's parameters has its keys. The block keeps its
    share of the work: norms, dropout, layer scale, drop path, skips and checkpointing.
    """

    skip = 'double'
    with_cp = False
    # The grid (H, W) of the tokens, where the backbone does not pass it to its blocks.
    hw_shape = None

    def take_mixer(self, mixer, skip):
        after = self.after_attention(self.attn)
        # With one skip, layer scale and drop path of the feed-forward are those of the block.
        self.after_mixing = nn.Sequential(*(after if skip == 'double' else after[:1]))
        frozen = not any(p.requires_grad for p in self.attn.parameters())
        self.attn = mixer.requires_grad_(not frozen)
        self.skip = skip

    @staticmethod
    def after_attention(attn):
        """The modules that upstream's attention applies to its result, in order, dropout first."""
        raise NotImplementedError

    def feed_forward(self, x, hw_shape, identity):
        return self.ffn(x, identity=identity)

    def forward(self, x, hw_shape=None):
        """One block.

        Args:
            x (Tensor): Tokens ``(B, H*W, C)``, row major.
            hw_shape (tuple[int, int], optional): Their grid ``(H, W)``.
        """
        hw_shape = hw_shape or self.hw_shape

        def run(x):
            mixed = self.after_mixing(self.mix(self.norm1(x), hw_shape))
            if self.skip == 'single':
                return self.feed_forward(self.norm2(mixed), hw_shape, identity=x)
            x = x + mixed
            return self.feed_forward(self.norm2(x), hw_shape, identity=x)

        if self.with_cp and x.requires_grad:
            return checkpoint(run, x, use_reentrant=False)
        return run(x)

    def mix(self, x, hw_shape):
        """The mixer on tokens ``(B, N, C)``."""
        name = type(self.attn).__name__
        if x.shape[1] != hw_shape[0] * hw_shape[1]:
            if needs_grid(type(self.attn)):
                raise ValueError(
                    f'{name} mixes whole grids of tokens: got {x.shape[1]} tokens for the grid '
                    f'{tuple(hw_shape)}. Class tokens, dropped tokens and masks are not for it'
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


def needs_grid(mixer_class):
    """Whether a mixer needs the full grid; one with ``needs_grid = False`` takes any tokens."""
    return getattr(mixer_class, 'needs_grid', True)


def put_mixers(stages, mixers, block_class, known, skip='double'):
    """Put mixers in the blocks of a backbone.

    Args:
        stages (Sequence[Sequence[nn.Module]]): Upstream's blocks, stage by stage.
        mixers (Sequence[dict | None]): The mixer of each stage; ``None`` leaves it as it is.
        block_class (type): :class:`MixerBlock` with upstream's block class.
        known (Sequence[dict]): What the backbone knows of each stage: ``embed_dims``, and
            arguments for mixers that take them, see :func:`afno_mm.mixers.build_mixer`.
        skip (str): 'double' adds the tokens after the mixer and after the feed-forward, as
            OpenMMLab's blocks; 'single' only after the feed-forward, as GFNet.

    Raises:
        ValueError: If a setting has no effect, or is not one there is.
    """
    check_choice('skip', skip, SKIPS)
    chosen = [mixer for mixer in mixers if mixer is not None]
    if skip != 'double' and not chosen:
        raise ValueError(f'skip={skip!r} has no effect without a mixer: set mixer, or leave it out')
    drop = max((facts.get('attn_drop', 0.0) for facts in known), default=0.0)
    if drop and len(chosen) == len(mixers) and not any(mixer_takes(m, 'attn_drop') for m in chosen):
        raise ValueError(
            f'attn_drop_rate={drop} has no effect: every stage has a mixer without '
            'attention weights. Remove it or use drop_rate'
        )
    for blocks, mixer, facts in zip(stages, mixers, known):
        if mixer is not None:
            for block in blocks:
                # What upstream does with its blocks, as in init_weights, it goes on doing.
                block.__class__ = block_class
                block.take_mixer(build_mixer(mixer, **facts), skip)
