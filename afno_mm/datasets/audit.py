"""Look at every image and label file before the first training step.

:func:`audit` decodes all files in threads and judges them by :class:`Rules`. It remembers what
it saw in one JSON file per dataset root, ``$XDG_CACHE_HOME/afno_mm/audit/<root>.json``
(``~/.cache/afno_mm/audit``), under the path, size and time of each file. The next start decodes
new and changed files only. If this folder cannot be written, every start decodes all files.
"""

import hashlib
import io
import json
import os
import os.path as osp
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine import dist, fileio
from mmengine.logging import print_log
from PIL import Image

from .rules import LABEL_MODES, Fault, Outcome, Rules

FORMAT = 1  # Raise it if look() returns other facts.
EXIF_ORIENTATION = 0x0112
PNG_END = b'IEND\xaeB`\x82'


class Memory:
    """What :func:`look` saw in the files of a dataset root, kept from start to start."""

    def __init__(self, root: str) -> None:
        self.facts: dict[str, list] = {}
        self.is_new = False
        root = osp.abspath(root)
        name = f'{osp.basename(root)}-{hashlib.sha256(root.encode()).hexdigest()[:12]}'
        cache = os.environ.get('XDG_CACHE_HOME') or osp.expanduser('~/.cache')
        self.stem = f'{cache}/afno_mm/audit/{name}'
        try:
            kept = json.loads(Path(f'{self.stem}.json').read_bytes())
            if kept['format'] == FORMAT:
                self.facts = dict(kept['facts'])
        except (OSError, ValueError, KeyError, TypeError):
            pass  # There is no file yet, or it is damaged.

    def save(self) -> None:
        if self.is_new:
            self.write('.json', json.dumps(dict(format=FORMAT, facts=self.facts)))

    def write(self, suffix: str, text: str) -> str | None:
        """Write a whole file, or none. Return its path, or None if the folder is read-only."""
        path = self.stem + suffix
        if not osp.isabs(path):  # There is no home folder.
            return None
        try:
            os.makedirs(osp.dirname(path), exist_ok=True)
            with tempfile.TemporaryDirectory(dir=osp.dirname(path)) as folder:
                new = Path(folder, 'new')
                new.write_text(text)
                os.replace(new, path)
        except OSError:
            return None
        return path


def look(path: str, is_label: bool, backend_args: dict | None = None) -> dict[str, Any]:
    """Decode a file. Return its fault (kind and text), or the facts that ``Rules`` judges.

    Every picture has its ``size`` [W, H]. Labels also have their ``mode`` and ``values``. Images
    may have ``turned``, their size when turned by EXIF, and ``max``, their maximum if they have
    16 bits.
    """
    data = fileio.get(path, backend_args=backend_args)
    if not data:
        return dict(fault='empty', text=path)
    try:
        picture = Image.open(io.BytesIO(data))
        if picture.format == 'PNG':  # OpenCV checks these too, Pillow's load() does not.
            picture.verify()
            if PNG_END not in data:
                raise ValueError('its end is missing')
            picture = Image.open(io.BytesIO(data))
        picture.load()
        facts: dict[str, Any] = dict(size=list(picture.size))
        if is_label:
            facts |= dict(mode=picture.mode, values=[])
            if picture.mode in ('L', 'P'):
                facts['values'] = np.flatnonzero(picture.histogram()).tolist()
            elif picture.mode in LABEL_MODES:
                values = np.unique(np.asarray(picture)).astype(int)
                facts['values'] = values[:300].tolist()  # No label has more class ids.
        else:
            if picture.getexif().get(EXIF_ORIENTATION) in range(2, 9):
                facts['turned'] = list(_opencv(data, cv2.IMREAD_COLOR).shape[1::-1])
            if picture.mode[0] == 'I' or (picture.format == 'PNG' and data[24] == 16):
                facts['max'] = int(_opencv(data, cv2.IMREAD_UNCHANGED).max())
    except MemoryError:
        raise
    except Exception as error:  # Pillow raises many kinds.
        return dict(fault='damaged', text=f'{path} is not a whole picture: {error}')
    return facts


def _opencv(data: bytes, flag: int) -> np.ndarray:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flag)
    if pixels is None:
        raise ValueError('OpenCV cannot decode it')
    return pixels


