"""Split the samples of a folder into those to train on and those to validate, by lists."""

import random
import re
from dataclasses import replace
from pathlib import Path

from afno_mm.datasets.pairs import lines_of, stem_of

from .layout import Layout

LISTS = ('splits', 'ImageSets/Segmentation', '.')  # folders of train.txt and val.txt


def split_by_lists(root: Path, layout: Layout, val_share: float, seed: int) -> list[str]:
    """Split a layout into the parts 'train' and 'val', and write the lists of samples they need.

    Existing lists, such as VOC's, are used as they are. Otherwise ``seed`` draws ``val_share`` of
    the samples (of each class) for validation, and the new lists are files in ``root/splits``.

    Returns:
        Sentences that say what was done.

    Raises:
        ValueError: If one of the two parts would be empty.
    """
    parts, kept = layout.parts, ''
    said = layout.notes + [
        f'{part.lone} images in {root / part.images} have no mask, and are left out'
        for part in parts.values()
        if part.lone
    ]
    said += [
        f'{part.elsewhere} images outside {root / part.images} are left out, because they are not '
        'in the folder of the images that have masks'
        for part in parts.values()
        if part.elsewhere
    ]
    if 'val' not in parts and {'train', 'test'} <= {*parts}:
        parts['val'] = parts.pop('test')
        said.append('there is no val, so the images of test are for validation')
    if 'train' not in parts and ('val' in parts or '' not in parts):
        raise ValueError(
            f'{root} has samples in {" and ".join(filter(None, parts))}, and none in train; wanted '
            'samples in both, or no such folders: then lists split the samples. Rename or move them'
        )
    if 'val' not in parts:
        part = parts.get('train') or parts['']
        names = _split(part.names, bool(layout.classes), val_share, seed)
        kept = next((f for f in LISTS if all((root / f / f'{s}.txt').is_file() for s in names)), '')
        for split in names if kept else ():
            listed = _samples_of(root / kept / f'{split}.txt', layout)
            names[split] = sorted({*part.names} & listed.keys())
        if not all(names.values()):
            found = f'{len(part.names)} samples, {len(names["train"])} to train on'
            lists = f', by the lists in {root / kept}' if kept else ''
            mend = '. Remove these lists to draw new ones' if kept else ''
            raise ValueError(
                f'{root} has {found}{lists}; wanted some to train on, others to validate{mend}'
            )
        train, val = map(set, names.values())
        unused, both = len({*part.names} - train - val), len(train & val)
        said += [f'{unused} samples are in neither list of {root / kept}'] if unused else []
        said += [f'{both} samples are in both lists of {root / kept}: check'] if both else []
        parts = {s: replace(part, names=n, lone=0, ann_file='new') for s, n in names.items()}
        folder = kept or LISTS[0]
    else:
        folder = LISTS[0]
    for split, part in parts.items():
        if part.ann_file or part.lone:
            part.ann_file = f'{folder}/{split}.txt'
            said.append(_write_list(root / part.ann_file, part.names, layout, bool(kept)))
    layout.parts = parts
    return said


def lines_of_file(path: Path) -> list[str]:
    """Return the lines of a text file that are not empty."""
    try:
        return lines_of(path.read_bytes())
    except UnicodeDecodeError as error:
        raise ValueError(f'{path} is not text in UTF-8: {error}. Save it as UTF-8') from None


def _samples_of(path: Path, layout: Layout) -> dict[str, str]:
    """Return the line of each sample that a list names, as :func:`_write_list` would write it."""
    samples = {}
    for line in lines_of_file(path):
        name, _, index = line.replace('\t', ' ').rpartition(' ')
        if layout.classes:
            samples[name.strip()] = f'{name.strip()} {index}'
        elif layout.mask_suffix:  # also 'image label', and names with the suffix of the image
            images = stem_of(re.split(r'[\s,;]', line)[0], layout.img_suffix)
            name = images or stem_of(line, layout.img_suffix) or line
            samples[name] = name
        else:
            samples[line] = line
    return samples


def _write_list(path: Path, names: list[str], layout: Layout, kept: bool) -> str:
    ids = {name: index for index, name in enumerate(layout.classes)}
    lines = [f'{name} {ids[name.split("/")[0]]}' if ids else name for name in names]
    if path.is_file():
        there = {*_samples_of(path, layout).values()}
        # A list that is used as it is may name more samples, but must number classes as we do.
        if odd := sorted({*lines} - there or (set() if kept else there - {*lines})):
            raise ValueError(
                f'{path} is of another state of the folder: it has {len(there)} lines, wanted are '
                f'{len(lines)}, and {len(odd)} differ, such as {odd[0]!r}. Remove {path}, and the '
                'other list beside it, to draw both anew'
            )
        return f'{path} is kept: {len(names)} samples'
    try:
        path.parent.mkdir(exist_ok=True)
        path.write_text('\n'.join(lines) + '\n', encoding='utf-8')
    except UnicodeEncodeError:
        odd = next(name for name in names if not name.isprintable())
        raise ValueError(f'the name {odd!r} is not text in UTF-8. Rename the file') from None
    except OSError as error:
        raise ValueError(
            f'{path} lists the samples, and cannot be written: {error.strerror}. Make the folder '
            'writable, or link its images into a folder that is'
        ) from None
    return f'{path} is new: {len(names)} samples'


def _split(names: list[str], by_class: bool, share: float, seed: int) -> dict[str, list[str]]:
    """Split names at random into 'train' and 'val', each class separately if ``by_class``."""
    parted: dict[str, list[str]] = dict(train=[], val=[])
    groups: dict[str, list[str]] = {}
    for name in sorted(names):
        groups.setdefault(name.split('/')[0] if by_class else '', []).append(name)
    for group in groups.values():
        random.Random(seed).shuffle(group)
        number = min(max(round(share * len(group)), 1), len(group) - 1)
        parted['val'] += group[:number]
        parted['train'] += group[number:]
    return {split: sorted(group) for split, group in parted.items()}
