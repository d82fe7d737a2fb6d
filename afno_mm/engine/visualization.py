"""Pictures of reconstructions."""

from pathlib import Path

import mmcv
import torch
from mmengine.hooks import Hook

from ..registry import HOOKS


@HOOKS.register_module()
class InpaintingVisualizationHook(Hook):
    """Draws what the model was shown, its reconstruction, and the truth, side by side.

    Takes what MMPretrain's VisualizationHook takes.

    Args:
        enable (bool): Whether to draw.
        interval (int): Draw every n-th image.
        show (bool): Whether to open a window.
        wait_time (float): Seconds to show each picture, 0 for ever.
        out_dir (str, optional): Folder of the PNGs; by default they go to the visualizer.
    """

    def __init__(self, enable=False, interval=5000, show=False, wait_time=0.0, out_dir=None):
        self.enable = enable
        self.interval = interval
        self.show = show
        self.wait_time = wait_time
        self.out_dir = out_dir

    def after_val_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self._draw(runner, batch_idx, outputs, runner.epoch)

    def after_test_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self._draw(runner, batch_idx, outputs, 0)

    def _draw(self, runner, batch_idx, samples, step):
        if not self.enable:
            return
        if batch_idx == 0:
            self.seen = 0
        for sample in samples:
            if self.seen % self.interval == 0:
                name = Path(sample.get('img_path', str(self.seen))).stem
                self._draw_one(runner.visualizer, side_by_side(sample), name, step)
            self.seen += 1

    def _draw_one(self, visualizer, picture, name, step):
        if self.show:
            visualizer.show(picture, name, wait_time=self.wait_time)
        if self.out_dir:
            mmcv.imwrite(picture[..., ::-1], str(Path(self.out_dir, f'{name}.png')))
        else:
            visualizer.add_image(name, picture, step=step)


def side_by_side(sample):
    """RGB picture ``(H, 3 * W, 3)``: the image with the mask black, the prediction, the truth."""
    truth = sample.gt_image
    shown = torch.where(sample.mask, 0, truth)
    picture = torch.cat([shown, sample.pred_image, truth], dim=-1)
    return picture.permute(1, 2, 0).cpu().numpy()
