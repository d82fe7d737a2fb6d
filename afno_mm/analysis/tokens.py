"""What a model does to the tokens of an image: their grid after each block, and its spectrum."""

import copy
import functools
from dataclasses import dataclass

import torch
from mmengine.dataset import default_collate, pseudo_collate
from mmengine.registry import DATASETS, DefaultScope
from mmengine.runner import load_checkpoint

from ..backbones.mixer_block import MixerBlock
from ..engine.one_step import build_model
from ..mixers import AFNO
from ..ops import autocast_off, block_mlp, full_precision, kept_modes, rfft2


@dataclass
class Layer:
    """A block of a backbone as it ran.

    Attributes:
        name (str): Of the block in the model.
        tokens (Tensor): ``(B, H, W, C)`` after the block.
        mixer (nn.Module): Its token mixer.
        mixed (Tensor): What the mixer was given, ``(B, H, W, C)``.
    """

    name: str
    tokens: torch.Tensor
    mixer: torch.nn.Module
    mixed: torch.Tensor


def trained_model(cfg, checkpoint, device='cpu'):
    """A config's model with all weights of a checkpoint.

    Args:
        cfg (Config): Of segmentation, classification or inpainting.
        checkpoint (str): A file; its weights have to be the model's, no more and no less.
        device (str): Where the model is to be.

    Raises:
        RuntimeError: If they are not.
    """
    cfg = copy.deepcopy(cfg)
    cfg.model.backbone.init_cfg = None  # The checkpoint has them.
    model = build_model(cfg, None, device)
    load_checkpoint(model, checkpoint, map_location=device, strict=True)
    return model.eval()


def images_of_test(cfg, model, indices, masked=False):
    """Test images of a config as its model is given them.

    Args:
        cfg (Config): For ``test_dataloader``.
        model (nn.Module): Its model, for the data preprocessor.
        indices (Sequence[int]): Which images.
        masked (bool): Whether with the masks of inpainting, black, if that is the task.

    Yields:
        tuple[str, Tensor, ndarray]: Path of the file, input of the backbone ``(1, 3, H, W)``, and
        the picture that it is, ``(H, W, 3)`` RGB in 0..1.

    Raises:
        IndexError: If there are fewer images.
    """
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        dataset = DATASETS.build(cfg.test_dataloader.dataset)
    preprocessor = model.data_preprocessor
    # MMPretrain's models need stacked inputs, MMSegmentation's lists of them.
    collate = pseudo_collate if cfg.default_scope == 'mmseg' else default_collate
    for index in indices:
        if not 0 <= index < len(dataset):
            raise IndexError(
                f'image {index} was asked for, the test set has images 0 to '
                f'{len(dataset) - 1}: choose from them by --images'
            )
        batch = collate([dataset[index]])
        path = batch['data_samples'][0].img_path
        with torch.no_grad():
            inputs = preprocessor(batch, False)['inputs']
        if not torch.is_tensor(inputs):  # of inpainting: the masked image, and the image
            inputs = inputs[0 if masked else 1]
        picture = inputs[0] * preprocessor.std + preprocessor.mean
        yield path, inputs, (picture / 255).clamp(0, 1).permute(1, 2, 0).cpu().numpy()


def run_layers(backbone, inputs):
    """The blocks with a token mixer, in the order in which they ran.

    Args:
        backbone (nn.Module): One of this package's.
        inputs (Tensor): ``(B, 3, H, W)``.

    Returns:
        list[Layer]

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
    for name, block in backbone.named_modules():
        if isinstance(block, MixerBlock):
            handles += [
                block.attn.register_forward_pre_hook(functools.partial(before_mixer, name)),
                block.register_forward_hook(functools.partial(after_block, name)),
            ]
    try:
        with torch.no_grad():
            backbone(inputs)
    finally:
        for handle in handles:
            handle.remove()
    if not layers:
        raise ValueError(
            f'no block of {type(backbone).__name__} has a token mixer: set '
            'model.backbone.mixer, as in dict(type="SA") for self-attention'
        )
    return layers


def shrunk_spectrum(layer):
    """What AFNO's soft shrinkage (Eq. 8) leaves of the spectrum of the first image's tokens.

    Args:
        layer (Layer): With an AFNO.

    Returns:
        tuple[Tensor, Tensor]: Mean magnitude over the channels, and share of the real and
        imaginary parts that are zero, each ``(H, W)`` with frequency zero at ``(H//2, W//2)``.
        Frequencies that ``mode_fraction`` drops have magnitude 0 and share 1.

    Raises:
        TypeError: If the mixer is another.
    """
    mixer = layer.mixer
    if not isinstance(mixer, AFNO):
        raise TypeError(f'only AFNO shrinks spectra, {layer.name} has {type(mixer).__name__}')
    with torch.no_grad(), autocast_off(layer.mixed):
        x = full_precision(layer.mixed[:1])
        weights = [w.to(x.dtype) for w in (mixer.w1, mixer.b1, mixer.w2, mixer.b2)]
        z = block_mlp(
            rfft2(x, mixer.mode_fraction, mixer.norm), *weights, mixer.sparsity_threshold
        )[0]  # (K1, K2, C)
    zero = (torch.view_as_real(z) == 0).double().mean((-2, -1))
    grid = x.shape[1:3]
    kept = kept_modes(grid, mixer.mode_fraction)
    return (
        _whole_plane(z.abs().mean(-1).double(), grid, kept, 0.0),
        _whole_plane(zero, grid, kept, 1.0),
    )


def _whole_plane(half, grid, kept, dropped):
    """``(H, W)`` of what is known of half a spectrum, and the same at -u, -v."""
    height, width = grid
    rows, columns = kept
    plane = half.new_full(grid, dropped)
    row = torch.arange(rows)
    row = torch.where(row < (rows + 1) // 2, row, row - rows)
    column = torch.arange(columns)
    # The half itself last: of columns that are their own mirror image, it is what is computed.
    plane[-row[:, None] % height, -column[None] % width] = half
    plane[row[:, None] % height, column[None]] = half
    return torch.fft.fftshift(plane)
