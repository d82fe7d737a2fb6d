"""Metrics."""
from .cityscapes import CityscapesMetric

__all__ = ['CityscapesMetric']
