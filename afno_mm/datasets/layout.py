"""Find the images of a folder, and their masks or classes, by the names of folders and files.

:func:`find_pairs` knows folders for images (``images``, ``img``, ``JPEGImages``) and for masks
(``masks``, ``ann``, ``SegmentationClass``), with ``train`` and ``val`` above or below them or
nowhere. Images and masks can also share a folder. :func:`find_classes` knows one folder per class,
with or without ``train`` and ``val``.
"""

import os
import random
import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

PICTURES = ('.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp')
IMAGES = 'image images img imgs img_dir jpegimages leftimg8bit photo photos rgb'.split()
MASKS = """mask masks label labels ann anns ann_dir annotation annotations segmentation
segmentationclass segmentations gt gtfine ground_truth seg""".split()
SPLITS = {'train': 'train', 'training': 'train', 'val': 'val', 'valid': 'val'}
SPLITS |= {'validation': 'val', 'dev': 'val', 'test': 'test', 'testing': 'test'}
MASK_TAIL = re.compile(r'[_.-](mask|masks|label|labels|seg|segmentation|gt|ann)$', re.IGNORECASE)
WANTED = """Wanted is one of these layouts, with folders inside them at will:
  {root}/images/{{train,val}}/*.jpg and {root}/masks/{{train,val}}/*.png
  {root}/{{train,val}}/images/*.jpg and {root}/{{train,val}}/masks/*.png
  {root}/images/*.jpg and {root}/masks/*.png, split by a list
  {root}/*.jpg and {root}/*.png, split by a list
A mask has the name of its image, with another suffix such as .png or _mask.png."""
WANTED_CLASSES = """Wanted is one folder for each class, with images inside:
  {root}/{{train,val}}/<class>/*.jpg, or {root}/<class>/*.jpg, split by a list"""
WANTED_IMAGES = """Wanted are images: {root}/{{train,val}}/*.jpg, or {root}/*.jpg, split by a list"""


@dataclass
class Part:
    """The samples of one split.

    ``images`` and ``masks`` are folders, relative to the root. ``names`` are the paths of images
    without ``images`` and without their suffix, and ``lone`` is the number of images without a
    mask. ``files`` has the (image, mask) paths. ``all_files`` is False if the folders have others.
    """

    images: str
    masks: str = ''
    names: list[str] = field(default_factory=list)
    files: list[tuple[Path, Path | None]] = field(default_factory=list)
    lone: int = 0
    all_files: bool = True


@dataclass
class Layout:
    """Where a folder has its samples, by split: 'train', 'val', 'test' or '' for no split."""

    parts: dict[str, Part]
    img_suffix: list[str]
    mask_suffix: list[str]


def find_pairs(root: Path) -> Layout:
    """Find images and their masks.

    Raises:
        FileNotFoundError: If there are none, with what there is.
    """
    groups: dict[tuple[str, str], dict[str, list[str]]] = {}
    for path in pictures(root):
        base, split, is_mask = _read_name(path)
        folders = groups.setdefault((split, 'mask' if is_mask else 'image'), {})
        folders.setdefault(base, []).append(path[len(base) :].lstrip('/'))
    splits = sorted({split for split, _ in groups})
    best: list[tuple] = []
    for split in splits:
        images, masks = (groups.setdefault((split, kind), {}) for kind in ('image', 'mask'))
        if not masks:  # PNGs beside JPEGs of the same name
            for base, names in images.items():
                stems = {os.path.splitext(name)[0] for name in names if not _is_png(name)}
                of = [n for n in names if _is_png(n) and os.path.splitext(n)[0] in stems]
                masks[base] = of
                images[base] = [name for name in names if name not in {*of}]
        found = [_match(a, images[a], b, masks[b]) for a, b in product(images, masks)]
        best += [(split, max(found, key=lambda match: len(match[1])))] if found else []
    found_in = {split: match for split, match in best if match[1]}
    if 'train' in found_in:
        found_in.pop('', None)
    if not found_in:
        raise _refusal(root, 'no image with a mask of its name', WANTED)
    parts, ends = {}, (Counter[str](), Counter[str]())
    for split, (part, pairs, tails) in found_in.items():
        for image, mask in sorted(pairs.items()):
            part.files.append((root / part.images / image, root / part.masks / mask))
            for counter, name, tail in zip(ends, (image, mask), tails):
                counter[tail + os.path.splitext(name)[1]] += 1
            part.names.append(os.path.splitext(image)[0].removesuffix(tails[0]))
        parts[split] = part
    return Layout(parts, *([end for end, _ in counter.most_common()] for counter in ends))


