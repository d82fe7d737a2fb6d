"""Pictures of predictions. Registries import this file when a config names one of its classes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mmcv
import torch
from mmengine.hooks import Hook
from mmpretrain.engine import VisualizationHook
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
    """

    enable: bool = False
    interval: int = 5000  # draw every n-th image
    show: bool = False  # whether to open a window
    wait_time: float = 0.0  # seconds to show each picture; 0 means no limit
    out_dir: str | None = None  # folder for PNGs; by default they go to the Runner's visualizer

    def _after_iter(self, runner, batch_idx, data_batch=None, outputs=None, mode='train'):
        if not self.enable or mode == 'train':
            return
        if batch_idx == 0:
            self.seen = 0
        for sample in outputs:
            if self.seen % self.interval == 0:
                name = Path(sample.get('img_path', str(self.seen))).stem
                shown = torch.where(sample.mask, 0, sample.gt_image)
                images = torch.cat([shown, sample.pred_image, sample.gt_image], dim=-1)
                picture = images.permute(1, 2, 0).cpu().numpy()  # RGB (H, 3 * W, 3)
                if self.show:
                    runner.visualizer.show(picture, name, wait_time=self.wait_time)
                if self.out_dir:
                    mmcv.imwrite(picture[..., ::-1], str(Path(self.out_dir, f'{name}.png')))
                else:
                    step = runner.epoch if mode == 'val' else 0
                    runner.visualizer.add_image(name, picture, step=step)
            self.seen += 1
