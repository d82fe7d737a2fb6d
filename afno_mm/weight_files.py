"""Read files of weights and checkpoints, and execute nothing in them.

MMEngine 0.10 fully unpickles a file if the safe load fails, and each file that it downloads.
"""

import hashlib
import json
import os
import pickle
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from mmengine.dist import barrier, is_main_process
from mmengine.fileio import get_file_backend
from mmengine.logging import HistoryBuffer
from mmengine.runner import checkpoint as mmengine_checkpoint
from mmengine.runner.checkpoint import CheckpointLoader
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torch.hub import get_dir

# Files to look for in a folder of Hugging Face or timm, in this order.
FORMATS = ('model.safetensors', 'pytorch_model.bin')
NAMES = [f'{name}{end}' for name in FORMATS for end in ('', '.index.json')]


class CheckpointError(RuntimeError):
    """A file is damaged, holds more than data, or does not fit its model."""


def read_weights(path: str | Path, map_location: Any = 'cpu') -> Any:
    """Read a file, a folder, an index of shards or a URL of any scheme that MMEngine knows.

    Raises:
        FileNotFoundError: If there is no such file, or a shard is missing.
        CheckpointError: If a file is damaged, or holds more than tensors, numbers and text.
    """
    if '://' not in str(path):
        return load_from_file(path, map_location)
    make_mmengine_safe()
    return CheckpointLoader.load_checkpoint(str(path), map_location)


def make_mmengine_safe() -> None:
    """Make MMEngine read all checkpoints through this module, in the whole process."""
    register = CheckpointLoader.register_scheme
    register('', load_from_file, force=True)
    register(('http://', 'https://'), load_from_url, force=True)
    register([r'(\S+\:)?s3://', r'(\S+\:)?petrel://'], load_from_store, force=True)
    # The loaders of the other schemes call these two functions.
    mmengine_checkpoint.load_from_http = load_from_url
    mmengine_checkpoint._safe_torch_load = load_from_file


def load_from_file(filename: str | Path, map_location: Any = None) -> Any:
    """Read a local file or folder, see :func:`read_weights`."""
    path = weight_file(filename)
    if not path.is_file():
        raise FileNotFoundError(f'there is no checkpoint {filename}')
    if path.name.endswith('.index.json'):
        return _read_shards(path, map_location)
    wrong: str | Exception | None
    try:
        if path.suffix == '.safetensors':
            return load_file(path, str(map_location or 'cpu'))
        wrong = damage(path)
        if wrong is None:
            with torch.serialization.safe_globals(safe_globals()):
                return _plain(torch.load(path, map_location, weights_only=True))
    except (SafetensorError, RuntimeError, EOFError) as error:
        if 'TorchScript' in str(error):
            raise CheckpointError(
                f'{path} is a TorchScript program: save its state_dict()'
            ) from error
        wrong = error
    except (pickle.UnpicklingError, AttributeError, TypeError) as error:
        # PyTorch names the object after advice of its own.
        reason = str(error).partition('WeightsUnpickler error: ')[2] or str(error)
        reason = reason.partition('\n')[0].partition('. ')[0]
        raise CheckpointError(
            f'{path} holds more than tensors, numbers and text, and loading such objects can run '
            f'code: {reason}. Convert it where you trust it: load it with torch.load(..., '
            "weights_only=False) and save its 'state_dict' alone"
        ) from error
    raise CheckpointError(
        f'{path} is damaged: {wrong}. Copy or download it again, or use another one; --resume '
        'without a path finds the newest whole one'
    ) from (wrong if isinstance(wrong, Exception) else None)


def load_from_url(
    url: str, map_location: Any = None, model_dir: str | None = None, progress: bool = False
) -> Any:
    """Download a file into PyTorch's cache and read it by :func:`load_from_file`."""
    folder = Path(model_dir or Path(get_dir(), 'checkpoints'))
    name = os.path.basename(url.partition('?')[0])
    if name in NAMES:  # The repositories of Hugging Face all have files of these names.
        name = f'{hashlib.sha256(url.encode()).hexdigest()[:8]}-{name}'
    path = folder / name
    folder.mkdir(parents=True, exist_ok=True)
    if is_main_process() and not path.is_file():
        torch.hub.download_url_to_file(url, str(path), progress=progress)
    barrier()
    if not path.is_file():  # another machine, with a cache of its own
        torch.hub.download_url_to_file(url, str(path), progress=False)
    try:
        return load_from_file(path, map_location)
    except CheckpointError as error:
        raise CheckpointError(
            f'{url} was downloaded to {path}. {error}. To download it again, remove this file'
        ) from error


