"""How close reconstructed images are to the truth."""

import torch
from mmengine.evaluator import BaseMetric
from torchmetrics.functional import image as torchmetrics

from ..registry import METRICS

PEAK = 255.0
# An image that is off by nothing but rounding to 8 bits, a squared error of 1/12.
HIGHEST_PSNR = 58.92
WINDOW = 11


class ReconstructionMetric(BaseMetric):
    """Mean over all images of a score of ``pred_image`` and ``gt_image``, uint8 ``(3, H, W)``.

    Args:
        composite (bool): Take the pixels that the model was shown, those outside ``mask``, from
            the truth. By default the reconstruction is scored as predicted, shown pixels
            included. The name of a score of composites ends in '_composite'.
        collect_device (str): 'cpu' or 'gpu', as in MMEngine.
        prefix (str, optional): Prefix of the name.
    """

    def __init__(self, composite=False, collect_device='cpu', prefix=None):
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.composite = composite

    def process(self, data_batch, data_samples):
        for sample in data_samples:
            predicted, truth = sample['pred_image'], sample['gt_image']
            if self.composite:
                predicted = torch.where(sample['mask'], predicted, truth)
            score = self.score(predicted[None].float(), truth[None].float())
            self.results.append(score.item())

    def compute_metrics(self, results):
        name = type(self).__name__ + '_composite' * self.composite
        return {name: sum(results) / len(results)}


@METRICS.register_module()
class PSNR(ReconstructionMetric):
    """Peak signal-to-noise ratio in dB, for a peak of 255. See :class:`ReconstructionMetric`.

    An exact image has 58.92 dB, so that it does not make the mean infinite.
    """

    @staticmethod
    def score(predicted, truth):
        return torchmetrics.peak_signal_noise_ratio(predicted, truth, data_range=PEAK).clamp(
            max=HIGHEST_PSNR
        )


@METRICS.register_module()
class SSIM(ReconstructionMetric):
    """Structural similarity (Wang et al. 2004). See :class:`ReconstructionMetric`.

    Gaussian windows of sigma 1.5, K1 = 0.01, K2 = 0.03, data range 255; mean over channels and
    over the 11x11 windows that lie inside the image, as its authors have it.
    """

    @staticmethod
    def score(predicted, truth):
        if min(truth.shape[-2:]) < WINDOW:
            raise ValueError(
                f'SSIM needs images of at least {WINDOW}x{WINDOW} pixels, got '
                f'{tuple(truth.shape[-2:])}'
            )
        # Versions of torchmetrics differ in whether their mean takes in the padded border.
        _, similarity = torchmetrics.structural_similarity_index_measure(
            predicted, truth, data_range=PEAK, return_full_image=True
        )
        inside = slice(WINDOW // 2, -(WINDOW // 2))
        return similarity[..., inside, inside].mean()
