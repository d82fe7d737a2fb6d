"""MMEngine's backend for MLflow, for every config."""

import re
from typing import Any

from mmengine.visualization import MLflowVisBackend as Upstream

from ..registry import VISBACKENDS


@VISBACKENDS.register_module()
class MLflowVisBackend(Upstream):
    """MMEngine's class, with its arguments.

    It also logs configs that MMEngine 0.10 fails on: with keys that are no strings, as in
    ``label_map={255: 1}``, with None in a list, as in ``mixer=[dict(type='AFNO'), None]``, or with
    characters that MLflow refuses in names.
    """

    def _flatten(self, d: Any, parent_key: str = '', sep: str = '.') -> dict[str, Any]:
        """Return the values of nested dicts and lists of dicts by their paths."""
        items = dict(enumerate(d)) if isinstance(d, (list, tuple)) else d
        found: dict[str, Any] = {}
        for key, value in items.items():
            path = re.sub(r'[^\w./: -]', '_', f'{parent_key}{sep if parent_key else ""}{key}')
            is_list = isinstance(value, (list, tuple)) and any(isinstance(v, dict) for v in value)
            if value and (is_list or isinstance(value, dict)):
                found |= self._flatten(value, path, sep)
            else:
                found[path] = value
        return found
