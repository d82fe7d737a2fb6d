"""Pictures of predictions. Registries import this file when a config names one of its classes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mmcv
import numpy as np
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmpretrain.engine import VisualizationHook
from mmseg.visualization import SegLocalVisualizer

from ..registry import HOOKS, VISUALIZERS
from .base import Task, task_of
from .inpainting import Inpainting


def picture_name(path: str, used: set[str]) -> str:
    """Return an image's file name without suffix, with names of folders if it is ``used``."""
    parts = [part.strip('/') for part in Path(path).with_suffix('').parts]
    names = ('_'.join(parts[-n:]) for n in range(1, len(parts) + 1))
    name = next((name for name in names if name not in used), f'{len(used)}_{parts[-1]}')
    used.add(name)
    return name


@HOOKS.register_module()
class ClassVisualizationHook(VisualizationHook):
    """MMPretrain's hook with true colours. Loaded images are BGR; MMPretrain draws them as RGB."""

    def _draw_samples(self, batch_idx, data_batch, data_samples, step=0):
        if batch_idx == 0:
            self.used: set[str] = set()
        inputs = data_batch['inputs']
        # Test-time augmentation has a batch for each view. Draw the first one.
        inputs = inputs[0] if isinstance(inputs, (list, tuple)) and inputs[0].ndim == 4 else inputs
        images = [image.flip(0) for image in inputs]
        data_samples = [sample.clone() for sample in data_samples]
        for sample in data_samples:  # MMPretrain names the picture by the file name alone
            if 'img_path' in sample:
                name = picture_name(sample.get('img_path'), self.used)
                suffix = Path(sample.get('img_path')).suffix
                sample.set_metainfo(dict(img_path=name + suffix))
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
            self.seen, self.used = 0, set()
        for sample in outputs:
            if self.seen % self.interval == 0:
                name = picture_name(sample.get('img_path', str(self.seen)), self.used)
                picture = np.hstack(Inpainting().draw_prediction(None, sample, None))
                if self.show:
                    runner.visualizer.show(picture, name, wait_time=self.wait_time)
                if self.out_dir:
                    mmcv.imwrite(picture[..., ::-1], str(Path(self.out_dir, f'{name}.png')))
                else:
                    step = runner.epoch if mode == 'val' else 0
                    runner.visualizer.add_image(name, picture, step=step)
            self.seen += 1


@HOOKS.register_module()
@dataclass(eq=False)
class PredictionPicturesHook(Hook):
    """Draw the predictions for a few validation images, the same ones at each validation.

    The images are spread evenly over the data. The config's task decides what a picture shows.
    Pictures go to the Runner's visualizer, which writes them to its backends, such as TensorBoard
    or the folder ``vis_data/vis_image``. With several processes, only the first one draws.
    """

    number: int = 4  # how many images; 0 draws none
    side: int = 512  # largest height and width of an image, in pixels

    def after_val_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        if not self.number or not isinstance(data_batch, dict) or not is_main_process():
            return
        loader = runner.val_dataloader
        size = loader.batch_size or 1
        step = max(1, min(len(loader) * size, len(loader.dataset)) // self.number)
        for index, sample in enumerate(outputs, batch_idx * size):
            if index % step or index // step >= self.number:
                continue
            inputs = data_batch['inputs'][index % size]
            pictures = task_of(runner.cfg, Task()).draw_prediction(inputs, sample, loader.dataset)
            if pictures:
                scale = min(1, self.side / max(pictures[0].shape[:2]))
                panels = [mmcv.imrescale(panel, scale) for panel in pictures]
                height, width = panels[0].shape[:2]
                picture = np.concatenate(panels, axis=0 if width > 1.5 * height else 1)
                # MLflow wants a suffix in the name.
                name = f'val_{Path(sample.get("img_path", f"{index}.png")).name}'
                runner.visualizer.add_image(name, picture, step=runner.iter)
