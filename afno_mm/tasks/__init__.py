"""Tasks that OpenMMLab does not have."""

from .inpainting import InpaintingDataPreprocessor, InpaintingHead, InpaintingModel

__all__ = ['InpaintingDataPreprocessor', 'InpaintingHead', 'InpaintingModel']
