"""Find the images of a folder, and their masks or classes, by the names of folders and files.

Folders of images (``images``, ``img``, ``JPEGImages``) and of masks (``masks``, ``ann``,
``SegmentationClass``) can have ``train`` and ``val`` above them, below them or nowhere. Images and
masks can also share a folder. Each class has its own folder, below ``train`` and ``val`` or not.
"""

import os
import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from afno_mm.datasets.audit import list_files
from afno_mm.datasets.masks import open_picture
from afno_mm.datasets.pairs import IMAGE_SUFFIXES, LABEL_SUFFIXES

IMAGES = 'image images img imgs img_dir jpegimages leftimg8bit photo photos rgb'.split()
MASKS = """mask masks label labels ann anns ann_dir annotation annotations segmentation
segmentationclass segmentations gt gtfine ground_truth seg""".split()
SPLITS = {'train': 'train', 'training': 'train', 'val': 'val', 'valid': 'val'}
SPLITS |= {'validation': 'val', 'dev': 'val', 'test': 'test', 'testing': 'test'}
MASK_TAIL = re.compile(r'[_.-](mask|masks|label|labels|seg|segmentation|gt|ann)$', re.IGNORECASE)
WANTED = """Wanted is one of these layouts (subfolders are allowed):
  {root}/images/{{train,val}}/*.jpg and {root}/masks/{{train,val}}/*.png
  {root}/{{train,val}}/images/*.jpg and {root}/{{train,val}}/masks/*.png
  {root}/images/*.jpg and {root}/masks/*.png, split by a list
  {root}/*.jpg and {root}/*.png, split by a list
A mask is a picture with the name of its image, and another suffix such as .png or _mask.png.
For images without masks, give --task inpainting."""
WANTED_CLASSES = """Wanted is one folder for each class, with images inside:
  {root}/{{train,val}}/<class>/*.jpg, or {root}/<class>/*.jpg, split by a list"""
WANTED_IMAGES = (
    """Wanted are images: {root}/{{train,val}}/*.jpg, or {root}/*.jpg, split by a list"""
)


@dataclass
class Part:
    """The samples of one split.

    Attributes:
        images: Folder of the images, relative to the root.
        masks: Folder of the masks, relative to the root, or None.
        names: Paths of images below ``images``. Without their suffix if there are masks.
        lone: Number of images without a mask. They are not in ``names``.
        elsewhere: Number of images in other folders of the split. They are not in ``names``.
        ann_file: List of the samples, relative to the root, or ''.
    """

    images: str
    masks: str | None = None
    ann_file: str = ''
    names: list[str] = field(default_factory=list)
    lone: int = 0
    elsewhere: int = 0


@dataclass
class Layout:
    """The samples that a folder has.

    Attributes:
        task: 'segmentation', 'classification' or 'inpainting'.
        parts: The samples by split: 'train', 'val', 'test', or '' for no split.
        img_suffix: Ends of the names of images that have masks, the most frequent first.
        mask_suffix: Ends of the names of masks.
        classes: Names of the folders of classes, sorted.
        notes: Sentences that say what was left out.
    """

    task: str
    parts: dict[str, Part]
    img_suffix: list[str] = field(default_factory=list)
    mask_suffix: list[str] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def find_layout(root: Path, task: str | None = None) -> Layout:
    """Find the samples in a folder.

    Without ``task``, try segmentation, then classification, then inpainting.

    Raises:
        FileNotFoundError: If there are none. The message lists the files and the layouts wanted.
    """
    finders = dict(segmentation=_pairs, classification=_classes, inpainting=_images)
    if task:
        return finders[task](root)
    words = _folders_of(pictures(root))
    if words & {*IMAGES} and words & {*MASKS}:
        return _pairs(root)  # if no names match, fail: these folders are no classes
    if folders := _images_and_masks(root):
        images, masks = folders
        raise _refusal(
            root,
            f'the folders {images} and {masks} with the same names of files, and those in {masks} '
            'look like masks. Rename them to images and masks, or, if they are classes, give '
            '--task classification',
            WANTED,
        )
    for finder in (_pairs, _classes):
        try:
            return finder(root)
        except FileNotFoundError:
            continue
    if _folders_of(_visible(root)) & {*MASKS} and words & {*IMAGES}:
        return _pairs(root)  # fail: the labels are no pictures
    return _images(root)


