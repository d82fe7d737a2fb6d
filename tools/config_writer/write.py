"""Write a config for what :mod:`config_writer.layout` finds in a folder.

``templates/`` has the templates that :func:`fill` completes. ``args`` are the parsed arguments of
``tools/new_config.py``.
"""

import argparse
import os
import re
from collections import Counter
from pathlib import Path
from pprint import pformat
from shlex import quote
from statistics import median
from textwrap import indent
from typing import Any

from afno_mm.datasets import Sample, inspect_files
from afno_mm.datasets.datasetgan import metainfo
from afno_mm.datasets.rules import Fault
from afno_mm.datasets.segmentation import class_rows
from afno_mm.names import first
from afno_mm.registry import DATASETS
from mmengine.config import Config

from .layout import Layout, Part, find_layout
from .splits import LISTS, lines_of_file, split_by_lists

CONFIGS = Path(__file__).parents[2] / 'configs'
TEMPLATES = Path(__file__).parent / 'templates'
# Task -> default model, end of the names of the configs to inherit, largest batch size.
TASKS = {
    'segmentation': ('segformer_afno_b0', '_cityscapes', 8),
    'classification': ('mit_afno_b0', '_imagenet', 32),
    'inpainting': ('vit_afno_xs4', '_inpainting', 32),
}
LARGEST_CROP, LARGEST_SIDE, MOST_VALUES = 512, 1024, 64


def config_text(args: argparse.Namespace) -> tuple[str, list[str]]:
    """Return the text of a config, and sentences that say what was found and done.

    Raises:
        FileNotFoundError: If the folder has no layout that we know.
        ValueError: If the masks, the classes or the model do not fit.
    """
    layout = find_layout(args.folder, args.task)
    base = base_config(args.model, layout.task)
    write = segmentation_config if layout.mask_suffix else image_config
    if args.classes and not layout.mask_suffix:
        raise ValueError(
            f'--classes names the values of masks, and {args.folder} has none: it was read as '
            f'{layout.task}{" of " + ", ".join(layout.classes[:8]) if layout.classes else ""}. '
            'For segmentation, --task segmentation lists the layouts that are wanted'
        )
    lists = args.folder / LISTS[0]
    before = {*lists.glob('*.txt')}
    try:
        notes = split_by_lists(args.folder, layout, args.val_share, args.seed)
        text = write(args, layout, base, notes)
    except Exception:  # Leave nothing behind that a later call would take for the user's lists.
        for path in {*lists.glob('*.txt')} - before:
            path.unlink()
        raise
    return text, [f'The task is {layout.task}.', f'The config inherits {base.name}.', *notes]


def base_config(model: str | None, task: str) -> Path:
    """Return the path of the config to inherit."""
    default, end, _ = TASKS[task]
    path = CONFIGS / f'{(model or default).removesuffix(end)}{end}.py'
    if not path.is_file():
        models = sorted(path.stem.removesuffix(end) for path in CONFIGS.glob(f'*{end}.py'))
        raise ValueError(f'--model {model}: for {task} there are {", ".join(models)}')
    return path


