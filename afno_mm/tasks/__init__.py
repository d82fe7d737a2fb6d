"""Tasks: all that differs between segmentation, classification and inpainting, one file each."""

from .base import Task, task_of
from .classification import Classification
from .inpainting import Inpainting
from .segmentation import Segmentation

__all__ = ['Classification', 'Inpainting', 'Segmentation', 'Task', 'task_of']
