"""Inpainting pre-training (Sec. 5.1, A.2): fill in the pixels that a mask has set to zero."""

from typing import Any

import numpy as np
import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import DATASETS
from torch import Tensor

from ..registry import TASKS
from .base import Batch, Scores, Task, model_type, random_images
from .dataset_configs import bare_datasets, unwrapped


@TASKS.register_module()
class Inpainting(Task):
    """Reconstruct images from masked ones, with :mod:`afno_mm.tasks.inpainting_model`."""

    def handles(self, cfg: Config) -> bool:
        return model_type(cfg) == 'InpaintingModel'

    def collate(self, cfg: Config) -> str:
        return 'default_collate'

    def random_batch(self, model_cfg: ConfigDict, size: tuple[int, int], batch_size: int) -> Batch:
        from mmpretrain.structures import DataSample

        samples = [DataSample().set_mask(torch.rand(size) < 0.3) for _ in range(batch_size)]
        return dict(inputs=random_images(model_cfg, size, batch_size), data_samples=samples)

    def network_input(self, inputs: list[Tensor], masked: bool = True) -> Tensor:
        masked_images, images = inputs
        return masked_images if masked else images

    def forward(self, model: Any, images: Tensor) -> Tensor:
        return model.reconstruct(images)

    def outputs(self, model: Any, images: Tensor, labels: bool = False) -> dict[str, Tensor]:
        """Return 'image', the reconstruction. Masked pixels of ``images`` must be black."""
        return dict(image=self.forward(model, images))

    def draw_prediction(self, inputs: Any, sample: Any, dataset: Any) -> list[np.ndarray]:
        """Draw the masked image, its reconstruction and the true image."""
        shown = torch.where(sample.mask, 0, sample.gt_image)
        images = (shown, sample.pred_image, sample.gt_image)
        return [image.permute(1, 2, 0).cpu().numpy() for image in images]

    def baseline(self, cfg: Config, models: dict[str, Scores]) -> str:
        """Return a table with the scores of reconstructions without a model, then of ``models``."""
        from ..evaluation.baselines import mean_colour, progress, score_fillings

        val = DATASETS.build(cfg.test_dataloader.dataset)
        # Load training images with the test pipeline: without random crops and flips.
        pipeline = bare_datasets(cfg.test_dataloader.dataset)[0].pipeline
        train = unwrapped(cfg.train_dataloader.dataset, pipeline)
        print('averaging the training images')
        colour = mean_colour(item['inputs'] for item in progress(train))
        print('\nscoring')
        scores = score_fillings(colour, val, cfg.test_evaluator) | models
        decimals = {name: 3 if 'SSIM' in name else 2 for name in next(iter(scores.values()))}
        width = max(map(len, scores))
        lines = [f'\n{len(val)} validation images, {len(train)} training images']
        lines.append('  '.join([' ' * width, *decimals]))
        for predictor, score in scores.items():
            cells = (f'{score[name]:{len(name)}.{n}f}' for name, n in decimals.items())
            lines.append('  '.join([f'{predictor:{width}}', *cells]))
        return '\n'.join(lines)
