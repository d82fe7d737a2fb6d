"""Files that appear when they are whole, in folders that note what they hold."""

import json
import multiprocessing
import os
from pathlib import Path

import cv2
from mmengine.utils import ProgressBar


def claim(root, note, wanted, counts, real, folders, tool):
    """Check that a folder is empty or was made so before, and note in it what it holds.

    Args:
        root (Path): The folder.
        note (str): Name of the note in it.
        wanted (dict): What all files in it depend on.
        counts (dict[str, int]): How many files; those of the note may be more.
        real (str): Name of the real data that these files look like.
        folders (Sequence[str]): Folders that real data has.
        tool (str): Of ``tools/``, to name a command that works.

    Raises:
        FileExistsError: If it holds files that depend on something else, or real data.
    """
    note = root / note
    if note.is_file():
        found = json.loads(note.read_text())
        if any(found.get(key) != value for key, value in wanted.items()):
            raise FileExistsError(
                f'{root} was made otherwise: found { ({key: found.get(key) for key in wanted}) }; '
                f'wanted {wanted}. Ask for what is there, choose another folder, or remove this '
                f'one (rm -r {root})'
            )
        counts = {key: max(count, found[key]) for key, count in counts.items()}
    else:
        there = [name for name in folders if (root / name).exists()]
        if there:
            raise FileExistsError(
                f'{root} may be the real {real}: found {there} but no {note.name}; wanted an '
                'empty folder or one made here. Choose another, for example '
                f'python tools/{tool} {root}_generated'
            )
    root.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**wanted, **counts}, indent=2) + '\n'
    if not note.is_file() or note.read_text() != text:
        write_whole(note, lambda to: Path(to).write_text(text))


def make_all(make, todo, workers):
    """Call ``make`` on every item, in so many processes, with a progress bar."""
    if not todo:
        return
    workers = min(workers, len(todo))
    bar = ProgressBar(len(todo))
    if workers == 1:
        for item in todo:
            make(item)
            bar.update()
        return
    # Spawned, because a forked OpenCV waits for threads it does not have.
    context = multiprocessing.get_context('spawn')
    with context.Pool(workers, cv2.setNumThreads, (1,)) as pool:
        for _ in pool.imap_unordered(make, todo):
            bar.update()


def write_whole(path, write):
    """Let ``write(path)`` fill a file beside ``path``, then give it its name."""
    path = Path(path)
    part = path.with_suffix(f'.{os.getpid()}.part{path.suffix}')
    try:
        write(str(part))
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
