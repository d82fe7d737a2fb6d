"""Read files of weights: .safetensors, shards with an index, folders, and PyTorch's own format."""

import json
import os
import pickle
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmengine.runner.checkpoint import CheckpointLoader

# Files to look for in a folder of Hugging Face or timm, in this order.
FORMATS = ('model.safetensors', 'pytorch_model.bin')
NAMES = [f'{name}{end}' for name in FORMATS for end in ('', '.index.json')]


def read_weights(path: str | Path, map_location: Any = 'cpu') -> Any:
    """Read a file, folder or index of shards without executing code in it, or load a URL.

    Raises:
        FileNotFoundError: If there is no such file, or a shard is missing.
        ValueError: If a file is damaged, or holds more than tensors, numbers and text.
    """
    if '://' in str(path):
        return _read_pickled(path, map_location)
    file = weight_file(path)
    if file.name.endswith('.index.json'):
        return _read_shards(file, map_location)
    if file.suffix == '.safetensors':
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(file, str(map_location or 'cpu'))
        except SafetensorError as error:
            raise ValueError(f'{file} is damaged: {error}. Download it again') from error
    return _read_pickled(file, map_location)


def weight_file(path: str | Path) -> Path:
    """Return the weight file of a path, which may be a folder saved by Hugging Face or timm.

    Raises:
        FileNotFoundError: If a folder has no file of a known name, and not exactly one file of a
            suffix.
    """
    path = Path(path).expanduser()
    if not path.is_dir():
        return path
    for name in NAMES:
        if (path / name).is_file():
            return path / name
    for suffix in ('safetensors', 'bin', 'pth'):
        files = list(path.glob(f'*.{suffix}'))
        if len(files) == 1:
            return files[0]
    found = ', '.join(sorted(file.name for file in path.iterdir())[:10]) or 'nothing'
    raise FileNotFoundError(
        f'the folder {path} has no file of weights, or several: it wants one of '
        f'{", ".join(NAMES)}, and has {found}. Give the path of the file itself'
    )


def _read_pickled(file, map_location):
    try:
        with _only_data():
            return CheckpointLoader.load_checkpoint(str(file), map_location=map_location)
    except (pickle.UnpicklingError, EOFError, RuntimeError) as error:
        if '://' not in str(file) and not _is_pickled(file):
            raise ValueError(
                f'{file} is damaged, or no file of weights: it has {file.stat().st_size} bytes '
                f'and starts with {_start(file)!r}. Download it again (a page of HTML: use the '
                'link to the file itself; "version https://git-lfs": git lfs pull)'
            ) from error
        if not isinstance(error, pickle.UnpicklingError):
            raise
        raise ValueError(
            f'{file} holds more than tensors, numbers and text, and loading such objects can run '
            f'code. Convert it where you trust it: load it with torch.load(..., '
            "weights_only=False) and save its 'state_dict' alone"
        ) from error


def _is_pickled(file):
    """Return whether a file is a whole zip archive, as torch.save writes, or starts as a pickle."""
    return zipfile.is_zipfile(file) or _start(file)[:1] == b'\x80'


def _start(file):
    with open(file, 'rb') as opened:
        return opened.read(20)


def _read_shards(index, map_location):
    places = json.loads(index.read_text())['weight_map']
    shards = sorted(set(places.values()))
    absent = [name for name in shards if not (index.parent / name).is_file()]
    if absent:
        raise FileNotFoundError(
            f'{index} lists {len(shards)} files, and {len(absent)} are missing: {absent[:3]}'
        )
    state = {}
    for name in shards:
        state |= read_weights(index.parent / name, map_location)
    if lacking := sorted(set(places) - set(state)):
        raise ValueError(f'{index} lists {len(lacking)} tensors that no file has: {lacking[:3]}')
    return state


@contextmanager
def _only_data() -> Iterator[None]:
    """Forbid pickled code. Otherwise MMEngine's loader unpickles a file if the safe load fails."""
    # PyTorch refuses to have both. Users of old versions of MMEngine set the second one.
    names = ('TORCH_FORCE_WEIGHTS_ONLY_LOAD', 'TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD')
    before = {name: os.environ.pop(name, None) for name in names}
    os.environ[names[0]] = '1'
    try:
        yield
    finally:
        del os.environ[names[0]]
        os.environ.update({name: value for name, value in before.items() if value is not None})
