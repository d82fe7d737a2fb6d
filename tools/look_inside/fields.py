"""Receptive fields: which pixels a feature depends on, and which tokens one mixer connects.

Both are gradients. The effective receptive field of a token after a stage is the gradient of its
features with respect to the image (Luo et al., 2016, https://arxiv.org/abs/1701.04128). The field
of one mixer is the gradient of its output at one token with respect to its input.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

# Attention class of OpenMMLab -> name in this package.
UPSTREAM_NAMES = {
    'EfficientMultiheadAttention': 'ESA',
    'MultiheadAttention': 'SA',
    'ShiftWindowMSA': 'shifted windows',
}


@dataclass
class Field:
    """How strongly each cell of pixels, or each token, influences the chosen token.

    ``strength`` ``(h, w)`` is the length of a gradient, at least 0: the root mean square over
    random directions in feature space. ``at`` ``(y, x)`` is the chosen cell or token in this map.
    In the field of a mixer, the chosen token has strength 0. ``own`` is its share of the sum of
    all strengths.
    """

    name: str  # name of the stage, as in 'stage 1'
    mixer: str
    strength: np.ndarray
    at: tuple[int, int]
    own: float = 0.0

    def area(self, share: float = 0.9) -> float:
        """Return the smallest share of the map that holds ``share`` of the whole strength.

        An even map has ``area(0.9) == 0.9``. A map of one point has nearly 0.
        """
        ordered = np.sort(self.strength, axis=None)[::-1].cumsum()
        if ordered[-1] == 0:
            return 0.0
        return float((np.searchsorted(ordered, share * ordered[-1]) + 1) / ordered.size)


@dataclass
class Seen:
    """What one block did in a forward pass."""

    block: nn.Module
    grid: tuple[int, int]
    extra: int  # number of tokens before the grid, such as a class token
    output: Tensor  # (1, N, C)
    args: tuple  # arguments of the mixer
    kwargs: dict


def stage_blocks(backbone: nn.Module, depths: int = 4) -> dict[str, nn.Module]:
    """Return the last block of each stage by a name such as 'stage 1'.

    A backbone without stages, as a ViT, gives ``depths`` blocks at even distances, named as
    'layer 3'. A backbone without token mixers gives none.
    """
    groups: dict[str, list[nn.Module]] = {}
    for name, module in backbone.named_modules():
        if hasattr(module, 'attn') and hasattr(module, 'norm1'):
            groups.setdefault(name.rpartition('.')[0], []).append(module)
    if len(groups) != 1:
        return {f'stage {i}': blocks[-1] for i, blocks in enumerate(groups.values(), 1)}
    (blocks,) = groups.values()
    count = min(depths, len(blocks))
    numbers = [len(blocks) * i // count for i in range(1, count + 1)]
    return {f'layer {number}': blocks[number - 1] for number in numbers}


def mixer_name(block: Any) -> str:
    """Return the name of a block's mixer, as this package writes it."""
    name = type(block.attn).__name__
    return UPSTREAM_NAMES.get(name, name)


@contextmanager
def watched(backbone: Any, blocks: dict[str, Any]) -> Iterator[dict[str, Seen]]:
    """Yield a dict. The next forward pass fills it with one :class:`Seen` per block, by name."""
    seen: dict[str, Seen] = {}
    inputs: dict[nn.Module, tuple] = {}
    grid: list = []

    def after_block(name):
        def hook(block, args, output):
            given = args[1] if len(args) > 1 else grid[-1]
            size = int(given[0]), int(given[1])
            extra = output.shape[1] - size[0] * size[1]
            seen[name] = Seen(block, size, extra, output, *inputs[block.attn])

        return hook

    with ExitStack() as hooks:
        if hasattr(backbone, 'patch_embed'):  # a ViT does not pass the grid to its blocks
            embed = backbone.patch_embed
            hook = embed.register_forward_hook(lambda _, args, output: grid.append(output[1]))
            hooks.enter_context(hook)
        for name, block in blocks.items():
            hook = block.attn.register_forward_pre_hook(
                lambda mixer, args, kwargs: inputs.update({mixer: (args, kwargs)}), with_kwargs=True
            )
            hooks.enter_context(hook)
            hooks.enter_context(block.register_forward_hook(after_block(name)))
        yield seen


