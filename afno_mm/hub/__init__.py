"""Publish trained models as self-contained files, and load them in one line."""

from .load import from_pretrained
from .publish import publish

__all__ = ['from_pretrained', 'publish']
