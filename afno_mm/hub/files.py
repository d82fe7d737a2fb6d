"""Read weight files: published files and training checkpoints."""

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import safe_open
from torch import Tensor

from ..weight_files import CheckpointError, read_weights, tensors_of, weight_file
from .config_data import from_json, parse_config

# The hash at the end of a published file's name.
HASH = re.compile(r'-([0-9a-f]{8})\.(?:pth|safetensors)$')


@dataclass
class Weights:
    """The content of a weight or config file. ``cfg`` and ``state`` are None if it has none.

    ``checkpoint`` is the whole content of a ``.pth`` file. ``is_trusted``: ``cfg`` is a program
    that the user gave, so that its types need no check.
    """

    source: str
    cfg: dict[str, Any] | None = None
    state: dict[str, Tensor] | None = None
    dataset_meta: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    checkpoint: dict[str, Any] = field(default_factory=dict)
    is_trusted: bool = False


def read_file(path: str | Path, with_config: bool = True) -> Weights:
    """Read a file, folder or URL by :func:`.read_weights`, and what it says about its model.

    Without ``with_config``, the config that MMEngine stored as text is not parsed.

    Raises:
        CheckpointError: If it is damaged, or a published file's SHA-256 differs from its name.
        ConfigDataError: If the config in a checkpoint is not plain data.
    """
    content = read_weights(path)
    found = Weights(str(path), state=tensors_of(content), checkpoint=content)
    meta = content.get('meta') or {}
    texts = meta.get('published') or {}
    file = None if '://' in str(path) else weight_file(path)
    if file and file.suffix == '.safetensors':
        with safe_open(file, 'pt') as opened:
            texts = opened.metadata() or {}
    elif not texts:
        if with_config and meta.get('cfg'):
            found.cfg = parse_config(meta['cfg'], str(path))
        found.dataset_meta = meta.get('dataset_meta') or {}
    if {'config', 'dataset_meta', 'provenance'} <= texts.keys():
        if file:
            _check_hash(file)
        found.cfg = from_json(texts['config'])
        found.dataset_meta = from_json(texts['dataset_meta'])
        found.provenance = from_json(texts['provenance'])
    return found


def _check_hash(path: Path) -> None:
    named = HASH.search(path.name)
    found = hashlib.sha256(path.read_bytes()).hexdigest()[:8] if named else None
    if named and named[1] != found:
        raise CheckpointError(
            f'{path} is damaged or was changed: its SHA-256 begins with {found}, and its name says '
            f'{named[1]}. Download it again'
        )
