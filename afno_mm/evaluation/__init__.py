"""Metrics."""

from .cityscapes import CityscapesMetric
from .reconstruction import PSNR, SSIM

__all__ = ['PSNR', 'SSIM', 'CityscapesMetric']