@torch.enable_grad()
def receptive_fields(
    backbone: nn.Module,
    images: Tensor,
    at: Sequence[int],
    probes: int | None = None,
    cell: int | None = None,
    progress: Callable[[float, str], Any] | None = None,
) -> list[Field]:
    """Return the effective receptive field of the token at pixel ``at`` (y, x) after each stage.

    ``images`` is the backbone's input ``(1, 3, H, W)``. Each field covers the image and is averaged
    over cells of ``cell`` x ``cell`` pixels. By default a cell is a 64th of the longer side, and at
    least 4. ``probes`` is the number of random directions in feature space: 16 by default, fewer
    for images above 128 x 256 pixels. More probes give smoother fields and take longer.
    ``progress(share, text)`` is called before each probe. Backbones without token mixers, such as
    a ResNet, work too.
    """
    height, width = images.shape[2:]
    probes = probes or min(16, max(4, 16 * 128 * 256 // (height * width)))
    cell = cell or max(4, -(-max(height, width) // 64))
    image = images.detach().clone().requires_grad_()
    blocks = stage_blocks(backbone)
    with watched(backbone, blocks) as seen:
        outputs = backbone(image)
    if seen:
        stages = [(name, mixer_name(s.block), _grid(s)) for name, s in seen.items()]
    else:
        named = enumerate(outputs, 1)
        stages = [(f'stage {i}', 'convolutions', x[0].permute(1, 2, 0)) for i, x in named]
    fields = []
    for done, (name, mixer, features) in enumerate(stages):
        y, x = token_at(at, (height, width), features.shape[:2])
        token = features[y, x]
        square = torch.zeros_like(image[0, 0])
        for number, direction in enumerate(_directions(probes, features)):
            if progress:
                progress((done + number / probes) / len(stages), f'receptive field of {name}')
            (grad,) = torch.autograd.grad(token, image, direction, retain_graph=True)
            square += grad[0].square().sum(0)
        cells = torch.nn.functional.avg_pool2d(square[None, None], cell, ceil_mode=True)[0, 0]
        strength = (cells / probes).sqrt().cpu().numpy()
        fields.append(Field(name, mixer, strength, (at[0] // cell, at[1] // cell)))
    return fields


def mixer_fields(
    backbone: nn.Module, images: Tensor, at: Sequence[int], most_probes: int = 16
) -> list[Field]:
    """Return which tokens the last mixer of each stage connects to the token at pixel ``at``.

    The skip around the mixer does not count. A field has the grid of its stage. There are up to
    ``most_probes`` random directions, fewer for more than 4096 tokens. The list is empty if the
    backbone has no token mixers.
    """
    with torch.no_grad(), watched(backbone, stage_blocks(backbone)) as seen:
        backbone(images)
    fields = []
    for name, s in seen.items():
        y, x = token_at(at, images.shape[2:], s.grid)
        probes = min(most_probes, max(4, most_probes * 4096 // (s.grid[0] * s.grid[1])))
        first, *others = (_repeat(value, probes) for value in s.args)
        others_by_name = {key: _repeat(value, probes) for key, value in s.kwargs.items()}
        tokens = first.requires_grad_()
        with torch.enable_grad():
            mixed = s.block.attn(tokens, *others, **others_by_name)
            chosen = mixed.flatten(1, -2)[:, s.extra + y * s.grid[1] + x]  # (probes, C)
            total = (chosen * torch.stack(_directions(probes, chosen))).sum()
            (grad,) = torch.autograd.grad(total, tokens)
        square = grad.flatten(1, -2)[:, s.extra :].square().sum(-1).mean(0)
        strength = square.sqrt().unflatten(0, s.grid).float().cpu().numpy()
        own = float(strength[y, x] / max(strength.sum(), 1e-30))
        strength[y, x] = 0
        fields.append(Field(name, mixer_name(s.block), strength, (y, x), own))
    return fields


def token_at(at: Sequence[int], size: Sequence[int], grid: Sequence[int]) -> tuple[int, int]:
    """Return the token ``(y, x)`` of ``grid`` that covers pixel ``at`` of an image of ``size``.

    Raises:
        IndexError: If the pixel is outside the image.
    """
    height, width = size
    if not (0 <= at[0] < height and 0 <= at[1] < width):
        raise IndexError(
            f'pixel {at[0]} {at[1]} (row, column) is outside the image that the network gets: '
            f'rows are 0 to {height - 1}, columns 0 to {width - 1}'
        )
    return at[0] * grid[0] // height, at[1] * grid[1] // width


def _grid(seen):
    """Return a block's output as features (h, w, C), without a class token."""
    return seen.output[0, seen.extra :].unflatten(0, seen.grid)


def _directions(number, like):
    """Return ``number`` vectors of random signs, one sign per channel. Each call gives the same."""
    random = torch.Generator().manual_seed(0)
    signs = torch.randint(0, 2, (number, like.shape[-1]), generator=random) * 2.0 - 1
    return list(signs.to(like))


def _repeat(value, number):
    """Repeat a tensor with batch size 1. Return other arguments as they are."""
    if not torch.is_tensor(value):
        return value
    return value.detach().repeat(number, *[1] * (value.ndim - 1))