def segmentation_config(
    args: argparse.Namespace, layout: Layout, base: Path, notes: list[str]
) -> str:
    """Return the text of a segmentation config. Append to ``notes`` what was guessed."""
    settings: dict[str, Any] = {}
    for key, suffixes in (
        ('img_suffix', layout.img_suffix),
        ('seg_map_suffix', layout.mask_suffix),
    ):
        settings[key] = suffixes[0] if len(suffixes) == 1 else suffixes
    any_id = dict(metainfo=dict(classes=[f'{value}' for value in range(255)]))
    samples = look(args.folder, layout, dict(settings, type='afno_mm.SegDataset', **any_id))
    classes, palette, label_map = mask_classes(samples, *read_names(args), notes)
    settings |= dict(label_map=label_map) if label_map else {}
    final = dict(type='afno_mm.SegDataset', metainfo=dict(classes=classes, palette=palette))
    DATASETS.build(dict(final, lazy_init=True))  # refuses too many classes, and equal names
    height, width = middle(samples)
    if args.size:
        crop, factor = args.size, max(args.size[0] / height, args.size[1] / width)
    else:
        factor = min(1, LARGEST_SIDE / max(height, width))
        crop = [min(max(int(s * factor) // 32, 1) * 32, LARGEST_CROP) for s in (height, width)]
    scaled = round(height * factor), round(width * factor)
    shares = [side / whole for side, whole in zip(crop, scaled)]
    test_cfg = "dict(_delete_=True, mode='whole')"
    if min(shares) < 0.75:
        stride = tuple(side * 3 // 4 for side in crop)
        test_cfg = f"dict(mode='slide', crop_size=crop_size, stride={stride})"
    heads = [name for name in Config.fromfile(base).model if name.endswith('head')]
    facts = dict(
        settings=keywords(settings, 4),
        crop=tuple(crop),
        classes=listed(classes),
        palette=listed(palette),
        scale=scaled[::-1],
        least=min(max(round(max(shares), 2), 0.5), 1.0),
        heads=',\n    '.join(f'{head}=dict(num_classes={len(classes)})' for head in heads),
        test_cfg=test_cfg,
    )
    return fill(args, layout, base, samples, notes, facts)


def image_config(args: argparse.Namespace, layout: Layout, base: Path, notes: list[str]) -> str:
    """Return the text of a config for classification or inpainting."""
    data = dict(type='afno_mm.ImageFolder', with_label=bool(layout.classes))
    if layout.classes:
        data['metainfo'] = dict(classes=layout.classes)
    samples = look(args.folder, layout, data)
    side, *other = args.size or [min(224, max(32, min(middle(samples)) // 32 * 32))]
    if other and other != [side]:
        raise ValueError(f'--size {args.size}: {layout.task} needs a square')
    facts = dict(
        classes=listed(layout.classes),
        number=len(layout.classes),
        top=min(5, len(layout.classes)),
        side=side,
        edge=round(side * 8 / 7),
        patches=side**2 // 16,
    )
    return fill(args, layout, base, samples, notes, facts)


def fill(
    args: argparse.Namespace,
    layout: Layout,
    base: Path,
    samples: list[Sample],
    notes: list[str],
    facts: dict[str, Any],
) -> str:
    """Complete the templates with ``facts`` and facts about the data. Return the config's text."""
    train, val = layout.parts['train'], layout.parts['val']
    most = TASKS[layout.task][2]
    inside = args.out.resolve().is_relative_to(CONFIGS.parent)
    sizes = sorted(sample.size[::-1] for sample in samples if sample.size)
    facts |= dict(
        what=layout.task.capitalize(),
        root=str(args.folder),
        command_out=quote(str(args.out)),
        pictures=quote(f'work_dirs/{args.out.stem}/pictures'),
        train=len(train.names),
        val=len(val.names),
        low='{}x{}'.format(*sizes[0]),
        high='{}x{}'.format(*sizes[-1]),
        checkpoint=quote(f'work_dirs/{args.out.stem}/iter_{args.iterations}.pth'),
        notes='\n'.join(f'# {note}' for note in notes) or '#',
        base=os.path.relpath(base, args.out.resolve().parent) if inside else str(base),
        train_files=keywords(files(train), 8),
        val_files=keywords(files(val), 8),
        batch=min(most, len(train.names)),
        val_batch=1 if layout.task == 'segmentation' else min(most, len(val.names)),
        iterations=args.iterations,
        warmup=max(1, args.iterations // 10),
        interval=max(1, min(1000, args.iterations // 4)),
        log=min(50, max(1, args.iterations // 20)),
    )
    for part in ('header', 'loaders', 'schedule', layout.task):
        facts[part] = (TEMPLATES / f'{part}.txt').read_text().strip().format(**facts)
    return facts[layout.task] + '\n'


def look(root: Path, layout: Layout, data: dict[str, Any]) -> list[Sample]:
    """Inspect all images and masks. Leave it to check_data.py to report their faults."""
    found: list[Sample] = []
    faults: list[Fault] = []
    for split in ('train', 'val'):
        settings = dict(data, data_root=str(root), lazy_init=True) | files(layout.parts[split])
        samples, outcome = inspect_files(DATASETS.build(settings))
        found, faults = found + samples, faults + outcome.faults
    if not any(sample.size and (sample.values or not sample.label) for sample in found):
        what = 'images' if layout.mask_suffix == [] else 'images with masks'
        why = first([fault.text for fault in faults], 3)
        raise ValueError(f'none of the {len(found)} {what} in {root} can be read: {why}')
    return found


def files(part: Part) -> dict[str, Any]:
    """Return the settings of a dataset that name the files of a split."""
    prefix: Any = part.images
    if part.masks is not None:
        prefix = dict(img_path=part.images, seg_map_path=part.masks)
    return dict(data_prefix=prefix) | (dict(ann_file=part.ann_file) if part.ann_file else {})


def middle(samples: list[Sample]) -> tuple[int, int]:
    """Return the median height and the median width."""
    sizes = [sample.size for sample in samples if sample.size]
    return round(median(h for _, h in sizes)), round(median(w for w, _ in sizes))


def read_names(args: argparse.Namespace) -> tuple[list[str], list[tuple[int, ...]]]:
    """Return names and colours of the classes from --classes or from classes.txt in the folder.

    The colours are empty if the file has none.
    """
    file = args.classes or args.folder / 'classes.txt'
    if os.path.isfile(file):  # Path.is_file fails for a long list of names
        rows = class_rows(lines_of_file(Path(file)))
        colours = [tuple(map(int, re.findall(r'\d+', rgb))) for _, rgb in rows]
        return [name for name, _ in rows], colours if all(colours) else []
    return [name.strip() for name in args.classes.split(',')] if args.classes else [], []


def mask_classes(
    samples: list[Sample],
    names: list[str],
    colours_of_names: list[tuple[int, ...]],
    notes: list[str],
) -> tuple:
    """Return names, palette and label_map from the values of all masks. Append to ``notes``."""
    values = {value for sample in samples for value in sample.values or ()}
    colours = sorted(value for value in values if isinstance(value, tuple))
    ids = sorted(value for value in values if not isinstance(value, tuple))
    below = [value for value in ids if value != 255] or [0]
    lossy = any((sample.label or '').lower().endswith(('.jpg', '.jpeg')) for sample in samples)
    gapless = not (colours or lossy) and below == [*range(len(below))] and len(below) < 200
    most = max(2, len(names)) if lossy else max(MOST_VALUES, len(names) + 1)
    if (len(values) > most and not gapless) or (colours and ids):
        raise ValueError(
            f'the masks have {len(values)} values: {first([*ids, *colours])}; wanted one class id '
            'or one colour for each class. Masks that were resized or saved as JPEG have mixed '
            'ones, and must be made anew'
        )
    pixels: Counter = sum((Counter(sample.values or {}) for sample in samples), Counter())
    between = [value for value in ids if 0 < value < 255]
    extremes = pixels[0] + pixels[255]
    # Ids of classes are small numbers. Values up to 254 between 0 and 255 are mixtures of these.
    if (
        len(between) > 2
        and between[-1] > max(MOST_VALUES, len(names))
        and pixels[255] > pixels.total() - extremes
    ):
        raise ValueError(
            f'the masks have the values {first(ids, 10)}, and 0 and 255 are most of their '
            'pixels. Masks of 0 and 255 that were resized with interpolation have mixed values at '
            'the edges: make them anew, and resize them with nearest neighbours'
        )
    label_map: dict[int, int] = {}
    if colours and {*colours} <= {*colours_of_names}:
        colours, number = colours_of_names, len(names)
    elif colours:
        number = len(colours)
        if names:
            notes.append('Names and colours are paired in the sorted order of the colours: check.')
    elif ids != [0, 255] and below[-1] < (len(names) or max(16, 2 * len(below))):
        number = len(names) or below[-1] + 1
    else:
        mapped = below if len(below) == len(names) else ids
        number, label_map = len(mapped), {v: k for k, v in enumerate(mapped) if v != k}
    notes.append(f'The masks have the values {first(colours or ids, 10)}.')
    if label_map:
        notes.append('label_map gives these values the class ids 0, 1, 2 and so on.')
    if number < 2 or (names and len(names) != number):
        wanted = f'{len(names)} classes, as their names say' if names else 'two classes at least'
        raise ValueError(f'{notes[-1]} Wanted are {wanted}')
    if 255 in ids and 255 not in label_map:
        notes.append('255 is ignored.')
    placeholders = [f'class_{k}' for k in range(number)]
    if not names:
        notes.append(f'The names of the {number} classes are placeholders: write your own.')
    palette = colours or colours_of_names or metainfo(', '.join(placeholders))['palette']
    return names or placeholders, palette, label_map


def keywords(settings: dict[str, Any], spaces: int) -> str:
    """Format settings as keyword arguments, one per line, with an indent of ``spaces``."""
    lines = []
    for key, value in settings.items():
        if isinstance(value, dict) and all(isinstance(name, str) for name in value):
            value = f'dict({", ".join(f"{k}={v!r}" for k, v in value.items())})'
            lines.append(f'{key}={value}')
        else:
            lines.append(f'{key}={value!r}')
    return (',\n' + ' ' * spaces).join(lines)


def listed(items: list) -> str:
    """Format a list as Python code, on several lines if it is long."""
    return indent(pformat([*items], width=88, compact=True), ' ' * 8).strip()
