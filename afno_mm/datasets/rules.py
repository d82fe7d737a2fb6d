"""Decide which image and label files can be used, and say what mends the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

ONE_CLASS = """\
255 is ignored, so only class 0 would be learnt. If 255 is the second class, write 1 for it:
  python -c "import sys; from PIL import Image; \
[Image.open(p).point([v // 255 for v in range(256)]).save(p) for p in sys.argv[1:]]" LABELS"""
ONE_CHANNEL = """\
Labels need mode L or P. If all channels of a label hold the class ids, keep one:
  python -c "import sys; from PIL import Image; \
[Image.open(p).getchannel(0).save(p) for p in sys.argv[1:]]" LABELS"""
ORIENTATION = """\
LoadImageFromFile turns images by EXIF with color_type='color', and does not with
color_type='color_ignore_orientation'. Labels are never turned."""
SIXTEEN_BITS = """\
LoadImageFromFile keeps the upper 8 bits: 4095 becomes 15 of 255.
LoadImageFromFile(color_type=3, to_float32=True) reads all 16. Then give the data_preprocessor
the mean and std of these values."""
REMOVE = 'Remove broken files first, then replace them.'
# Headline of each kind of fault, and what mends it.
KINDS = {
    'hidden': ('files lie in hidden folders', 'Remove the hidden folders: rm -r FOLDER'),
    'no image': ('images do not exist', ''),
    'no label': ('images have no label', ''),
    'broken link': ('links lead nowhere', ''),
    'empty': ('files are empty', REMOVE),
    'unreadable': ('files cannot be read', ''),
    'damaged': ('files are not whole pictures', REMOVE),
    'mode': ('labels do not hold one class id per pixel', ONE_CHANNEL),
    'size': ('labels differ in size from their images; the sizes must be equal', ''),
    'orientation': ('labels fit their images only if EXIF is treated otherwise', ORIENTATION),
    'values': ('labels have values that are not {ids} ({valid})', ''),
    'one class': ('hold 0 and 255 alone', ONE_CLASS),
    'all ignored': ('ignore every pixel', ''),
}
WHOLE_SET = {'one class', 'all ignored'}  # leaving out samples does not mend these
LABEL_MODES = {'L', 'P', '1', 'I', 'I;16', 'I;16B'}


class Fault(NamedTuple):
    """A fault of a sample (an index), or of the whole set (None). Its kind is one of ``KINDS``."""

    kind: str
    text: str
    sample: int | None = None
    of_label: bool = False
    path: str = ''


Outcome = tuple[list[Fault], list[str]]  # faults, and warnings about samples that can be used


@dataclass(frozen=True)
class Rules:
    """How the pipeline reads images and labels.

    Attributes:
        num_classes: Number of classes after ``label_map``. None: any value is valid.
        reduce_zero_label: True: 0 is ignored, and the other values are lowered by 1.
        label_map: From values of the files to class ids. Other values stay as they are.
        label_backend: ``imdecode_backend`` of LoadAnnotations.
        turns: True: LoadImageFromFile turns images by their EXIF orientation.
        keeps_16_bits: True: LoadImageFromFile does not cut images to 8 bits.
    """

    num_classes: int | None = None
    ignore_index: int = 255
    reduce_zero_label: bool = False
    label_map: dict[int, int] | None = None
    label_backend: str = 'pillow'
    turns: bool = True
    keeps_16_bits: bool = False

    def class_of(self, value: int) -> int | None:
        """Return the class id or ignore_index that a value means, or None if it is neither."""
        if not 0 <= value <= 255:  # LoadAnnotations would wrap it to 8 bits.
            return None
        if self.reduce_zero_label:
            value = 255 if value in (0, 255) else value - 1
        value = (self.label_map or {}).get(value, value)
        is_class = self.num_classes is None or value < self.num_classes
        return value if is_class or value == self.ignore_index else None

    def valid(self) -> str:
        """Return a text such as '0..18, 255 to ignore'."""
        mapped = self.reduce_zero_label or self.label_map
        after = ' after reduce_zero_label and label_map' if mapped else ''
        return f'0..{(self.num_classes or 256) - 1}, {self.ignore_index} to ignore{after}'

    def judge(self, pairs: Sequence[tuple[str, str | None]], seen: Sequence[list]) -> Outcome:
        """Return faults and warnings of (image, label) pairs from what ``look`` returned."""
        faults: list[Fault] = []
        labels, values = 0, set()
        ignored, unsure, sixteen = [], [], []
        for index, ((image_path, path), (image, label)) in enumerate(zip(pairs, seen)):
            for of_label, facts in enumerate((image, label)):
                if facts and 'fault' in facts:
                    faults.append(Fault(facts['fault'], facts['text'], index, bool(of_label)))
            if 'max' in image and not self.keeps_16_bits:
                sixteen.append(f'{image_path} (up to {image["max"]})')
            if not label or 'mode' not in label:
                continue
            for kind, text in self._faults_of_label(image, label):
                faults.append(Fault(kind, f'{path} {text.format(image_path)}', index, True))
            labels += 1
            values.update(label['values'])
            if label['values'] and {*map(self.class_of, label['values'])} == {self.ignore_index}:
                ignored.append(str(path))
            if self.turns and image.get('turned') == image.get('size') == label['size']:
                unsure += [image_path] if 'turned' in image else []
        several = (self.num_classes or 0) > 1
        if values == {0, 255} and several and self.class_of(255) == self.ignore_index:
            faults.append(Fault('one class', f'all {labels} labels', None, True))
        elif labels and len(ignored) == labels:
            faults.append(Fault('all ignored', f'all {labels} labels', None, True))
        notes: dict[str, list[str]] = {
            f'images have 16 bits. {SIXTEEN_BITS}': sixteen,
            'labels ignore every pixel': ignored,
            f'images have an EXIF orientation that keeps their size. {ORIENTATION} '
            'Check that these labels fit': unsure,
        }
        return faults, [f'{len(n)} {text}: {first(n)}' for text, n in notes.items() if n]

    def _faults_of_label(self, image: dict, label: dict) -> list[tuple[str, str]]:
        """Return kind and text of each fault. '{}' in a text stands for the path of the image."""
        faults = []
        strange = [v for v in label['values'] if self.class_of(v) is None]
        palette_is_colour = self.label_backend != 'pillow' and label['mode'] in ('P', '1')
        if label['mode'] not in LABEL_MODES or palette_is_colour:
            faults.append(('mode', f'has mode {label["mode"]}'))
        elif strange:
            faults.append(('values', f'has the values [{first(strange, 10)}]'))
        if 'size' in image:
            sizes = [image['size'], image.get('turned', image['size'])]
            size, used, other = label['size'], sizes[self.turns], sizes[not self.turns]
            kind = 'orientation' if size == other else 'size'
            if size != used:
                text = f'is {size[0]}x{size[1]}, its image {{}} is {used[0]}x{used[1]}'
                faults.append((kind, text + ' as it is read' * (kind == 'orientation')))
        return faults


def first(items: Sequence, most: int = 5) -> str:
    """Join the first items of a list for a message."""
    return ', '.join(map(str, items[:most])) + (', ...' if len(items) > most else '')
