"""Metrics of reconstructed images."""

from typing import Any

import torch
from mmengine.evaluator import BaseMetric
from torch import Tensor
from torchmetrics.functional import image as torchmetrics

from ..registry import METRICS


class ReconstructionMetric(BaseMetric):
    """Mean over all images of a score of ``pred_image`` and ``gt_image``, uint8 ``(3, H, W)``.

    A subclass defines ``score(predicted, truth)`` of one image; both are float ``(1, 3, H, W)``.

    Args:
        composite: Replace the predicted pixels outside ``mask`` by the true ones, which the model
            was shown. The name of the score then ends in '_composite'. By default all predicted
            pixels count.
        options: ``collect_device`` and ``prefix``, as in MMEngine.
    """

    def __init__(self, composite: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.composite = composite

    def process(self, data_batch: dict, data_samples: list[dict]) -> None:
        for sample in data_samples:
            predicted, truth = sample['pred_image'], sample['gt_image']
            if self.composite:
                predicted = torch.where(sample['mask'], predicted, truth)
            score = self.score(predicted[None].float(), truth[None].float())
            self.results.append(score.item())

    def compute_metrics(self, results: list[float]) -> dict[str, float]:
        name = type(self).__name__ + '_composite' * self.composite
        return {name: sum(results) / len(results)}


@METRICS.register_module()
class PSNR(ReconstructionMetric):
    """Peak signal-to-noise ratio in dB, for a peak of 255. See :class:`ReconstructionMetric`.

    An exact image gets 58.92 dB, so that the mean stays finite.
    """

    @staticmethod
    def score(predicted: Tensor, truth: Tensor) -> Tensor:
        ratio = torchmetrics.peak_signal_noise_ratio(predicted, truth, data_range=255.0)
        # 58.92 dB: the only error is rounding to 8 bits, a squared error of 1/12.
        return ratio.clamp(max=58.92)


@METRICS.register_module()
class SSIM(ReconstructionMetric):
    """Structural similarity (Wang et al. 2004). See :class:`ReconstructionMetric`.

    Gaussian windows with sigma 1.5, constants K1 = 0.01 and K2 = 0.03, data range 255. The mean is
    over the channels and the 11x11 windows that lie inside the image, as in the original.
    """

    @staticmethod
    def score(predicted: Tensor, truth: Tensor) -> Tensor:
        size = tuple(truth.shape[-2:])
        if min(size) < 11:
            raise ValueError(f'SSIM needs images of at least 11x11 pixels, got {size}')
        # Average without the border: torchmetrics' own mean includes it in some versions.
        _, similarity = torchmetrics.structural_similarity_index_measure(
            predicted, truth, data_range=255.0, return_full_image=True
        )
        return similarity[..., 5:-5, 5:-5].mean()
