"""Pictures of predictions as the frameworks draw them, corrected.

The registries import this module when a config names its classes, and :mod:`afno_mm.engine` does
not, because the frameworks' drawing imports most of them.
"""

from mmpretrain.engine import VisualizationHook
from mmseg.visualization import SegLocalVisualizer

from ..registry import HOOKS, VISUALIZERS


@HOOKS.register_module()
class ClassVisualizationHook(VisualizationHook):
    """MMPretrain's, which draws images as they are loaded, BGR: here with red and blue in place."""

    def _draw_samples(self, batch_idx, data_batch, data_samples, step=0):
        images = [image.flip(0) for image in data_batch['inputs']]
        super()._draw_samples(batch_idx, dict(data_batch, inputs=images), data_samples, step)


@VISUALIZERS.register_module()
class PartsVisualizer(SegLocalVisualizer):
    """MMSegmentation's, without the names of classes, which would cover small parts."""

    def add_datasample(self, *args, with_labels=False, **kwargs):
        super().add_datasample(*args, with_labels=with_labels, **kwargs)
