"""The tokens of an image after each block, and their spectra."""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS, FUNCTIONS, DefaultScope
from torch import Tensor, nn

from ..backbones.mixer_block import MixerBlock
from ..mixers import AFNO
from ..ops import autocast_off, block_mlp, full_precision, kept_modes, rfft2
from ..tasks import task_of


@dataclass
class Layer:
    """Input and output of a block in one forward pass."""

    name: str  # of the block in the backbone
    tokens: Tensor  # the block's output (B, H, W, C)
    mixer: nn.Module
    mixed: Tensor  # the mixer's input (B, H, W, C)


def images_of_test(
    cfg: Config, model: nn.Module, indices: Sequence[int], masked: bool = False
) -> Iterator[tuple[str, Tensor, np.ndarray]]:
    """Yield images of a config's test set, preprocessed by its model.

    Each is a tuple: the path of the file, the backbone's input ``(1, 3, H, W)``, and the same as a
    picture ``(H, W, 3)``, RGB in 0..1. With ``masked``, inpainting models get masked images.

    Raises:
        IndexError: If there are fewer images.
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
    layers, mixed = [], {}

    def before_mixer(name, mixer, args):
        mixed[name] = args[0]

    def after_block(name, block, args, output):
        grid = mixed[name]
        layers.append(Layer(name, output.unflatten(1, grid.shape[1:3]), block.attn, grid))

    handles = []
    blocks: Any = (item for item in backbone.named_modules() if isinstance(item[1], MixerBlock))
    for name, block in blocks:
        handles += [
            block.attn.register_forward_pre_hook(functools.partial(before_mixer, name)),
            block.register_forward_hook(functools.partial(after_block, name)),
        ]
    try:
        with torch.no_grad():
            backbone(images)
    finally:
        for handle in handles:
            handle.remove()
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


def shrunk_spectrum(layer: Layer) -> tuple[Tensor, Tensor]:
    """Return the spectrum of the first image's tokens after AFNO's soft shrinkage (Eq. 8).

    Returns:
        The mean magnitude over the channels, and the share of real and imaginary parts that are
        zero, each ``(H, W)`` with frequency zero at ``(H//2, W//2)``. Frequencies that
        ``mode_fraction`` drops have magnitude 0 and share 1.

    Raises:
        TypeError: If the layer's mixer is not AFNO.
    """
    mixer = layer.mixer
    if not isinstance(mixer, AFNO):
        raise TypeError(f'only AFNO shrinks spectra, {layer.name} has {type(mixer).__name__}')
    with torch.no_grad(), autocast_off(layer.mixed):
        x = full_precision(layer.mixed[:1])
        w1, b1, w2, b2 = (w.to(x.dtype) for w in (mixer.w1, mixer.b1, mixer.w2, mixer.b2))
        z = rfft2(x, mixer.mode_fraction, mixer.norm)
        z = block_mlp(z, w1, b1, w2, b2, mixer.sparsity_threshold)[0]  # (K1, K2, C)
    zero = (torch.view_as_real(z) == 0).double().mean((-2, -1))
    grid = x.shape[1:3]
    kept = kept_modes(grid, mixer.mode_fraction)
    return (
        _full_spectrum(z.abs().mean(-1).double(), grid, kept, 0.0),
        _full_spectrum(zero, grid, kept, 1.0),
    )


def _full_spectrum(
    half: Tensor, grid: Sequence[int], kept: tuple[int, int], dropped: float
) -> Tensor:
    """Extend a half spectrum to ``(H, W)``: the value at (-u, -v) is that at (u, v)."""
    height, width = grid
    rows, columns = kept
    full = half.new_full(grid, dropped)
    row = torch.arange(rows)
    row = torch.where(row < (rows + 1) // 2, row, row - rows)
    column = torch.arange(columns)
    # Write the half spectrum last: it has both (u, v) and (-u, v) in the DC and Nyquist columns.
    full[-row[:, None] % height, -column[None] % width] = half
    full[row[:, None] % height, column[None]] = half
    return torch.fft.fftshift(full)
