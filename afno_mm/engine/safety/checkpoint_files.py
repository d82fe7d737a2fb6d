"""Write checkpoint files atomically, and find the newest one that is undamaged.

MMEngine 0.10 writes checkpoints in place, and trusts the pointer file ``last_checkpoint``.
"""

import logging
import os
import re
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine import fileio
from mmengine.fileio import LocalBackend
from mmengine.logging import HistoryBuffer, print_log

from ...weight_files import CheckpointError, damage, make_mmengine_safe, safe_globals

# MMEngine writes epoch_3.pth and iter_400.pth, this package stopped_at_iter_123.pth.
NAMES = re.compile(r'(?:epoch|iter|stopped_at_iter)_\d+\.pth')
TEMPORARY = '.writing'


class AtomicLocalBackend(LocalBackend):
    """MMEngine's backend for local files, with atomic writes.

    ``put`` writes a temporary file in the same folder, flushes it to the disk and renames it. If
    that fails, for example on a full disk, the file that was there before is untouched.
    """

    def put(self, obj: bytes, filepath: str | Path) -> None:
        path = Path(filepath)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f'.{path.name}.{os.getpid()}{TEMPORARY}')
        try:
            with temporary.open('wb') as file:
                self._write(file, obj)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except OSError as error:
            raise OSError(
                error.errno,
                f'{error.strerror}: {path} could not be written. The files that were there before '
                'are untouched. Free some space, then repeat the command, a training with --resume',
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
        with torch.serialization.safe_globals(safe_globals()):
            meta = torch.load(path, 'cpu', weights_only=True, mmap=True)['meta']
        saved = time.mktime(time.strptime(meta['time'], '%Y%m%d_%H%M%S'))
        return saved, meta['iter'], changed, path.name
    except Exception:
        return changed, 0, changed, path.name


def plain_history(checkpoint: dict[str, Any]) -> None:
    """Replace the history of logged values in a checkpoint by tensors, in place.

    Then ``torch.load`` reads the file with its default safe settings, and MMEngine's and
    MMSegmentation's own tools work on it. ``afno_mm.weight_files`` restores the history.
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


def install() -> None:
    """Make MMEngine write checkpoints atomically and read them safely, in the whole process."""
    fileio.register_backend('local', AtomicLocalBackend, force=True, prefixes='')
    make_mmengine_safe()
