"""Find trained models in work dirs, load them, and change settings of their mixers."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from afno_mm.engine import read_config
from afno_mm.hub import from_pretrained
from afno_mm.names import config_file
from torch import nn

SETTINGS = ('sparsity_threshold', 'mode_fraction')


@dataclass(frozen=True)
class Source:
    """Where a model is. Without a ``checkpoint``, ``path`` is a work dir or a published file."""

    name: str
    path: str
    checkpoint: str | None = None

    def load(self, device: str = 'cpu', options: dict | None = None) -> Any:
        """Load the model, see ``afno_mm.from_pretrained``.

        With a ``checkpoint``, ``path`` is the file or name of a config, and ``options`` are those
        of ``--cfg-options``.
        """
        if self.checkpoint is None:
            return from_pretrained(self.path, device)
        cfg = read_config(config_file(self.path), options)
        return from_pretrained(cfg, device, self.checkpoint)


def find_models(places: Sequence[str], depth: int = 2) -> list[Source]:
    """Return the models that a command line names.

    A place is a work dir, a folder with work dirs in it, a published file, or a config followed by
    its checkpoint.

    Raises:
        FileNotFoundError: If a place does not exist, or has no checkpoint.
        ValueError: If no checkpoint follows a config.
    """
    found: list[Source] = []
    rest = list(places)
    while rest:
        place = rest.pop(0)
        if place.endswith('.py'):
            if not rest or not rest[0].endswith(('.pth', '.safetensors')):
                raise ValueError(f'{place} needs its checkpoint after it: CONFIG.py CHECKPOINT.pth')
            found.append(Source(Path(place).stem, place, rest.pop(0)))
        elif Path(place).is_file():
            found.append(Source(Path(place).stem, place))
        elif Path(place).is_dir():
            folders = list(_work_dirs(Path(place), depth))
            if not folders:
                raise FileNotFoundError(
                    f'{place} has no checkpoints (*.pth, *.safetensors) in it or {depth} folders '
                    'below: train a model first, or name another folder'
                )
            found += [Source(folder.name, str(folder)) for folder in folders]
        else:
            raise FileNotFoundError(f'there is no work dir and no file {place}')
    names = unique_names(found)
    return [Source(name, s.path, s.checkpoint) for name, s in zip(names, found)]


def unique_names(sources: Sequence[Source]) -> list[str]:
    """Return a unique name per model: equal names get their folders in front, or a number."""
    names = [source.name for source in sources]
    for folders in (1, 2):
        same = {name for name in names if names.count(name) > 1}
        for i, source in enumerate(sources):
            if names[i] in same:
                parents = Path(source.checkpoint or source.path).resolve().parent.parts
                names[i] = '/'.join([*parents[-folders:], source.name])
    return [
        name if names.count(name) == 1 else f'{name} ({1 + names[:i].count(name)})'
        for i, name in enumerate(names)
    ]


def _work_dirs(folder: Path, depth: int) -> Iterator[Path]:
    if any(folder.glob('*.pth')) or any(folder.glob('*.safetensors')):
        yield folder
    elif depth:
        for below in sorted(path for path in folder.iterdir() if path.is_dir()):
            yield from _work_dirs(below, depth - 1)


def settings_of(model: nn.Module) -> dict[str, float]:
    """Return the value of each of ``SETTINGS`` in the first mixer that has it."""
    found: dict[str, float] = {}
    for module in model.modules():
        for name in SETTINGS:
            if isinstance(getattr(module, name, None), (int, float)):
                found.setdefault(name, float(getattr(module, name)))
    return found


@contextmanager
def changed_settings(model: nn.Module, settings: dict[str, float]) -> Iterator[int]:
    """Change settings of all mixers of a model that have them, and restore them at the end.

    Yield the number of mixers that changed.

    Raises:
        ValueError: If a value is not allowed.
    """
    for name, value in settings.items():
        if name == 'mode_fraction' and not 0 < value <= 1:
            raise ValueError(f'mode_fraction must be in (0, 1], got {value}')
        if name == 'sparsity_threshold' and value < 0:
            raise ValueError(f'sparsity_threshold must be at least 0, got {value}')
    before = [
        (module, name, getattr(module, name))
        for module in model.modules()
        for name in settings
        if isinstance(getattr(module, name, None), (int, float))
    ]
    try:
        for module, name, _ in before:
            setattr(module, name, float(settings[name]))
        yield len({module for module, _, _ in before})
    finally:
        for module, name, value in before:
            setattr(module, name, value)
