"""Decode every image and label file before the first training step.

:func:`audit` decodes all files in threads and checks them against :class:`Rules`. It caches what it
found in one JSON file per dataset root, ``$XDG_CACHE_HOME/afno_mm/audit/<root>.json`` (by default
in ``~/.cache``), by path, size and modification time of each file. The next start decodes only new
and changed files. If the cache cannot be written, every start decodes all files.
"""

import hashlib
import json
import os
import os.path as osp
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine import dist, fileio
from mmengine.logging import print_log
from PIL import Image

from .masks import label_values, open_picture
from .rules import COLOUR_MODES, LABEL_MODES, Outcome, Rules, colour

FORMAT = 3  # Add 1 when look() returns other facts: older caches then do not count.
EXIF_ORIENTATION = 0x0112
PNG_END = b'IEND\xaeB`\x82'
COMMON = {'JPEG', 'PNG', 'BMP', 'WEBP', 'MPO'}  # OpenCV reads these if Pillow does.


class Memory:
    """The facts that :func:`look` found in the files of a dataset root, kept between starts."""

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
        """Write a file atomically. Return its path, or None if it could not be written."""
        path = self.stem + suffix
        if not osp.isabs(path):  # There is no home folder.
            return None
        try:
            os.makedirs(osp.dirname(path), exist_ok=True)
            with tempfile.TemporaryDirectory(dir=osp.dirname(path)) as folder:
                new = Path(folder, 'new')
                # Names of files need not be UTF-8: Python reads their other bytes as surrogates.
                new.write_text(text, encoding='utf-8', errors='surrogateescape')
                os.replace(new, path)
        except OSError:
            return None
        return path


def look(path: str, is_label: bool, backend_args: dict | None = None) -> dict[str, Any]:
    """Decode a file. Return its fault (kind and text), or the facts that :class:`Rules` checks.

    * Every picture: ``size`` [W, H]. With an EXIF orientation also ``turned``: the size of an image
      after OpenCV has turned it, or just the ``size`` of a label.
    * Labels: ``mode``, ``values``, ``counts`` (pixels of each value) and, in mode P, ``colours``
      (of the values in the file's palette).
    * Images: ``max`` if they have more than 8 bits, ``floats=True`` if they have floating-point
      values, ``opencv=False`` if OpenCV cannot decode them in colour, and ``never_turned=True`` if
      OpenCV ignores their EXIF orientation.
    """
    data = fileio.get(path, backend_args=backend_args)
    if not data:
        return dict(fault='empty', text=path)
    try:
        picture = open_picture(data)
        if picture.format == 'PNG':  # Check the checksums: load() does not, OpenCV does.
            picture.verify()
            if PNG_END not in data:
                raise ValueError('its end is missing')
            picture = open_picture(data)
        # Read the orientation before load(), which turns a TIFF and removes its orientation.
        oriented = picture.getexif().get(EXIF_ORIENTATION) in range(2, 9)
        picture.load()
        facts: dict[str, Any] = dict(size=list(picture.size))
        if is_label:
            facts |= _facts_of_label(picture) | (dict(turned=facts['size']) if oriented else {})
            return facts
        common, colour = picture.format in COMMON, None
        if oriented or not common:
            colour = _opencv(data, cv2.IMREAD_COLOR)
            facts |= dict(opencv=False) if colour is None else {}
        if not common or picture.mode[0] == 'I' or (picture.format == 'PNG' and data[24] == 16):
            stored = _opencv(data, cv2.IMREAD_UNCHANGED)
            if stored is not None:
                facts['size'] = list(stored.shape[1::-1])
                if stored.dtype.kind == 'f':
                    facts['floats'] = True
                elif stored.dtype != np.uint8:
                    facts['max'] = int(stored.max())
        if oriented:
            facts['turned'] = facts['size'] if colour is None else list(colour.shape[1::-1])
            facts |= {} if common else dict(never_turned=True)
    except MemoryError:
        raise
    except Exception as error:  # Pillow raises many kinds.
        return dict(fault='damaged', text=f'{path} is not a whole picture: {error}')
    return facts


