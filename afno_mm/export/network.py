"""The network that is exported, and its metadata for users of the file."""

import json
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from torch import Tensor, nn

from ..tasks import Task
from ..tasks.dataset_configs import dataset_meta
from ..version import __version__
from .formats import ExportError


class Network(nn.Module):
    """Map images ``(B, 3, H, W)`` to the outputs of a task, by :meth:`.Task.outputs`.

    The images are normalised float32. With ``with_preprocessing`` they are uint8 as the data
    loader gives them. The network then orders the channels and normalises them itself.

    Raises:
        ExportError: If ``with_preprocessing`` is set but the data preprocessor does not normalise.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, model: Any, task: Task, labels: bool = False, with_preprocessing: bool = False
    ) -> None:
        super().__init__()
        self.model, self.task = model, task
        self.labels, self.with_preprocessing = labels, with_preprocessing
        self.half_precision = False
        convolutions = (m for m in model.modules() if isinstance(m, nn.Conv2d))
        self.channels = next((m.in_channels for m in convolutions), 3)
        preprocessor = getattr(model, 'data_preprocessor', None)
        # MMPretrain's classifiers name this attribute to_rgb.
        flips = getattr(preprocessor, '_channel_conversion', getattr(preprocessor, 'to_rgb', False))
        self.flips = bool(flips)
        self.normalises = bool(getattr(preprocessor, '_enable_normalize', False))
        if with_preprocessing and not self.normalises:
            raise ExportError(
                f'the data preprocessor {type(preprocessor).__name__} has no mean and std: leave '
                'out --with-preprocessing, or set data_preprocessor.mean and .std'
            )
        for name in ('mean', 'std'):
            value = getattr(preprocessor, name).float() if self.normalises else torch.tensor([])
            self.register_buffer(name, value)

    def use_half(self) -> None:
        """Run the model in float16 from now on. Floating inputs and outputs stay float32."""
        self.model.half()
        self.half_precision = True

    def outputs(self, images: Tensor) -> dict[str, Tensor]:
        """Return the outputs by name."""
        if self.with_preprocessing:
            images = images.float()
            images = images[:, [2, 1, 0]] if self.flips else images
            images = (images - self.mean) / self.std
        images = images.half() if self.half_precision else images
        named = self.task.outputs(self.model, images, self.labels)
        named = {k: v.float() if v.is_floating_point() else v for k, v in named.items()}
        if self.with_preprocessing and 'image' in named:
            named['image'] = named['image'] * self.std + self.mean
        return named

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Return the output, or the outputs as a tuple if there are several."""
        outputs = tuple(self.outputs(images).values())
        return outputs if len(outputs) > 1 else outputs[0]

    def random_images(self, batch_size: int, size: tuple[int, int]) -> Tensor:
        """Return random images ``(B, C, H, W)``: uint8 with preprocessing, else normalised."""
        shape = batch_size, self.channels, *size
        if self.with_preprocessing:
            return torch.randint(0, 256, shape, dtype=torch.uint8)
        return torch.randn(shape)


def describe(
    cfg: Config, checkpoint: str | Path | nn.Module | None, network: Network, dynamic: str
) -> dict[str, str]:
    """Return the metadata that is stored in an exported file. Values are texts, lists are JSON.

    ``classes`` and ``palette`` come from the model, which has those of its checkpoint, else from
    the config's test dataset. They are missing if neither has them.
    """
    preprocessor = cfg.model.get('data_preprocessor') or cfg.get('data_preprocessor') or {}
    loaded = 'RGB' if preprocessor.get('rgb_to_bgr') else 'BGR'
    seen = {'RGB': 'BGR', 'BGR': 'RGB'}[loaded] if network.flips else loaded
    if network.with_preprocessing:
        layout = f'NCHW uint8 {loaded} 0..255'
    else:
        layout = f'NCHW float32 {seen} (pixel - mean) / std'
    meta = {
        'config': Path(cfg.filename or '').name,
        'checkpoint': _name(checkpoint),
        'task': type(network.task).__name__,
        'input_layout': layout,
        'preprocessing': 'included' if network.with_preprocessing else 'not included',
        'mean': json.dumps(network.mean.flatten().tolist()),
        'std': json.dumps(network.std.flatten().tolist()),
        'precision': 'fp16' if network.half_precision else 'fp32',
        'dynamic': dynamic,
        'versions': f'afno_mm {__version__}, torch {torch.__version__}',
    }
    dataset = dataset_meta(cfg) | (getattr(network.model, 'dataset_meta', None) or {})
    meta |= {key: json.dumps(dataset[key]) for key in ('classes', 'palette') if dataset.get(key)}
    return meta


def _name(checkpoint):
    if isinstance(checkpoint, nn.Module):
        return 'a model in memory'
    return Path(checkpoint).name if checkpoint else 'none: initial weights'
