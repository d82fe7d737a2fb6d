"""Write checkpoint files atomically, check them before use, and execute nothing in them.

MMEngine 0.10 writes checkpoints in place, trusts the pointer file ``last_checkpoint``, and fully
unpickles a checkpoint that fails the safe load.
"""

import logging
import os
import pickle
import re
import time
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine import fileio
from mmengine.dist import get_dist_info
from mmengine.fileio import LocalBackend
from mmengine.logging import HistoryBuffer, print_log
from mmengine.runner.checkpoint import CheckpointLoader
from torch.hub import get_dir

# MMEngine writes epoch_3.pth and iter_400.pth, this package stopped_at_iter_123.pth.
NAMES = re.compile(r'(?:epoch|iter|stopped_at_iter)_\d+\.pth')
TEMPORARY = '.writing'


class CheckpointError(RuntimeError):
    """A checkpoint file is damaged, or holds more than data."""


class AtomicLocalBackend(LocalBackend):
    """MMEngine's backend for local files, with atomic writes.

    ``put`` writes a temporary file in the same folder, flushes it to the disk and renames it. If
    that fails, for example on a full disk, the file that was there before is untouched.
    """

    def put(self, obj: bytes, filepath: str | Path) -> None:
        path = Path(filepath)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f'.{path.name}.{os.getpid()}{TEMPORARY}')
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        try:
            with os.fdopen(descriptor, 'wb') as file:
                self._write(file, obj)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except OSError as error:
            raise OSError(
                error.errno,
                f'{error.strerror}: {path} could not be written. The files that were there before '
                'are untouched. Free some space, then continue the training with --resume',
            ) from error
        finally:
            temporary.unlink(missing_ok=True)
        _flush_folder(path.parent)

    def _write(self, file, obj):
        file.write(obj)

    def put_text(self, obj: str, filepath: str | Path, encoding: str = 'utf-8') -> None:
        self.put(obj.encode(encoding), filepath)


def remove_unfinished(folder: str | Path) -> None:
    """Remove the temporary files of processes that were killed while they wrote."""
    for path in Path(folder).glob(f'.*{TEMPORARY}'):
        path.unlink(missing_ok=True)


def _flush_folder(folder):
    """Flush a folder to the disk, if the file system can: a rename then survives a power cut."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def damage(path: str | Path) -> str | None:
    """Return what is wrong with a checkpoint file, or None if it is undamaged.

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
        pass  # The file is whole. load_checkpoint_file() refuses its content.
    except RuntimeError as error:
        return f'it cannot be read ({str(error).partition(". ")[0]})'
    except (zipfile.BadZipFile, NotImplementedError, OSError, EOFError, ValueError) as error:
        with path.open('rb') as file:
            start = file.read(1)
        # Accept PyTorch's format before version 1.6: a pickle, which begins with 0x80.
        if start == b'\x80' and not isinstance(error, OSError):
            return None
        return f'it is cut short or overwritten ({error})'
    return None


def newest_checkpoint(folder: str | Path) -> Path | None:
    """Return the newest undamaged checkpoint of a work dir, or None if there is no checkpoint.

    The log names the damaged files that are newer. If all are damaged, this raises CheckpointError.
    """
    found = checkpoints(Path(folder))
    for path in found:
        wrong = damage(path)
        if wrong is None:
            return path
        print_log(f'{path} is skipped: {wrong}', 'current', logging.WARNING)
    if found:
        raise CheckpointError(
            f'none of the {len(found)} checkpoints in {folder} is whole. Choose another work dir '
            'to start a new training, or name a checkpoint: --resume CHECKPOINT'
        )
    return None


def checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoints to resume from, newest first. 'best_*' files lack the optimiser.

    ``last_checkpoint`` names one. It gives CheckpointHook's ``filename_tmpl`` and ``out_dir``.
    """
    pointer = folder / 'last_checkpoint'
    last = Path(pointer.read_text().strip() if pointer.is_file() else '')
    folders, kinds = [folder], [NAMES]
    if last.name:
        kinds.append(re.compile(re.sub(r'\d+', r'\\d+', re.escape(last.name))))
        # If the file is here too, the work dir has moved: the old place does not count.
        folders += [] if (folder / last.name).is_file() else [last.parent]
    found = [
        path
        for place in folders
        for path in place.glob('*')
        if path.is_file() and any(kind.fullmatch(path.name) for kind in kinds)
    ]
    return sorted(found, key=_saved_at, reverse=True)


def _saved_at(path):
    """Return when a checkpoint was saved, and after which iteration, to sort by.

    The file has both: a copy of a work dir can have other times of modification. They count for a
    file that cannot be read.
    """
    changed = path.stat().st_mtime
    try:
        with torch.serialization.safe_globals(_safe_globals()):
            meta = torch.load(path, 'cpu', weights_only=True, mmap=True)['meta']
        saved = time.mktime(time.strptime(meta['time'], '%Y%m%d_%H%M%S'))
        return saved, meta['iter'], changed, path.name
    except Exception:
        return changed, 0, changed, path.name


def load_checkpoint_file(filename: str | Path, map_location: Any = None) -> Any:
    """Load a local checkpoint without executing anything in it.

    Raises:
        CheckpointError: If the file is damaged, or holds objects other than tensors, numbers,
            text and containers of them.
    """
    path = Path(filename).expanduser()
    if path.is_dir() or path.suffix in ('.safetensors', '.json'):
        from ...backbones.weight_files import read_weights

        return read_weights(path, map_location)
    if not path.is_file():
        raise FileNotFoundError(f'there is no checkpoint {filename}')
    wrong = damage(path)
    if wrong:
        raise CheckpointError(
            f'the checkpoint {path} is damaged: {wrong}. Use another one; --resume without a '
            'path finds the newest whole one'
        )
    try:
        with torch.serialization.safe_globals(_safe_globals()):
            checkpoint = torch.load(path, map_location=map_location, weights_only=True)
    except RuntimeError as error:
        raise CheckpointError(f'the checkpoint {path} is damaged: {error}') from error
    except (pickle.UnpicklingError, AttributeError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(
            f'the checkpoint {path} holds more than tensors, numbers and text, and loading such '
            f'objects can run code: {reason}. Convert it where you trust it: load it with '
            "torch.load(..., weights_only=False) and save its 'state_dict' alone"
        ) from error
    if isinstance(checkpoint, dict):
        # Remove the config's text, because MMEngine would execute it when it resumes.
        if isinstance(checkpoint.get('meta'), dict):
            checkpoint['meta'].pop('config', None)
        _rebuild_history(checkpoint)
    return checkpoint


def load_checkpoint_url(
    url: str, map_location: Any = None, model_dir: str | None = None, progress: bool = False
) -> Any:
    """Download a checkpoint into PyTorch's cache and load it by :func:`load_checkpoint_file`."""
    folder = Path(model_dir or Path(get_dir(), 'checkpoints'))
    path = folder / os.path.basename(url.partition('?')[0])
    rank, world_size = get_dist_info()
    if rank == 0 and not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), progress=progress)
    if world_size > 1:
        torch.distributed.barrier()
    if not path.is_file():  # another machine, with a cache of its own
        folder.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), progress=False)
    try:
        return load_checkpoint_file(path, map_location)
    except CheckpointError as error:
        raise CheckpointError(
            f'{url} was downloaded to {path}. {error}. To download it again, remove this file'
        ) from error


def _safe_globals() -> list[Any]:
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
    return [*named, np.ndarray, np.dtype, *types, HistoryBuffer]


def _method_of_history(owner, name):
    if owner is not HistoryBuffer or name not in ('min', 'max', 'current', 'mean'):
        raise pickle.UnpicklingError(f'getattr({owner!r}, {name!r}) is not allowed')
    return getattr(HistoryBuffer, name)


def plain_history(checkpoint: dict[str, Any]) -> None:
    """Replace the history of logged values in a checkpoint by tensors, in place.

    Then ``torch.load`` reads the file with its default safe settings, and MMEngine's and
    MMSegmentation's own tools work on it. :func:`load_checkpoint_file` restores the history.
    """
    hub = checkpoint.get('message_hub', {})
    scalars, runtime = hub.get('log_scalars', {}), hub.get('runtime_info', {})
    for name, history in scalars.items():
        if isinstance(history, HistoryBuffer):
            values, counts = (torch.from_numpy(np.array(p, np.float64)) for p in history.data)
            scalars[name] = dict(values=values, counts=counts, max_length=history.max_length)
    for name, value in runtime.items():
        if isinstance(value, np.generic):
            runtime[name] = value.item()


def _rebuild_history(checkpoint):
    scalars = (checkpoint.get('message_hub') or {}).get('log_scalars') or {}
    for name, history in scalars.items():
        if isinstance(history, dict):
            values, counts, length = history['values'], history['counts'], history['max_length']
            scalars[name] = HistoryBuffer(values.cpu().numpy(), counts.cpu().numpy(), length)
        elif isinstance(history, HistoryBuffer):
            # Make a new one, because the old one has a table of methods from the file.
            values, counts = (np.array(part, np.float64) for part in history.data)
            scalars[name] = HistoryBuffer(values, counts, int(history.max_length))


def install() -> None:
    """Make MMEngine write and load checkpoints through this module, in the whole process."""
    fileio.register_backend('local', AtomicLocalBackend, force=True, prefixes='')
    CheckpointLoader.register_scheme('', load_checkpoint_file, force=True)
    CheckpointLoader.register_scheme(('http://', 'https://'), load_checkpoint_url, force=True)
