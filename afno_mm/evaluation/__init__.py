"""Metrics, and the scores of predictors that need no training."""

from .cityscapes import CityscapesMetric
from .reconstruction import PSNR, SSIM

__all__ = ['PSNR', 'SSIM', 'CityscapesMetric']
