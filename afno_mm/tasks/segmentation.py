"""Semantic segmentation with MMSegmentation's models."""

from typing import Any

import numpy as np
import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import DATASETS
from mmengine.structures import PixelData
from torch import Tensor

from ..registry import TASKS, type_name
from .base import (
    Batch,
    Scores,
    Task,
    draw_hook,
    evaluators,
    load_sample,
    model_type,
    random_images,
    rgb,
    score_table,
)
from .dataset_configs import bare_datasets, unwrapped, with_pipeline


@TASKS.register_module()
class Segmentation(Task):
    """Predict one class for each pixel."""

    def handles(self, cfg: Config) -> bool:
        return cfg.get('default_scope') == 'mmseg' or model_type(cfg) == 'EncoderDecoder'

    def collate(self, cfg: Config) -> str:
        # MMSegmentation's data preprocessor takes a list of images.
        return 'pseudo_collate'

    def random_batch(self, model_cfg: ConfigDict, size: tuple[int, int], batch_size: int) -> Batch:
        from mmseg.structures import SegDataSample

        head = model_cfg.decode_head
        head = head[-1] if isinstance(head, list) else head  # a cascade has several
        samples = []
        for _ in range(batch_size):
            labels = torch.randint(head.num_classes, (1, *size))
            sample = SegDataSample(gt_sem_seg=PixelData(data=labels))
            sample.set_metainfo(dict(img_shape=size, ori_shape=size))
            samples.append(sample)
        return dict(inputs=list(random_images(model_cfg, size, batch_size)), data_samples=samples)

    def outputs(self, model: Any, images: Tensor, labels: bool = False) -> dict[str, Tensor]:
        """Return 'logits' ``(B, classes, H, W)`` at the images' size.

        ``labels`` adds 'labels' ``(B, H, W)``. A head with one output channel predicts class 1
        above its threshold.
        """
        logits = model.encode_decode(images, [dict(img_shape=images.shape[2:])])
        if not labels:
            return dict(logits=logits)
        if logits.shape[1] > 1:
            return dict(logits=logits, labels=logits.argmax(1))
        return dict(
            logits=logits, labels=(logits[:, 0].sigmoid() > model.decode_head.threshold).long()
        )

    def draw_predictions(self, cfg: Config, folder: str | None, **options: Any) -> None:
        draw_hook(cfg).update(draw=True, **options)
        if folder:
            cfg.visualizer.save_dir = folder

    def keep_predictions(self, cfg: Config, path: str) -> None:
        """Change the config so that a test writes its predictions to PNGs in the folder ``path``.

        The PNGs have Cityscapes label ids if CityscapesMetric is a metric, else class indices.
        """
        metrics = evaluators(cfg)
        official = [m for m in metrics if type_name(m['type']) == 'CityscapesMetric']
        writers = official or [m for m in metrics if type_name(m['type']) == 'IoUMetric']
        if not writers:
            names = [type_name(metric['type']) for metric in metrics]
            raise ValueError(
                f'--out needs an IoUMetric or a CityscapesMetric in test_evaluator, got {names}'
            )
        writers[0].update(output_dir=path)
        datasets = bare_datasets(cfg.test_dataloader.dataset)
        if not official and all('img_path' in (d.get('data_prefix') or {}) for d in datasets):
            if not any('seg_map_path' in d['data_prefix'] for d in datasets):
                writers[0].update(format_only=True)  # no labels to compare with
        for metric in official:
            metric.update(keep_results=True)
        cfg.test_evaluator = metrics

    def draw_sample(self, dataset: Any, index: int) -> tuple[list[np.ndarray], str]:
        """Draw the image, and the image overlaid with its mask. Stripes mark ignored pixels."""
        from mmcv import imresize

        sample = load_sample(dataset, index)
        image = rgb(sample['img'])
        if 'gt_seg_map' not in sample:
            return [image], sample.get('fault', 'no mask')
        classes = dataset.metainfo['classes']
        labels = imresize(
            sample['gt_seg_map'].astype(np.uint8), image.shape[1::-1], interpolation='nearest'
        )
        is_class = labels < len(classes)
        shares = np.bincount(labels[is_class], minlength=len(classes)) / labels.size
        parts = [f'{classes[k]} {shares[k]:.1%}' for k in np.flatnonzero(shares)]
        parts += [f'ignored {1 - is_class.mean():.1%}'] if not is_class.all() else []
        return [image, overlay(image, labels, dataset.metainfo['palette'])], ', '.join(parts)

    def draw_prediction(self, inputs: Tensor, sample: Any, dataset: Any) -> list[np.ndarray]:
        """Draw the image, and overlays of the true mask (if there is one) and the predicted one."""
        from mmcv import imresize

        image = rgb(inputs.permute(1, 2, 0).cpu().numpy())
        pictures = [image]
        for name in ('gt_sem_seg', 'pred_sem_seg'):
            if name in sample:
                labels = sample.get(name).data[0].cpu().numpy().astype(np.uint8)
                labels = imresize(labels, image.shape[1::-1], interpolation='nearest')
                pictures.append(overlay(image, labels, dataset.metainfo['palette']))
        return pictures

    def baseline(self, cfg: Config, models: dict[str, Scores]) -> str:
        """Score a predictor that returns, for each pixel, its most frequent training class."""
        from ..evaluation import baselines

        steps = [dict(type='LoadAnnotations')]
        train = unwrapped(cfg.train_dataloader.dataset, steps)
        val = DATASETS.build(with_pipeline(cfg.test_dataloader.dataset, steps))
        print('counting the classes of each pixel')
        labels = (item['gt_seg_map'] for item in baselines.progress(train))
        prediction = baselines.most_frequent_class(labels, len(val.metainfo['classes']))
        print('\nscoring')
        name = f'most frequent class of each pixel in {len(train)} training images'
        scores = {name: baselines.score_constant_prediction(prediction, val)} | models
        miou = {name: score['mIoU'] for name, score in scores.items()}
        return score_table(f'\nmIoU on {len(val)} validation images', miou)


def overlay(image: np.ndarray, labels: np.ndarray, palette: Any) -> np.ndarray:
    """Blend the colours of labels ``(H, W)`` into an image. Stripes mark labels of no class."""
    is_class = labels < len(palette)
    stripes = np.indices(labels.shape).sum(0)[..., None] // 4 % 2 * 255
    colours = np.where(
        is_class[..., None], np.array(palette)[np.where(is_class, labels, 0)], stripes
    )
    return (image * 0.4 + colours * 0.6).astype(np.uint8)