def audit(
    pairs: Sequence[tuple[str, str | None]],
    rules: Rules,
    memory: Memory,
    name: str = '',
    deep: bool = True,
    backend_args: dict | None = None,
) -> Iterator[Outcome | None]:
    """Look at all files and judge them.

    Args:
        pairs: Path of the image and of its label (or None), for every sample.
        rules: How the pipeline reads them.
        memory: What was seen at earlier starts. Only local files are remembered.
        name: Name of the dataset, for the progress.
        deep: False: only check that the files exist.
        backend_args: Arguments of MMEngine's file backend.

    Yields:
        None every few seconds, then the outcome.
    """
    files = [
        (index, bool(k), path)
        for index, pair in enumerate(pairs)
        for k, path in enumerate(pair)
        if path
    ]

    def see(file: tuple[int, bool, str]) -> tuple[int, bool, dict]:
        return *file[:2], _facts(file[2], file[1], memory, deep, backend_args)

    seen: list[list] = [[None, None] for _ in pairs]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
    start = shown = time.monotonic()
    try:
        with ThreadPool(min(8, cores or 1)) as pool:
            looks = pool.imap_unordered(see, files, chunksize=16)
            for done, (index, is_label, facts) in enumerate(looks, 1):
                seen[index][is_label] = facts
                now = time.monotonic()
                if now - shown > (2 if shown == start else 10):
                    shown, left = now, (now - start) / done * (len(files) - done)
                    text = f'{name}: {done} of {len(files)} files looked at, {left:.0f} s left'
                    print_log(text, logger='current')
                    yield None
    finally:
        memory.save()
    yield rules.judge(pairs, seen)


def _facts(path: str, is_label: bool, memory: Memory, deep: bool, args: dict | None) -> dict:
    """What is remembered of a file, or else what a look at it shows."""
    key, state = f'{"label" if is_label else "image"} {path}', None
    backend = fileio.get_file_backend(path, backend_args=args, enable_singleton=True)
    try:
        if isinstance(backend, fileio.LocalBackend):
            stat = os.stat(path)
            state = [stat.st_size, stat.st_mtime_ns]
        elif not backend.exists(path):
            raise FileNotFoundError
        if not deep:
            return {}
        known = memory.facts.get(key)
        if known is None or known[:2] != state:
            known = [*(state or []), look(path, is_label, args)]
            if state:
                memory.facts[key] = known
                memory.is_new = True
        return known[-1]
    except FileNotFoundError:
        if osp.islink(path):
            return dict(fault='broken link', text=f'{path} -> {os.readlink(path)}')
        return dict(fault='no label' if is_label else 'no image', text=path)
    except OSError as error:  # Not remembered: access rights change without a new time.
        return dict(fault='unreadable', text=f'{path}: {error.strerror or error}')


def on_one_process(work: Iterator[Outcome | None]) -> Outcome:
    """Do the work in one process per machine. The others wait for its outcome.

    Every process of the group must call this. The processes meet every few seconds, because
    NCCL ends a collective after ten minutes. Without a group nothing of this happens.
    """
    works = int(os.environ.get('LOCAL_RANK', dist.get_rank())) == 0 or dist.get_world_size() == 1
    outcome: Any = None
    while True:
        if works and outcome is None:
            try:
                outcome = next(work)
            except Exception as error:
                outcome = error
        reports = dist.all_gather_object((socket.gethostname(), works, outcome))
        if all(report is not None for _, worked, report in reports if worked):
            break
    here = [r for host, worked, r in reports if worked and host == socket.gethostname()]
    outcome = here[0] if here else next(r for _, worked, r in reports if worked)
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def broken_links(folder: str, suffixes: Sequence[str]) -> list[Fault]:
    """Links to images that lead nowhere. MMEngine leaves them out when it lists a folder."""
    ends = tuple(suffix.lower() for suffix in suffixes)
    links = (e for e in _entries(folder) if e.is_symlink() and e.name.lower().endswith(ends))
    broken = sorted(link.path for link in links if not osp.exists(link.path))
    return [Fault('broken link', f'{path} -> {os.readlink(path)}') for path in broken]


def count_suffixes(folder: str) -> Counter:
    """Number of files by suffix below a local folder."""
    local = osp.isdir(folder)
    return Counter(osp.splitext(e.name)[1] for e in _entries(folder)) if local else Counter()


def inventory(folder: str) -> str:
    """A sentence that says which files a local folder has."""
    found = [f'{n} *{suffix}' for suffix, n in count_suffixes(folder).most_common(5)]
    return f'{folder} has {", ".join(found) or "no file"}.'


def _entries(folder: str) -> Iterator[os.DirEntry]:
    """Files and broken links below a folder, as MMEngine lists them."""
    for entry in os.scandir(folder):
        if entry.is_dir():
            yield from _entries(entry.path)
        elif not entry.name.startswith('.'):
            yield entry
