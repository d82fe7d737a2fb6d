"""Find images in folders and lists, and the label of each image."""

import os.path as osp
import re
from collections.abc import Sequence
from typing import NamedTuple

from .audit import list_files

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.ppm', '.bmp', '.pgm', '.tif', '.tiff', '.webp')
LABEL_SUFFIXES = ('.png', '.tif', '.tiff', '.bmp', '.gif')


class Pair(NamedTuple):
    """An image, its label, and ``twins``: other files whose names differ only in the suffix."""

    image: str
    label: str | None
    twins: tuple[str, ...] = ()


def lines_of(data: bytes) -> list[str]:
    """Return the lines of a list of files that are not empty. It is UTF-8, or UTF-16 with a mark.

    Raises:
        UnicodeDecodeError: If it is neither.
    """
    encoding = 'utf-16' if data[:2] in (b'\xff\xfe', b'\xfe\xff') else 'utf-8-sig'
    return [line.strip() for line in data.decode(encoding).splitlines() if line.strip()]


def suffixes_of(setting: str | Sequence[str]) -> tuple[str, ...]:
    """Return one or more suffixes as a tuple, each with a dot."""
    several = (setting,) if isinstance(setting, str) else tuple(setting)
    return tuple(suffix if '.' in suffix else f'.{suffix}' for suffix in several)


def stem_of(name: str, suffixes: Sequence[str]) -> str | None:
    """Return a name without its longest matching suffix (in any case), or None if none matches."""
    ends = [len(suffix) for suffix in suffixes if name.lower().endswith(suffix.lower())]
    return name[: -max(ends)] if ends else None


class Folders:
    """The images and labels found in two folders, which can be the same.

    Args:
        images: Folder of the images, with subfolders.
        labels: Folder of the labels, or None without labels.
        image_suffixes: Ends of the names of images.
        label_suffixes: Ends of the names of labels.

    Attributes:
        left_out: Files in the image folder that have none of the image suffixes.
    """

    def __init__(
        self,
        images: str,
        labels: str | None,
        image_suffixes: Sequence[str],
        label_suffixes: Sequence[str],
        backend_args: dict | None = None,
    ) -> None:
        self.folders = images, labels
        self.suffixes = tuple(image_suffixes), tuple(label_suffixes)
        names = list_files(images, backend_args)
        label_names: list[str] = []
        if labels is not None:
            same = osp.abspath(images) == osp.abspath(labels)
            label_names = names if same else list_files(labels, backend_args)
            label_names = [name for name in label_names if '/.' not in f'/{name}']
            if same:
                names = [name for name in names if stem_of(name, label_suffixes) is None]
            else:
                names = _outside(names, images, labels)
                label_names = _outside(label_names, labels, images)
        self.left_out = [name for name in names if stem_of(name, image_suffixes) is None]
        self.images = _by_stem(names, image_suffixes)
        self.labels = _by_stem(label_names, label_suffixes)

    def pairs(self) -> list[Pair]:
        """Return all images and their labels, sorted by the names of the images."""
        found = [
            self._pair(name, stem, [other for other in names if other != name])
            for stem, names in self.images.items()
            for name in names
        ]
        return sorted(found)

    def pair_of(self, line: str) -> Pair:
        """Parse one line of an annotation file into an (image, label) pair.

        The line is an image name with or without its suffix, or an image name and a label name with
        their suffixes, separated by spaces, ',' or ';'. Names are relative to the folders, or
        absolute paths. Without a folder of labels, only labels with absolute paths count.
        """
        images, labels = self.suffixes
        for gap in re.finditer(r'[\s,;]+', line):
            image, label = line[: gap.start()], line[gap.end() :]
            if stem_of(image, images) is not None and stem_of(label, labels) is not None:
                folder, label_folder = self.folders
                if label_folder is None and not osp.isabs(label):
                    return Pair(osp.join(folder, image), None)
                return Pair(osp.join(folder, image), osp.join(label_folder or '', label))
        name = osp.normpath(line)
        if osp.isabs(name) and name.startswith(osp.join(osp.abspath(self.folders[0]), '')):
            name = osp.relpath(name, self.folders[0])
        stem = stem_of(name, images)
        found = self.images.get(name if stem is None else stem, [])
        if stem is None:
            stem, name, *twins = name, *(found or [name + images[0]])
            return self._pair(name, stem, twins)
        if len(found) == 1:
            name = found[0]  # The suffix in the line can have another case.
        return self._pair(name, osp.basename(stem) if osp.isabs(stem) else stem)

    def spare_labels(self) -> list[str]:
        """Return the labels that have no image."""
        stems = self.labels.keys() - self.images.keys()
        return sorted(osp.join(self.folders[1] or '', n) for s in stems for n in self.labels[s])

    def _pair(self, name: str, stem: str, twins: Sequence[str] = ()) -> Pair:
        images, labels = self.folders
        if labels is None:
            return Pair(osp.join(images, name), None)
        found, *more = self.labels.get(stem, [stem + self.suffixes[1][0]])
        return Pair(osp.join(images, name), osp.join(labels, found), (*twins, *more))


def _by_stem(names: Sequence[str], suffixes: Sequence[str]) -> dict[str, list[str]]:
    stems: dict[str, list[str]] = {}
    for name in names:
        if (stem := stem_of(name, suffixes)) is not None:
            stems.setdefault(stem, []).append(name)
    return stems


def _outside(names: list[str], folder: str, other: str) -> list[str]:
    """Return the names of files in ``folder`` that are not below the folder ``other``."""
    start = osp.relpath(osp.abspath(other), osp.abspath(folder)) + '/'
    return [name for name in names if not name.startswith(start)]