def _facts_of_label(picture: Image.Image) -> dict[str, Any]:
    if picture.mode not in LABEL_MODES | COLOUR_MODES:
        return dict(mode=picture.mode, values=[], counts=[])
    if picture.mode in ('L', 'P'):
        pixels = np.array(picture.histogram()[:256])
        values = np.flatnonzero(pixels)
        counts = pixels[values]
    else:
        values, counts = np.unique(label_values(picture), return_counts=True)
    facts = dict(mode=picture.mode, values=values[:300].tolist(), counts=counts[:300].tolist())
    if picture.mode == 'P':
        palette = (picture.getpalette('RGB') or []) + [0] * 768
        facts['colours'] = [colour(*palette[3 * v : 3 * v + 3]) for v in facts['values']]
    return facts


def _opencv(data: bytes, flag: int) -> np.ndarray | None:
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), flag)
    except cv2.error:
        return None


def audit(
    pairs: Sequence[tuple[str, str | None]],
    rules: Rules,
    memory: Memory,
    name: str = '',
    deep: bool = True,
    backend_args: dict | None = None,
    seen: list[list] | None = None,
) -> Iterator[Outcome | None]:
    """Look at all files and check them. Yield None every few seconds, then the outcome.

    Args:
        pairs: Path of the image and of its label (or None), for every sample.
        memory: Facts from earlier starts. Only facts of local files are kept.
        deep: False: only check that the files exist.
        seen: An empty list. It is filled with [facts of the image, facts of the label] per pair.
    """
    both = [(i, bool(k), path) for i, pair in enumerate(pairs) for k, path in enumerate(pair)]
    files = [file for file in both if file[2]]

    def see(file):
        return *file[:2], _facts(file[2], file[1], memory, deep, backend_args)

    seen = [] if seen is None else seen
    seen += [[None, None] for _ in pairs]
    start = shown = time.monotonic()
    try:
        with ThreadPool(min(8, len(os.sched_getaffinity(0)))) as pool:
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
    """Return the facts of a file from the memory, or decode it."""
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
            # Other versions of the libraries may read what these cannot, so do not cache a fault.
            if state and known[-1].get('opencv', True) and 'fault' not in known[-1]:
                memory.facts[key] = known
                memory.is_new = True
        return known[-1]
    except FileNotFoundError:
        if osp.islink(path):
            return dict(fault='broken link', text=f'{path} -> {os.readlink(path)}')
        return dict(fault='no label' if is_label else 'no image', text=path)
    except OSError as error:  # Do not cache it: new access rights do not change the time.
        return dict(fault='unreadable', text=f'{path}: {error.strerror or error}')


def on_one_process(work: Iterator[Outcome | None]) -> Outcome:
    """Do the work in one process per machine. The others wait for its outcome.

    Every process of the group must call this. The processes exchange reports every few seconds,
    because NCCL ends a collective after ten minutes. Without a process group, only do the work.
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
        found = [(host, report) for host, worked, report in reports if worked]
        if all(report is not None for _, report in found):
            break
    outcome = dict(reversed(found)).get(socket.gethostname(), found[0][1])
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def list_files(folder: str, backend_args: dict | None = None) -> list[str]:
    """Return the sorted relative paths of all files below a folder, and of broken local links.

    Hidden files are left out. Files in hidden folders are included.
    """
    if osp.isdir(folder):
        start = len(osp.join(folder, ''))
        return sorted(entry.path[start:] for entry in _entries(folder))
    backend = fileio.get_file_backend(folder, backend_args=backend_args)
    if not backend.isdir(folder):
        return []
    return sorted(backend.list_dir_or_file(folder, list_dir=False, recursive=True))


def count_suffixes(names: Iterable[str]) -> str:
    """Return a text such as '3 *.JPG, 1 *.txt'."""
    counts = Counter(osp.splitext(name)[1] for name in names)
    return ', '.join(f'{n} *{suffix}' for suffix, n in counts.most_common(5))


def inventory(folder: str) -> str:
    """Return a sentence that says which files a local folder has."""
    names = list_files(folder) if osp.isdir(folder) else ()
    return f'{folder} has {count_suffixes(names) or "no file"}.'


def _entries(folder: str, above: tuple[str, ...] = ()) -> Iterator[os.DirEntry]:
    """Yield the files and broken links below a folder, without hidden files.

    A link to one of the folders ``above`` it is skipped: it would have no end.
    """
    above = (*above, osp.realpath(folder))
    for entry in os.scandir(folder):
        if entry.is_dir():
            if osp.realpath(entry.path) not in above:
                yield from _entries(entry.path, above)
        elif not entry.name.startswith('.'):
            yield entry
