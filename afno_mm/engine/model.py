"""Build a config's model, and compile it for training."""

from typing import Any

import torch
from mmengine.config import Config, ConfigDict
from mmengine.model import BaseModel, revert_sync_batchnorm
from mmengine.registry import MODELS, DefaultScope
from torch import nn

from ..registry import type_name
from .custom_ops import check_custom_ops
from .safety import checkpoint_files


def image_size(cfg: Config) -> tuple[int, int]:
    """Return the size ``(H, W)`` at which a config's model is trained.

    It is the size that the data preprocessor pads to, or else the size of the last crop or
    resizing in the training pipeline. A config with neither raises a ValueError.
    """
    preprocessor = cfg.model.get('data_preprocessor') or cfg.get('data_preprocessor') or {}
    size = preprocessor.get('size')
    if size is None:
        for transform in cfg.get('train_pipeline', []):
            scale = transform.get('scale')
            if isinstance(scale, list | tuple) and 'Crop' not in type_name(transform['type']):
                scale = scale[::-1]  # Resizing transforms take (W, H).
            size = transform.get('crop_size') or scale or size
    if size is None:
        raise ValueError(
            'neither data_preprocessor.size nor a crop of train_pipeline says how large the images '
            'are: give --size (one_step.py) or --shape (get_flops.py)'
        )
    return (size, size) if isinstance(size, int) else tuple(size)


def build_model(cfg: Config, size: tuple[int, int] | None, device: str) -> BaseModel:
    """Build a config's model with the weights of its constructors, without ``init_weights``.

    ``size``, if given, replaces the size ``(H, W)`` to which the data preprocessor pads images.
    """
    check_custom_ops(cfg)
    checkpoint_files.install()
    model_cfg = ConfigDict(cfg.model)
    if 'data_preprocessor' in cfg:  # MMPretrain's configs have it beside the model
        model_cfg.setdefault('data_preprocessor', cfg.data_preprocessor)
    if size and 'size' in model_cfg.get('data_preprocessor', {}):
        model_cfg.data_preprocessor = dict(model_cfg.data_preprocessor, size=size)
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope')):
        model = MODELS.build(model_cfg).to(device)
    # On a CPU, replace SyncBatchNorm by plain batch norm: PyTorch's SyncBatchNorm needs GPUs.
    return revert_sync_batchnorm(model) if torch.device(device).type == 'cpu' else model


def compile_for_training(model: nn.Module, **options: Any) -> int:
    """Compile the parts of a model that can be compiled for training. Return how many.

    These are modules with a method ``compile_for_training``: blocks with a mixer, and the losses of
    :class:`afno_mm.SegformerHead`. Blocks of the same shape share one program, so this takes less
    time than compiling the whole model. Evaluation is not compiled, nor are parts that are in
    evaluation mode now, such as frozen ones. ``options`` are those of :func:`torch.compile`; for
    blocks, ``dynamic`` is False by default.
    """
    modules: Any = model.modules()
    parts = [m for m in modules if m.training and hasattr(m, 'compile_for_training')]
    for part in parts:
        part.compile_for_training(**options)
    return len(parts)