def _pairs(root: Path) -> Layout:
    groups: dict[tuple[str, bool], dict[str, list[str]]] = {}
    for path in pictures(root):
        base, split, is_mask = _read_name(path)
        folders = groups.setdefault((split, is_mask), {})
        folders.setdefault(base, []).append(path[len(base) :].lstrip('/'))
    layout, ends = Layout('segmentation', {}), (Counter[str](), Counter[str]())
    for split in sorted({split for split, _ in groups}):
        images, masks = (groups.get((split, is_mask), {}) for is_mask in (False, True))
        if not masks:  # the masks are PNGs beside images of the same name
            images, masks = _part_by_suffix(images)
        found = [_match(images[a], masks[b], a, b) for a, b in product(images, masks)]
        part, pairs, tails = max(found, key=lambda match: len(match[1]), default=(None, {}, ()))
        for image, mask in sorted(pairs.items()):
            part.names.append(os.path.splitext(image)[0].removesuffix(tails[0]))
            for counter, name, tail in zip(ends, (image, mask), tails):
                counter[tail + os.path.splitext(name)[1]] += 1
        if pairs:
            part.elsewhere = sum(map(len, images.values())) - len(images[part.images])
            layout.parts[split] = part
    if not layout.parts:
        raise _refusal(root, 'no image with a mask of its name', WANTED)
    layout.parts = _without_rest(layout.parts)
    layout.img_suffix, layout.mask_suffix = ([end for end, _ in c.most_common()] for c in ends)
    return layout


def _classes(root: Path) -> Layout:
    layout, names, loose = _images(root, WANTED_CLASSES), list[str](), 0
    for split, part in [*layout.parts.items()]:
        without = [name for name in part.names if '/' not in name]
        part.names = [name for name in part.names if '/' in name]
        if without:
            where = root / part.images
            layout.notes.append(f'{len(without)} images in {where} have no class: left out')
        if not part.names:
            del layout.parts[split]
        names += part.names
        loose += len(without) * (split != 'test')
    layout.task = 'classification'
    layout.classes = sorted({name.split('/')[0] for name in names})
    if len(layout.classes) < 2 or loose >= len(names):
        found = f'{len(layout.classes)} folders of classes, and {loose} images outside of them'
        raise _refusal(root, found, WANTED_CLASSES)
    return layout


