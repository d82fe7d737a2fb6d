"""The scores of predictors that have learned next to nothing."""

import numpy as np
import torch
from mmengine.evaluator import Evaluator
from mmengine.utils import track_iter_progress
from mmseg.evaluation import IoUMetric


def progress(dataset):
    """The items of a dataset, with a progress bar."""
    items = (dataset[index] for index in range(len(dataset)))
    return track_iter_progress((items, len(dataset)))


def most_frequent_class(labels, num_classes, ignore_index=255):
    """The class that each pixel has most often.

    Args:
        labels (Iterable[ndarray]): Label maps ``(H, W)`` of one size.
        num_classes (int): Classes are 0..num_classes-1; of a tie the lowest is taken.
        ignore_index (int): Value that does not count.

    Returns:
        ndarray: ``(H, W)``, int64. Pixels that no label counts for are of class 0.

    Raises:
        ValueError: If the labels differ in size.
    """
    counts = None
    for label in labels:
        if counts is None:
            counts = np.zeros((num_classes, *label.shape), np.uint16)
        if label.shape != counts.shape[1:]:
            raise ValueError(
                f'labels must be of one size, got {label.shape} after {counts.shape[1:]}'
            )
        rows, columns = np.nonzero(label != ignore_index)
        counts[label[rows, columns], rows, columns] += 1
    return counts.argmax(0)


def score_constant_prediction(prediction, dataset, ignore_index=255):
    """MMSegmentation's mIoU of one prediction for every image of a dataset.

    Args:
        prediction (ndarray): ``(H, W)``.
        dataset (BaseSegDataset): Yields ``gt_seg_map``.
        ignore_index (int): Label value that does not count.

    Returns:
        dict[str, float]: aAcc, mIoU, mAcc in percent.
    """
    metric = IoUMetric(iou_metrics=['mIoU'], ignore_index=ignore_index)
    metric.dataset_meta = dataset.metainfo
    predicted = dict(data=torch.from_numpy(prediction)[None])
    for item in progress(dataset):
        truth = dict(data=torch.from_numpy(item['gt_seg_map'])[None])
        metric.process({}, [dict(pred_sem_seg=predicted, gt_sem_seg=truth)])
    return metric.evaluate(len(dataset))


def mean_colour(images):
    """The mean colour ``(C, 1, 1)`` of images ``(C, H, W)`` of any sizes, float32."""
    totals = [(image.double().sum((1, 2)), image[0].numel()) for image in images]
    colours, pixels = zip(*totals)
    return (sum(colours) / sum(pixels)).float()[:, None, None]


def score_fillings(colour, dataset, metrics):
    """The scores of reconstructions that take no model.

    Args:
        colour (Tensor): Mean colour of the training images, ``(C, 1, 1)``.
        dataset (BaseDataset): Yields ``inputs``, uint8 ``(C, H, W)``, and ``data_samples`` with
            a ``mask`` ``(H, W)`` that is True where pixels are to be filled in.
        metrics (list[dict]): Configs of metrics of ``pred_image`` and ``gt_image``.

    Returns:
        dict[str, dict[str, float]]: What fills the image -> name of the score -> score.
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
