"""Pictures of predictions. Registries import this file when a config names one of its classes."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mmcv
import numpy as np
from mmengine.dist import get_world_size, is_main_process
from mmengine.hooks import Hook
from mmseg.visualization import SegLocalVisualizer

from ..registry import HOOKS, VISUALIZERS
from .base import Task, task_of


def picture_name(path: str, used: set[str]) -> str:
    """Return an image's file name without suffix, with names of folders if it is ``used``."""
    parts = [part.strip('/') for part in Path(path).with_suffix('').parts]
    names = ('_'.join(parts[-n:]) for n in range(1, len(parts) + 1))
    name = next((name for name in names if name not in used), f'{len(used)}_{parts[-1]}')
    used.add(name)
    return name


@VISUALIZERS.register_module()
class PartsVisualizer(SegLocalVisualizer):
    """MMSegmentation's visualizer without class names, which would cover small parts."""

    def add_datasample(self, *args: Any, with_labels: bool = False, **kwargs: Any) -> None:
        super().add_datasample(*args, with_labels=with_labels, **kwargs)


@HOOKS.register_module()
@dataclass(eq=False)
class PredictionPicturesHook(Hook):
    """Draw predictions. The config's task decides what a picture shows.

    At each validation it draws the same few images, which are spread evenly over the data. They go
    to the Runner's visualizer, which writes them to its backends, such as TensorBoard or the folder
    ``vis_data/vis_image``. With several processes, only the first one draws.

    If ``enable`` is True, it draws every ``interval``-th image of a test too. These arguments are
    those of MMPretrain's VisualizationHook.
    """

    number: int = 4  # how many images of a validation; 0 draws none
    side: int = 512  # largest height and width of an image of a validation, in pixels
    enable: bool = False
    interval: int = 5000  # draw every n-th image of a test
    show: bool = False  # whether to open a window
    wait_time: float = 0.0  # seconds to show each picture; 0 means no limit
    out_dir: str | None = None  # folder for PNGs; by default they go to the Runner's visualizer

    def __post_init__(self) -> None:
        self.names: dict[str, str] = {}  # of a test on several processes, by path

    def after_val_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        if not self.number or not is_main_process():
            return
        loader = runner.val_dataloader
        size = min(len(loader) * (loader.batch_size or 1), len(loader.dataset))
        step = max(1, size // self.number)
        wanted = range(0, step * self.number, step)
        for path, panels in self._drawn(runner, loader, wanted, batch_idx, data_batch, outputs):
            scale = min(1, self.side / max(panels[0].shape[:2]))
            picture = _joined([mmcv.imrescale(panel, scale) for panel in panels])
            # MLflow wants a suffix in the name.
            runner.visualizer.add_image(f'val_{path}', picture, step=runner.iter)

    def after_test_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        if not self.enable:
            return
        loader, wanted = runner.test_dataloader, range(0, sys.maxsize, self.interval)
        if batch_idx == 0 and get_world_size() > 1 and hasattr(loader.dataset, 'get_data_info'):
            # All processes choose the same names, so none overwrites a picture of another.
            infos = map(loader.dataset.get_data_info, range(len(loader.dataset)))
            used: set[str] = set()
            paths = dict.fromkeys(info.get('img_path', '') for info in infos)
            self.names = {path: picture_name(path, used) for path in paths if path}
        for path, panels in self._drawn(runner, loader, wanted, batch_idx, data_batch, outputs):
            name, picture = path.stem, _joined(panels)
            if self.show:
                runner.visualizer.show(picture, name, wait_time=self.wait_time)
            if self.out_dir:
                mmcv.imwrite(picture[..., ::-1], str(Path(self.out_dir, f'{name}.png')))
            else:
                runner.visualizer.add_image(name, picture, step=0)

    def _drawn(self, runner, loader, wanted, batch_idx, data_batch, outputs):
        """Yield a file name, which no other image has, and the pictures of each wanted sample."""
        if batch_idx == 0:
            self.seen, self.used = 0, set()
        if not isinstance(data_batch, dict):
            return
        task, inputs = task_of(runner.cfg, Task()), data_batch['inputs']
        # Test-time augmentation has a batch for each view. Draw the first one.
        several = isinstance(inputs[0], (list, tuple)) or inputs[0].ndim == 4
        for image, sample in zip(inputs[0] if several else inputs, outputs):
            if self.seen in wanted:
                path = sample.get('img_path', f'{self.seen}.png')
                if panels := task.draw_prediction(image, sample, loader.dataset):
                    name = self.names.get(path) or picture_name(path, self.used)
                    yield Path(name + Path(path).suffix), panels
            self.seen += 1


def _joined(panels):
    """Put pictures of one size side by side, or one below another if they are wide."""
    height, width = panels[0].shape[:2]
    return np.concatenate(panels, axis=0 if width > 1.5 * height else 1)
