"""Classification of images with MMPretrain's models."""

from copy import deepcopy
from typing import Any

import numpy as np
import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import DATASETS
from torch import Tensor

from ..registry import TASKS
from .base import Batch, Scores, Task, model_type, random_images, rgb, score_table
from .dataset_configs import bare_datasets


@TASKS.register_module()
class Classification(Task):
    """Predict one class for each image."""

    mmpretrain_task = 'Image Classification'

    def handles(self, cfg: Config) -> bool:
        return model_type(cfg) == 'ImageClassifier'

    def collate(self, cfg: Config) -> str:
        return 'default_collate'

    def random_batch(self, model_cfg: ConfigDict, size: tuple[int, int], batch_size: int) -> Batch:
        from mmpretrain.structures import DataSample

        labels = torch.randint(model_cfg.head.num_classes, (batch_size, 1))
        samples = [DataSample().set_gt_label(label) for label in labels]
        return dict(inputs=random_images(model_cfg, size, batch_size), data_samples=samples)

    def outputs(self, model: Any, images: Tensor, labels: bool = False) -> dict[str, Tensor]:
        """Return 'logits' ``(B, classes)`` before softmax. ``labels`` adds 'labels' ``(B,)``."""
        logits = self.forward(model, images)
        return dict(logits=logits) | (dict(labels=logits.argmax(1)) if labels else {})

    def use_tta(self, cfg: Config) -> None:
        """Switch the config to test-time augmentation. Default: average image and mirror image."""
        cfg.setdefault('tta_model', dict(type='mmpretrain.AverageClsScoreTTA'))
        if 'tta_pipeline' not in cfg:
            *steps, pack = deepcopy(bare_datasets(cfg.test_dataloader.dataset)[0].pipeline)
            flips = [dict(type='RandomFlip', prob=p) for p in (1.0, 0.0)]
            cfg.tta_pipeline = [*steps, dict(type='TestTimeAug', transforms=[flips, [pack]])]
        super().use_tta(cfg)

    def draw_sample(self, dataset: Any, index: int) -> tuple[list[np.ndarray], str]:
        pictures, _ = super().draw_sample(dataset, index)
        label = dataset.get_data_info(index).get('gt_label')
        classes = dataset.metainfo.get('classes')
        if label is None:
            return pictures, 'no class'
        return pictures, f'{classes[label] if classes else "class"} ({label})'

    def draw_prediction(self, inputs: Tensor, sample: Any, dataset: Any) -> list[np.ndarray]:
        """Draw the image with its true and its predicted class."""
        from mmpretrain.visualization import UniversalVisualizer

        image = rgb(inputs.permute(1, 2, 0).cpu().numpy())
        classes = dataset.metainfo.get('classes')
        # Resize to 224 pixels, so that the text fits.
        return [UniversalVisualizer().visualize_cls(image, sample, classes, resize=224)]

    def baseline(self, cfg: Config, models: dict[str, Scores]) -> str:
        """Score a predictor that always returns the most frequent training class."""
        train, val = (
            _labels(DATASETS.build(loader.dataset))
            for loader in (cfg.train_dataloader, cfg.test_dataloader)
        )
        share = np.mean(val == np.bincount(train).argmax())
        scores = {f'most frequent class of {len(train)} training images': 100 * share}
        scores |= {name: model['accuracy/top1'] for name, model in models.items()}
        return score_table(f'top-1 accuracy on {len(val)} validation images', scores)


def _labels(dataset):
    """Return the class indices of all samples, of a wrapper too."""
    return np.array([dataset.get_data_info(index)['gt_label'] for index in range(len(dataset))])
