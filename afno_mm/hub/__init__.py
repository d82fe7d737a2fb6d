"""Publish trained models as files that hold all a prediction needs, and load them in one line."""

from .load import from_pretrained
from .publish import publish

__all__ = ['from_pretrained', 'publish']
