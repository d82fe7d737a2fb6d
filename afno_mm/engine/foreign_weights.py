"""Let ``load_from`` load whole models in the formats of Hugging Face, timm and the authors."""

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from ..registry import HOOKS
from .safety.numbers import bare_model


@HOOKS.register_module()
class ForeignWeightsHook(Hook):
    """Convert the keys of a loaded checkpoint, if the model has a backbone of this package."""

    priority = 'VERY_HIGH'

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        model = bare_model(runner)
        model = getattr(model, 'module', model)  # unwrap a model for test-time augmentation
        backbone: Any = getattr(model, 'backbone', None)
        if hasattr(backbone, 'convert_checkpoint'):
            backbone.convert_checkpoint(checkpoint)