def load_from_store(url: str, map_location: Any = None, backend: str = 'petrel') -> Any:
    """Read a file of an object store, through a copy in a temporary folder."""
    content = get_file_backend(url, backend_args=dict(backend=backend)).get(url)
    with TemporaryDirectory() as folder:
        copy = Path(folder, os.path.basename(url))
        copy.write_bytes(content)
        return load_from_file(copy, map_location)


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


def damage(path: str | Path) -> str | None:
    """Return what is wrong with a file of ``torch.save``, or None if it is undamaged.

    ``torch.save`` writes a zip archive with a CRC-32 of each record. This reads and checks all
    records. Files in PyTorch's older format have no checksums: only their first byte is checked.
    """
    path = Path(path)
    if not path.stat().st_size:
        return 'it is empty'
    try:
        with zipfile.ZipFile(path) as archive:
            record = archive.testzip()
        if record:
            return f'the checksum of its record {record} is wrong'
        # PyTorch refuses some zip headers that Python accepts. With mmap this reads no tensor.
        torch.load(path, 'cpu', weights_only=True, mmap=True)
    except (pickle.UnpicklingError, AttributeError, TypeError):
        pass  # The file is whole. load_from_file() refuses its content.
    except RuntimeError as error:
        if 'TorchScript' in str(error):
            return None  # load_from_file() refuses it with PyTorch's own words
        return f'it cannot be read ({str(error).partition(". ")[0]})'
    except (zipfile.BadZipFile, NotImplementedError, OSError, EOFError, ValueError) as error:
        with path.open('rb') as file:
            start = file.read(20)
        # Accept PyTorch's format before version 1.6: a pickle, which begins with 0x80.
        if start[:1] == b'\x80' and not isinstance(error, OSError):
            return None
        kinds = ' (HTML: use the link to the file itself; "version https://git-lfs": git lfs pull)'
        return (
            f'it is cut short or overwritten ({error}): it has {path.stat().st_size} bytes and '
            f'starts with {start!r}{"" if start.startswith(b"PK") else kinds}'
        )
    return None


def tensors_of(checkpoint: dict[str, Any]) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint by key, without the prefix of data-parallel training.

    Raises:
        ValueError: If it is no dict.
    """
    for key in ('state_dict', 'model', 'model_state_dict'):
        if isinstance(checkpoint, dict) and isinstance(checkpoint.get(key), dict):
            checkpoint = checkpoint[key]
    if not isinstance(checkpoint, dict):
        raise ValueError(f'a checkpoint is a dict of tensors, got {type(checkpoint).__name__}')
    return {k.removeprefix('module.'): v for k, v in checkpoint.items() if torch.is_tensor(v)}


def safe_globals() -> list[Any]:
    """Return the types that a checkpoint may hold besides PyTorch's own safe list."""
    core = np._core if hasattr(np, '_core') else np.core
    types = {type(np.dtype(kind)) for kind in '?bBhHiIlLqQefdFDgGSU'}
    named: list[Any] = [
        (getattr(core.multiarray, name), f'numpy.{package}.multiarray.{name}')
        for package in ('core', '_core')
        for name in ('_reconstruct', 'scalar')
    ]
    # A pickle of HistoryBuffer calls getattr. Replace it by a function that allows four methods.
    named += [(_method_of_history, f'{module}.getattr') for module in ('builtins', '__builtin__')]
    return [*named, np.ndarray, np.dtype, *types, HistoryBuffer, slice]


def _method_of_history(owner, name):
    if owner is not HistoryBuffer or name not in ('min', 'max', 'current', 'mean'):
        raise pickle.UnpicklingError(f'getattr({owner!r}, {name!r}) is not allowed')
    return getattr(HistoryBuffer, name)


def _plain(checkpoint):
    """Remove what MMEngine would execute, and make new histories of logged values."""
    if not isinstance(checkpoint, dict):
        return checkpoint
    # Remove the config's text, because MMEngine would execute it when it resumes.
    if isinstance(checkpoint.get('meta'), dict):
        checkpoint['meta'].pop('config', None)
    scalars = (checkpoint.get('message_hub') or {}).get('log_scalars') or {}
    for name, history in scalars.items():
        if isinstance(history, dict):  # as plain_history() of checkpoint_files.py writes it
            values, counts, length = history['values'], history['counts'], history['max_length']
            scalars[name] = HistoryBuffer(values.cpu().numpy(), counts.cpu().numpy(), length)
        elif isinstance(history, HistoryBuffer):
            # Make a new one, because the old one has a table of methods from the file.
            values, counts = (np.array(part, np.float64) for part in history.data)
            scalars[name] = HistoryBuffer(values, counts, int(history.max_length))
    return checkpoint


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
        state |= load_from_file(index.parent / name, map_location)
    if lacking := sorted(set(places) - set(state)):
        raise CheckpointError(
            f'{index} lists {len(lacking)} tensors that no file has: {lacking[:3]}'
        )
    return state
