"""Write generated files atomically, and keep a note of their settings in their folder."""

import json
import multiprocessing
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
from mmengine.utils import ProgressBar


def claim(
    root: Path,
    note: str,
    wanted: dict,
    counts: dict[str, int],
    real: str,
    folders: Sequence[str],
    tool: str,
) -> None:
    """Check that a folder has no files of other settings and no real dataset. Write the note.

    Args:
        root: The folder.
        note: Name of the note, a JSON file with the settings and the counts.
        wanted: The settings that every file depends on.
        counts: How many files there will be. If the note has larger numbers, they stay.
        real: Name of the real dataset with the same layout.
        folders: Folders that the real dataset has.
        tool: The script in data/, for a command in the message.

    Raises:
        FileExistsError: If the folder has files of other settings, or may be the real dataset.
    """
    path = root / note
    if path.is_file():
        found = json.loads(path.read_text())
        if any(found.get(key) != value for key, value in wanted.items()):
            raise FileExistsError(
                f'{root} has files of other settings: found '
                f'{ ({key: found.get(key) for key in wanted}) }; wanted {wanted}. Use the '
                f'settings found, choose another folder, or remove this one (rm -r {root})'
            )
        counts = {key: max(count, found[key]) for key, count in counts.items()}
    else:
        there = [name for name in folders if (root / name).exists()]
        if there:
            script = os.path.relpath(Path(__file__).parents[1] / tool)
            raise FileExistsError(
                f'{root} may be the real {real}: found {there} but no {note}; wanted an '
                'empty folder, or one that this generator filled. Choose another, for example '
                f'python {script} {root}_generated'
            )
    root.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**wanted, **counts}, indent=2) + '\n'
    if not path.is_file() or path.read_text() != text:
        write_whole(path, lambda to: Path(to).write_text(text))


def make_all(make: Callable, todo: Sequence, workers: int) -> None:
    """Call ``make`` on every item, in ``workers`` processes, with a progress bar."""
    if not todo:
        return
    workers = min(workers, len(todo))
    bar = ProgressBar(len(todo))
    if workers == 1:
        for item in todo:
            make(item)
            bar.update()
        return
    # Spawn the processes: a forked OpenCV waits for threads that the fork does not have.
    context = multiprocessing.get_context('spawn')
    with context.Pool(workers, cv2.setNumThreads, (1,)) as pool:
        for _ in pool.imap_unordered(make, todo):
            bar.update()


def write_whole(path: str | Path, write: Callable[[str], object]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, then rename it to ``path``.

    An interrupted run leaves no partial file under the final name. The temporary file is hidden, so
    datasets skip it if a killed run has left it.
    """
    path = Path(path)
    part = path.with_name(f'.{path.stem}.{os.getpid()}.part{path.suffix}')
    try:
        write(str(part))
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