def find_classes(root: Path) -> tuple[dict[str, Part], list[str]]:
    """Find images in folders of classes. Return the splits and the names of the classes.

    Raises:
        FileNotFoundError: If there are less than two folders with images, with what there is.
    """
    parts = find_images(root)
    folders = {name.split('/')[0] for part in parts.values() for name in part.names if '/' in name}
    if len(folders) < 2:
        found = f'{len(folders)} folders of classes with images'
        raise _refusal(root, found, WANTED_CLASSES)
    return parts, sorted(folders)


def find_images(root: Path) -> dict[str, Part]:
    """Find images below ``train`` and ``val``, or all images below a folder.

    Raises:
        FileNotFoundError: If there are none, with what there is.
    """
    parts: dict[str, Part] = {}
    for path in sorted(pictures(root)):
        first, _, rest = path.partition('/')
        split = SPLITS.get(first.lower(), '') if rest else ''
        part = parts.setdefault(split, Part(first if split else ''))
        part.names.append(rest if split else path)  # with the suffix, as lists of images have it
        part.files.append((root / path, None))
    if not parts:
        raise _refusal(root, 'no image', WANTED_IMAGES)
    if 'train' in parts:
        parts.pop('', None)
    return parts


def pictures(root: Path) -> list[str]:
    """Return the paths of the pictures below a folder, relative to it. None is in a hidden one."""
    if not root.is_dir():
        raise FileNotFoundError(f'there is no folder {root}')
    found = []
    for folder, below, names in os.walk(root, followlinks=True):
        below[:] = sorted(name for name in below if not name.startswith('.'))
        where = os.path.relpath(folder, root)
        where = '' if where == '.' else f'{where}/'
        visible = (name for name in names if not name.startswith('.'))
        found += [where + name for name in visible if name.lower().endswith(PICTURES)]
    return found


def split_names(names: list[str], val_share: float, seed: int) -> tuple[list[str], list[str]]:
    """Split names at random, but equally for equal seeds. Both lists get one at least."""
    shuffled = sorted(names)
    random.Random(seed).shuffle(shuffled)
    number = min(max(round(val_share * len(names)), 1), len(names) - 1)
    return sorted(shuffled[number:]), sorted(shuffled[:number])


def _read_name(path: str) -> tuple[str, str, bool]:
    """Return the folder that holds the split's images or masks, the split, and if it has masks."""
    split, is_mask, base = '', None, 0
    *folders, name = path.split('/')
    for number, word in enumerate((folder.lower() for folder in folders), 1):
        if word in MASKS or word in IMAGES:
            is_mask, base = word in MASKS, number
        elif word in SPLITS:
            split, base = SPLITS[word], number
    if is_mask is None:
        is_mask = bool(MASK_TAIL.search(os.path.splitext(name)[0]))
    return '/'.join(folders[:base]), split, is_mask


def _is_png(name: str) -> bool:
    return name.lower().endswith('.png')


def _match(images: str, image_names: list[str], masks: str, mask_names: list[str]) -> tuple:
    """Return the part, mask by image, and the tails of both names before their suffix."""

    def by_stem(names, tail):
        stems = ((os.path.splitext(name)[0], name) for name in names)
        return {stem.removesuffix(tail): name for stem, name in stems if stem.endswith(tail)}

    best: tuple[dict[str, str], tuple[str, str]] = {}, ('', '')
    for tails in product(_tails(image_names), _tails(mask_names)):
        stems, others = by_stem(image_names, tails[0]), by_stem(mask_names, tails[1])
        pairs = {stems[stem]: others[stem] for stem in stems.keys() & others.keys()}
        best = max(best, (pairs, tails), key=lambda found: len(found[0]))
    pairs, tails = best
    lone = len(image_names) - len(pairs)
    return Part(images, masks, lone=lone, all_files=not lone), pairs, tails


def _tails(names: list[str]) -> list[str]:
    """Return what the stems of names may end with before their suffix: '', or what all share."""
    stems = [os.path.splitext(name)[0][::-1] for name in names]
    shared = os.path.commonprefix(stems)[::-1]
    at = re.search('[_.-]', shared)
    return ['', shared[at.start() :]] if at else ['']


def _refusal(root: Path, found: str, wanted: str) -> FileNotFoundError:
    counts = Counter(
        f'{os.path.dirname(path) or "."}/*{os.path.splitext(path)[1]}' for path in pictures(root)
    )
    there = [f'  {number} {kind}' for kind, number in sorted(counts.items())[:12]]
    there += ['  ...'] * (len(counts) > 12)
    lines = [f'{root} has {found}. It has:', *(there or ['  no picture']), wanted.format(root=root)]
    return FileNotFoundError('\n'.join(lines))