def _images_and_masks(root: Path) -> tuple[str, str] | None:
    """Return two folders that have files of the same names, if those in the second look like masks.

    They look like masks if they have one channel and few values, and the others have colours.
    """
    folders: dict[str, dict[str, str]] = {}
    for path in pictures(root):
        folder, _, name = path.rpartition('/')
        folders.setdefault(folder, {})[os.path.splitext(name)[0]] = path
    same: dict[frozenset[str], list[str]] = {}
    for folder, files in folders.items():
        same.setdefault(frozenset(files), []).append(folder)
    for stems, names in same.items():
        if len(names) != 2:
            continue
        shown = sorted(stems)[:: max(1, len(stems) // 5)]
        kinds = [[_is_mask(root / folders[name][stem]) for stem in shown] for name in names]
        if all(kinds[0]) != all(kinds[1]) and not (any(kinds[0]) and any(kinds[1])):
            images, masks = reversed(names) if all(kinds[0]) else names
            return images or '.', masks or '.'
    return None


def _is_mask(path):
    """Return whether a picture has one channel (or a palette) and at most 64 values."""
    try:
        with open_picture(path.read_bytes()) as picture:
            gray = picture.mode in ('1', 'L', 'P', 'I', 'I;16')
            return gray and len(picture.getcolors(1 << 24) or range(99)) <= 64
    except OSError:
        return False


def _images(root: Path, wanted: str = WANTED_IMAGES) -> Layout:
    parts: dict[str, Part] = {}
    paths, above = [path for path in pictures(root) if path.lower().endswith(IMAGE_SUFFIXES)], ''
    # Enter a folder that is alone and has nothing but folders.
    while len({path.split('/')[0] for path in paths}) == 1 and '/' in paths[0]:
        first, rest = paths[0].split('/')[0], [path.split('/', 1)[1] for path in paths]
        if first.lower() in SPLITS or not all('/' in path for path in rest):
            break
        above, paths = f'{above}{first}/', rest
    for path in paths:
        first, _, rest = path.partition('/')
        split = SPLITS.get(first.lower(), '') if rest else ''
        part = parts.setdefault(split, Part(above + first if split else above.rstrip('/')))
        part.names.append(rest if split else path)
    if not parts:
        raise _refusal(root, 'no image', wanted)
    return Layout('inpainting', _without_rest(parts))


def _without_rest(parts: dict[str, Part]) -> dict[str, Part]:
    """Leave out the samples that are in no split, if there is a split 'train'."""
    return {split: part for split, part in parts.items() if split or 'train' not in parts}


def pictures(root: Path) -> list[str]:
    """Return the relative paths of all pictures below a folder. Skip hidden files and folders."""
    if not root.is_dir():
        raise FileNotFoundError(f'there is no folder {root}')
    return [n for n in _visible(root) if n.lower().endswith(IMAGE_SUFFIXES + LABEL_SUFFIXES)]


def _visible(root: Path) -> list[str]:
    return [name for name in list_files(str(root)) if '/.' not in f'/{name}']


def _folders_of(paths: list[str]) -> set[str]:
    return {word.lower() for path in paths for word in path.split('/')[:-1]}


def _read_name(path: str) -> tuple[str, str, bool]:
    """Return a picture's base folder (with all images or masks of a split), its split, is_mask."""
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


def _part_by_suffix(groups: dict[str, list[str]]) -> tuple[dict, dict]:
    """Divide each folder into images and masks. Masks are PNGs named like another picture."""
    images, masks = {}, {}
    for base, names in groups.items():
        stems = Counter(os.path.splitext(name)[0] for name in names)
        is_mask = {n: n.lower().endswith('.png') and stems[n[:-4]] > 1 for n in names}
        images[base] = [name for name in names if not is_mask[name]]
        masks[base] = [name for name in names if is_mask[name]]
    return images, masks


def _match(image_names: list[str], mask_names: list[str], images: str, masks: str) -> tuple:
    """Match images and masks by name. Return a part, the mask of each image, and both tails.

    A tail, such as '_mask', is the end that the names of all images or of all masks share.
    """

    def by_stem(names, tail):
        stems = ((os.path.splitext(name)[0], name) for name in names)
        return {stem.removesuffix(tail): name for stem, name in stems if stem.endswith(tail)}

    best: tuple[dict[str, str], tuple[str, str]] = {}, ('', '')
    for tails in product(_tails(image_names), _tails(mask_names)):
        stems, others = by_stem(image_names, tails[0]), by_stem(mask_names, tails[1])
        pairs = {stems[stem]: others[stem] for stem in stems.keys() & others.keys()}
        best = max(best, (pairs, tails), key=lambda found: len(found[0]))
    return Part(images, masks, lone=len(image_names) - len(best[0])), *best


def _tails(names: list[str]) -> list[str]:
    """Return the possible tails of file names, without suffix: '', and the tail that all share."""
    stems = [os.path.splitext(name)[0][::-1] for name in names]
    shared = os.path.commonprefix(stems)[::-1]
    at = re.search('[_.-]', shared)
    return ['', shared[at.start() :]] if at else ['']


def _refusal(root: Path, found: str, wanted: str) -> FileNotFoundError:
    counts = Counter(
        f'{os.path.dirname(path) or "."}/*{os.path.splitext(path)[1]}' for path in _visible(root)
    )
    there = [f'  {number} {kind}' for kind, number in sorted(counts.items())[:12]]
    there += ['  ...'] * (len(counts) > 12)
    lines = [f'{root} has {found}. It has:', *(there or ['  no file']), wanted.format(root=root)]
    return FileNotFoundError('\n'.join(lines))
