"""The tokens of an image after each block, and their spectra."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS, FUNCTIONS, DefaultScope
from torch import Tensor, nn

from ..backbones.mixer_block import MixerBlock
from ..mixers import AFNO
from ..ops import autocast_off, block_mlp, full_precision, rfft2
from ..tasks import task_of


@dataclass
class Layer:
    """Output of a block, and input of its mixer, in one forward pass."""

    name: str  # the block's name in the backbone
    tokens: Tensor  # the block's output (B, H, W, C)
    mixer: nn.Module
    mixed: Tensor  # the mixer's input (B, H, W, C)


def images_of_test(
    cfg: Config, model: nn.Module, indices: Sequence[int], masked: bool = False
) -> Iterator[tuple[str, Tensor, np.ndarray]]:
    """Yield (path, input, picture) for images of a config's test set.

    The input ``(1, 3, H, W)`` is the backbone's, preprocessed by ``model``. The picture is the
    same as RGB ``(H, W, 3)`` in 0..1. With ``masked``, inpainting models get masked images.
    """
    task = task_of(cfg)
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope')):
        dataset = DATASETS.build(cfg.test_dataloader.dataset)
    preprocessor: Any = model.data_preprocessor
    collate = FUNCTIONS.get(task.collate(cfg))
    for index in indices:
        if not 0 <= index < len(dataset):
            raise IndexError(
                f'image {index} was asked for, the test set has images 0 to '
                f'{len(dataset) - 1}: choose from them by --images'
            )
        batch = collate([dataset[index]])
        path = batch['data_samples'][0].img_path
        with torch.no_grad():
            images = task.network_input(preprocessor(batch, False)['inputs'], masked)
        picture = images[0] * preprocessor.std + preprocessor.mean
        yield path, images, (picture / 255).clamp(0, 1).permute(1, 2, 0).cpu().numpy()


def run_layers(backbone: nn.Module, images: Tensor) -> list[Layer]:
    """Run a backbone on images (B, 3, H, W); return its blocks with a mixer in running order.

    Raises:
        ValueError: If no block has a mixer.
    """
    layers: list[Layer] = []
    mixed: dict[nn.Module, Tensor] = {}
    names = {module: name for name, module in backbone.named_modules()}
    blocks: Any = [module for module in names if isinstance(module, MixerBlock)]

    def before_mixer(mixer, args):
        mixed[mixer] = args[0]

    def after_block(block, args, output):
        grid = mixed[block.attn]
        tokens = output.unflatten(1, grid.shape[1:3])
        layers.append(Layer(names[block], tokens, block.attn, grid))

    with ExitStack() as hooks, torch.no_grad():
        for block in blocks:
            hooks.enter_context(block.attn.register_forward_pre_hook(before_mixer))
            hooks.enter_context(block.register_forward_hook(after_block))
        backbone(images)
    if not layers:
        raise ValueError(
            f'no block of {type(backbone).__name__} has a token mixer: set '
            'model.backbone.mixer, as in dict(type="SA") for self-attention'
        )
    return layers


def pick_layers(layers: list[Layer], numbers: Sequence[int]) -> dict[int, Layer]:
    """Return layers by their numbers, which count from 1."""
    for number in numbers:
        if not 1 <= number <= len(layers):
            raise IndexError(
                f'layer {number} was asked for by --layers, the model has layers 1 to {len(layers)}'
            )
    return {number: layers[number - 1] for number in numbers}


def shrunk_spectrum(layer: Layer, sparsity_threshold: float | None = None) -> tuple[Tensor, Tensor]:
    """Return magnitudes and shares of zeros ``(H, W)`` after AFNO's soft shrinkage (Eq. 8).

    They describe the spectrum of the first image's tokens: the mean magnitude over the channels,
    and the share of real and imaginary parts that are zero. Frequency zero is at ``(H//2, W//2)``.
    Frequencies that ``mode_fraction`` drops have magnitude 0 and share 1.

    ``sparsity_threshold`` is by default the mixer's own. 0 gives the spectrum before shrinkage.

    Raises:
        TypeError: If the layer's mixer is not AFNO.
    """
    mixer = layer.mixer
    if not isinstance(mixer, AFNO):
        raise TypeError(f'only AFNO shrinks spectra, {layer.name} has {type(mixer).__name__}')
    with torch.no_grad(), autocast_off(layer.mixed):
        x = mixer.pad(full_precision(layer.mixed[:1]))
        w1, b1, w2, b2 = (w.to(x.dtype) for w in (mixer.w1, mixer.b1, mixer.w2, mixer.b2))
        z = rfft2(x, mixer.mode_fraction, mixer.norm)
        threshold = mixer.sparsity_threshold if sparsity_threshold is None else sparsity_threshold
        z = block_mlp(z, w1, b1, w2, b2, threshold)[0]  # (kept rows, kept columns, C)
    magnitude = z.abs().mean(-1).double()
    zero = (torch.view_as_real(z) == 0).double().mean((-2, -1))
    grid = x.shape[1:3]
    return _full_spectrum(magnitude, grid, 0.0), _full_spectrum(zero, grid, 1.0)


def _full_spectrum(half: Tensor, grid: Sequence[int], dropped: float) -> Tensor:
    """Extend a half spectrum to ``grid`` (H, W): the value at (-u, -v) equals that at (u, v)."""
    rows, columns = half.shape
    full = half.new_full(grid, dropped)
    row = torch.arange(rows)[:, None]
    row = torch.where(row < (rows + 1) // 2, row, row - rows)
    column = torch.arange(columns)
    # Write the half spectrum last: it has both (u, v) and (-u, v) in the DC and Nyquist columns.
    full[-row % grid[0], -column % grid[1]] = half
    full[row % grid[0], column] = half
    return torch.fft.fftshift(full)
