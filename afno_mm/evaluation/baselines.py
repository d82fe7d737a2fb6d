"""Predictors that need no training, and their scores."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from mmengine.dataset import BaseDataset
from mmengine.evaluator import Evaluator
from mmengine.utils import track_iter_progress
from mmseg.evaluation import IoUMetric
from torch import Tensor


def progress(dataset: BaseDataset) -> Iterator[dict[str, Any]]:
    """Yield the items of a dataset and show a progress bar."""
    items = (dataset[index] for index in range(len(dataset)))
    return track_iter_progress((items, len(dataset)))


def most_frequent_class(labels: Iterable[np.ndarray], num_classes: int) -> np.ndarray:
    """Return the most frequent class of each pixel, int64 ``(H, W)``. Labels ignore 255.

    A tie gives the lowest class. A pixel that all labels ignore gives class 0. If the labels differ
    in size, the result is ``(1, 1)``: the most frequent class of all pixels.

    Raises:
        ValueError: If there are no labels.
    """
    counts = None
    for label in labels:
        if counts is None:
            counts = np.zeros((num_classes, *label.shape), np.uint32)
        if label.shape != counts.shape[1:] != (1, 1):
            counts = counts.sum((1, 2), dtype=np.uint64)[:, None, None]
        rows, columns = np.nonzero(label != 255)
        if label.shape == counts.shape[1:]:
            counts[label[rows, columns], rows, columns] += 1
        else:
            counts[:, 0, 0] += np.bincount(label[rows, columns], minlength=num_classes).astype('u8')
    if counts is None:
        raise ValueError('there are no labels')
    return counts.argmax(0)


def score_constant_prediction(prediction: np.ndarray, dataset: BaseDataset) -> dict[str, float]:
    """Return aAcc, mIoU and mAcc in percent if every image has the same prediction ``(H, W)``.

    The items of the dataset need ``gt_seg_map`` ``(H, W)``, as MMSegmentation loads it.
    """
    metric = IoUMetric(iou_metrics=['mIoU'])
    metric.dataset_meta = dataset.metainfo
    # For images of another size: the most frequent class of all pixels.
    single = np.bincount(prediction.ravel()).argmax()
    for item in progress(dataset):
        label = item['gt_seg_map']
        same = prediction if prediction.shape == label.shape else np.full(label.shape, single)
        truth, predicted = (dict(data=torch.from_numpy(a)[None]) for a in (label, same))
        metric.process({}, [dict(pred_sem_seg=predicted, gt_sem_seg=truth)])
    return metric.evaluate(len(dataset))


def mean_colour(images: Iterable[Tensor]) -> Tensor:
    """Return the mean colour ``(C, 1, 1)``, float32, of images ``(C, H, W)`` of any sizes."""
    sums, pixels = zip(*((image.double().sum((1, 2)), image[0].numel()) for image in images))
    return (sum(sums) / sum(pixels)).float()[:, None, None]


def score_fillings(
    colour: Tensor, dataset: BaseDataset, metrics: list[dict]
) -> dict[str, dict[str, float]]:
    """Return ``scores[filling][metric]`` of reconstructions that need no model.

    ``colour`` is the mean colour of the training images, ``(C, 1, 1)``. The items of the dataset
    have ``inputs``, uint8 ``(C, H, W)``, and ``data_samples`` with a ``mask`` ``(H, W)`` that is
    True where pixels are to be filled in. The metrics score ``pred_image`` against ``gt_image``.
    """
    fillings = {
        'mean colour of the training images everywhere': lambda image, mask: colour,
        'masked image as it is': lambda image, mask: torch.where(mask, 0.0, image),
        'masked image filled with its mean colour': lambda image, mask: torch.where(
            mask, image[:, ~mask].mean(1)[:, None, None], image
        ),
    }
    evaluators = {name: Evaluator(metrics) for name in fillings}
    for item in progress(dataset):
        image, mask = item['inputs'], item['data_samples'].mask
        for name, fill in fillings.items():
            filled = fill(image.float(), mask).round().to(torch.uint8).expand_as(image)
            evaluators[name].process([dict(pred_image=filled, gt_image=image, mask=mask)])
    return {name: evaluator.evaluate(len(dataset)) for name, evaluator in evaluators.items()}
