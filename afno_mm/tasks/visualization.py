"""Pictures of predictions. Registries import this file when a config names one of its classes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mmcv
import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpretrain.engine import VisualizationHook
from mmpretrain.structures import DataSample
from mmseg.visualization import SegLocalVisualizer

from ..registry import HOOKS, VISUALIZERS


@HOOKS.register_module()
class ClassVisualizationHook(VisualizationHook):
    """MMPretrain's hook, with true colours: it draws loaded images, BGR, as if they were RGB."""

    def _draw_samples(self, batch_idx, data_batch, data_samples, step=0):
        images = [image.flip(0) for image in data_batch['inputs']]
        super()._draw_samples(batch_idx, dict(data_batch, inputs=images), data_samples, step)


@VISUALIZERS.register_module()
class PartsVisualizer(SegLocalVisualizer):
    """MMSegmentation's visualizer without class names, which would cover small parts."""

    def add_datasample(self, *args: Any, with_labels: bool = False, **kwargs: Any) -> None:
        super().add_datasample(*args, with_labels=with_labels, **kwargs)


@HOOKS.register_module()
@dataclass(eq=False)
class InpaintingVisualizationHook(Hook):
    """Draw the masked image, its reconstruction and the true image side by side.

    The arguments are those of MMPretrain's VisualizationHook.

    Args:
        enable: Whether to draw.
        interval: Draw every n-th image.
        show: Whether to open a window.
        wait_time: Seconds to show each picture; 0 means no limit.
        out_dir: Folder for PNGs. By default the pictures go to the Runner's visualizer.
    """

    enable: bool = False
    interval: int = 5000
    show: bool = False
    wait_time: float = 0.0
    out_dir: str | None = None

    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        self._draw(runner.visualizer, batch_idx, outputs, runner.epoch)

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        self._draw(runner.visualizer, batch_idx, outputs, 0)

    def _draw(self, visualizer, batch_idx, samples, step):
        if batch_idx == 0:
            self.seen = 0
        for sample in samples if self.enable else ():
            if self.seen % self.interval == 0:
                name = Path(sample.get('img_path', str(self.seen))).stem
                picture = side_by_side(sample)
                if self.show:
                    visualizer.show(picture, name, wait_time=self.wait_time)
                if self.out_dir:
                    mmcv.imwrite(picture[..., ::-1], str(Path(self.out_dir, f'{name}.png')))
                else:
                    visualizer.add_image(name, picture, step=step)
            self.seen += 1


def side_by_side(sample: DataSample) -> np.ndarray:
    """Return the masked image, the prediction and the true image as one RGB ``(H, 3 * W, 3)``."""
    truth = sample.gt_image
    shown = torch.where(sample.mask, 0, truth)
    picture = torch.cat([shown, sample.pred_image, truth], dim=-1)
    return picture.permute(1, 2, 0).cpu().numpy()
