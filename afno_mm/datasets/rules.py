"""Check which image and label files are usable. Describe each fault and, where known, its fix."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..names import first

EDIT = 'python -c "import sys; from PIL import Image, ImageOps; [{} for p in sys.argv[1:]]"'
# Datasets call str.format on these texts, so braces are doubled.
ONE_CLASS = (
    """\
255 is ignored, so only class 0 would be learnt. If 255 is the second class, set
label_map={{255: 1}} in an afno_mm.SegDataset, or write 1 for it:
"""
    f'  {EDIT.format("Image.open(p).point([v // 255 for v in range(256)]).save(p)")} LABELS'
)
ONE_CHANNEL = f"""\
If all channels of a label hold the class ids, keep one:
  {EDIT.format('Image.open(p).getchannel(0).save(p)')} LABELS"""
NO_COLOURS = """\
Labels need mode L or P. If colours stand for classes, use afno_mm.SegDataset with the colour of
each class in its metainfo.palette."""
MORE_COLOURS = """\
Add the colours to metainfo.palette, or map them: label_map={{(128, 0, 0): 1}}.
Mixed colours come from resizing or from JPEG: make such labels anew, as PNG."""
OWN_PALETTE = f"""\
The class id of a pixel is its index. If the colour is right, make it the value:
  {EDIT.format("Image.open(p).convert('RGB').save(p)")} LABELS
If the index is right, leave out the colours:
  {EDIT.format("Image.frombytes('L', (i := Image.open(p)).size, i.tobytes()).save(p)")} LABELS"""
ORIENTATION = """\
LoadImageFromFile turns images by EXIF with color_type='color', and does not with
color_type='color_ignore_orientation'. Labels are never turned."""
TURN = f"""\
This turns the pixels, and removes the orientation:
  {EDIT.format('ImageOps.exif_transpose(Image.open(p)).save(p, quality=95)')} FILES"""
UNCLEAR = f"""\
Look whether the labels fit the images as a viewer shows them, or the stored pixels that are not
turned. Then set label_orientation='shown' or 'stored' in the dataset. {ORIENTATION}"""
DEEP = (
    'LoadImageFromFile keeps the upper 8 of 16 bits: 4095 becomes 15 of 255. Put '
    "dict(type='afno_mm.LoadDeepImage', max_value={}) in its place in every pipeline, with the "
    'largest value that the images can have'
)
REMOVE = 'Remove broken files first, then replace them.'
# Kind of fault -> its headline, and how to fix it.
KINDS = {
    'hidden': ('files lie in hidden folders', 'Remove the hidden folders: rm -r FOLDER'),
    'twins': ('images or labels share a name', 'Remove all but one, or list pairs in ann_file.'),
    'no image': ('images do not exist', ''),
    'no label': ('images have no label', ''),
    'broken link': ('links lead nowhere', ''),
    'empty': ('files are empty', REMOVE),
    'unreadable': ('files cannot be read', ''),
    'damaged': ('files are not whole pictures', REMOVE),
    'decoder': (
        'images cannot be read by OpenCV',
        'Convert them to PNG or JPEG. Floating-point values need LoadImageFromFile with '
        "color_type='unchanged'.",
    ),
    'mode': ('labels do not hold one class id per pixel', f'{NO_COLOURS}\n{ONE_CHANNEL}'),
    'colours': (
        'labels have colours that are not in the palette',
        f'{MORE_COLOURS}\n{ONE_CHANNEL}',
    ),
    'own palette': ('labels have colours of other classes than their indices', OWN_PALETTE),
    'size': ('labels differ in size from their images; the sizes must be equal', ''),
    'orientation': (
        'labels fit their images only if EXIF is treated otherwise',
        f'{ORIENTATION}\n{TURN}',
    ),
    'unclear': ('images have an EXIF orientation that keeps their size', UNCLEAR),
    'turned label': ('labels have an EXIF orientation, which nothing reads', TURN),
    'values': ('labels have values that are not {ids} ({valid})', ''),
    'one class': ('hold 0 and 255 alone', ONE_CLASS),
    'all ignored': ('ignore every pixel', ''),
}
WHOLE_SET = {'one class', 'all ignored'}  # leaving out samples does not fix these
LABEL_MODES = {'L', 'P', '1', 'I', 'I;16', 'I;16B'}
COLOUR_MODES = {'RGB', 'RGBA'}
COLOUR = 1 << 32  # The value of a colour is COLOUR + 0xRRGGBB.


class Fault(NamedTuple):
    """A fault of a sample, or of the whole set if ``sample`` is None. ``kind`` is in ``KINDS``."""

    kind: str
    text: str
    sample: int | None = None
    of_label: bool = False
    path: str = ''


class Outcome(NamedTuple):
    """What an audit found. Training stops for faults, and only shows the warnings.

    ``values`` has the number of pixels of each value in the label files. ``counts`` has that of
    each class id after ``label_map`` and ``reduce_zero_label``, with ``ignore_index`` among the
    keys. In classification, ``counts`` has the number of images of each class.
    """

    faults: list[Fault]
    warnings: list[str]
    values: Counter
    counts: Counter


@dataclass(frozen=True)
class Rules:
    """How the pipeline reads images and labels.

    Attributes:
        num_classes: Number of classes after ``label_map``. None: any value is valid.
        reduce_zero_label: True: 0 is ignored, and the other values except 255 are lowered by 1.
        label_map: Maps values in the files to class ids. Other values stay as they are.
        colours: Maps values of :func:`colour` to class ids. Only :class:`LoadMask` reads colours.
        label_loader: ``imdecode_backend`` of LoadAnnotations, or 'mask' for :class:`LoadMask`.
        label_orientation: If images have an EXIF orientation, their labels fit the 'shown' picture
            or the 'stored' one. None: compare the sizes.
        image_backend: ``imdecode_backend`` of LoadImageFromFile.
        turns: True: LoadImageFromFile turns images by their EXIF orientation.
        keeps_16_bits: True: LoadImageFromFile does not cut images to 8 bits.
    """

    num_classes: int | None = None
    ignore_index: int = 255
    reduce_zero_label: bool = False
    label_map: Mapping[int, int] | None = None
    colours: Mapping[int, int] | None = None
    label_loader: str = 'pillow'
    label_orientation: str | None = None
    image_backend: str = 'cv2'
    turns: bool = True
    keeps_16_bits: bool = False

    def class_of(self, value: int) -> int | None:
        """Return the class id or ignore_index that a value means, or None if it is neither."""
        if value >= COLOUR:
            return (self.colours or {}).get(value)
        if self.label_loader != 'mask' and not 0 <= value <= 255:
            return None  # LoadAnnotations would wrap it to 8 bits.
        if self.reduce_zero_label:
            value = 255 if value in (0, 255) else value - 1
        value = (self.label_map or {}).get(value, value)
        is_class = 0 <= value < (self.num_classes or 256)
        return value if is_class or value == self.ignore_index else None

    def class_ids(self, values: np.ndarray) -> np.ndarray:
        """Map the values of a label (H, W) to class ids (H, W), uint8.

        Raises:
            ValueError: If a value is neither a class nor ignored. The message names it.
        """
        present = np.unique(values).tolist()
        known = {value: self.class_of(value) for value in present}
        if strange := [value for value in present if known[value] is None]:
            raise ValueError(
                f'has the values [{first([*map(shown, strange)], 10)}]: {self.valid()}'
            )
        ids = values.astype(np.uint8)
        for value, index in known.items():
            if index is not None and index != value:
                ids[values == value] = index
        return ids

    def valid(self) -> str:
        """Return the valid values as a text such as '0..18, 255 to ignore'."""
        mapped = self.reduce_zero_label or self.label_map
        after = ' after reduce_zero_label and label_map' if mapped else ''
        return f'0..{(self.num_classes or 256) - 1}, {self.ignore_index} to ignore{after}'

    def judge(self, pairs: Sequence[tuple[str, str | None]], seen: Sequence[list]) -> Outcome:
        """Check (image, label) pairs by ``seen``, the facts that ``audit.look`` found in them."""
        faults: list[Fault] = []
        labels, values, counts = 0, Counter[int](), Counter[int]()
        ignored, deep, flat, most = [], [], [], 0
        shades, indices = dict[int, int](), dict[int, tuple[int, str]]()  # colours of all palettes
        for index, ((image_path, path), (image, label)) in enumerate(zip(pairs, seen)):
            for name, facts in ((image_path, image), (path, label)):
                if facts and 'fault' in facts:
                    kind, text = facts['fault'], facts['text']
                    faults.append(Fault(kind, text, index, facts is label, str(name)))
            if 'max' in image:
                deep.append(f'{image_path} (up to {image["max"]:g})')
                most = max(most, image['max'])
            elif 'size' in image:
                flat.append(image_path)
            reads_floats = self.keeps_16_bits and 'floats' in image
            if image.get('opencv') is False and self.image_backend == 'cv2' and not reads_floats:
                faults.append(Fault('decoder', image_path, index, False, image_path))
            if not label or 'mode' not in label:
                continue
            found = self._faults_of_label(image, label) or _mixed(label, str(path), shades, indices)
            for kind, text in found:
                text = f'{path} {text.format(image_path)}'
                faults.append(Fault(kind, text, index, True, str(path)))
            labels += 1
            values.update(dict(zip(label['values'], label['counts'])))
            if label['values'] and {*map(self.class_of, label['values'])} == {self.ignore_index}:
                ignored.append(str(path))
        for value, number in values.items():
            if (class_id := self.class_of(value)) is not None:
                counts[class_id] += number
        if {*values} == {0, 255} and self.num_classes and self.class_of(255) == self.ignore_index:
            faults.append(Fault('one class', f'all {labels} labels', None, True))
        elif labels and len(ignored) == labels:
            faults.append(Fault('all ignored', f'all {labels} labels', None, True))
        notes = {'labels ignore every pixel': ignored}
        if not self.keeps_16_bits:
            notes[f'images have 16 bits. {DEEP.format(2 ** int(most).bit_length() - 1)}'] = deep
        elif deep:
            notes['images have 8 bits, others have 16, and all are read as 16'] = flat
        warnings = [f'{len(n)} {text}: {first(n)}' for text, n in notes.items() if n]
        return Outcome(faults, warnings, values, counts)

    def _faults_of_label(self, image: dict, label: dict) -> list[tuple[str, str]]:
        """Return kind and text of each fault. '{}' in a text stands for the path of the image."""
        faults = []
        modes = LABEL_MODES - ({'P', '1'} if self.label_loader not in ('pillow', 'mask') else set())
        modes = modes | (COLOUR_MODES if self.label_loader == 'mask' and self.colours else set())
        count = dict(zip(label['values'], label['counts']))
        strange = [v for v in count if self.class_of(v) is None]
        if label['mode'] not in modes:
            faults.append(('mode', f'has mode {label["mode"]}'))
        elif strange:
            pixels, total = sum(count[v] for v in strange), sum(count.values())
            kind = 'colours' if label['mode'] in COLOUR_MODES else 'values'
            found = first([*map(shown, strange)], 10)
            faults.append((kind, f'has the {kind} [{found}] in {pixels} of {total} pixels'))
        elif len(meant := [(self.colours or {}).get(c) for c in label.get('colours', ())]) > 1:
            if None not in meant and meant != [self.class_of(v) for v in count]:
                text = ', '.join(f'{v} has the colour of {m}' for v, m in zip(count, meant))
                faults.append(('own palette', f'has indices of other colours: {text}'))
        if 'turned' in label:
            faults.append(('turned label', 'has an EXIF orientation'))
        elif 'size' in image and self.image_backend in ('cv2', 'pillow', 'turbojpeg'):
            sizes = [image['size'], image.get('turned', image['size'])]
            turns = self.turns and not image.get('never_turned')
            size, used, other = label['size'], sizes[turns], sizes[not turns]
            wanted = {'shown': True, 'stored': False}.get(self.label_orientation or '')
            if size != used:
                kind = 'orientation' if size == other else 'size'
                text = f'is {size[0]}x{size[1]}, its image {{}} is {used[0]}x{used[1]}'
                faults.append((kind, text + ' as it is read' * (kind == 'orientation')))
            elif 'turned' in image and used == other and wanted is not turns:
                if wanted is None and self.turns:
                    faults.append(('unclear', 'may be turned against its image {}'))
                elif wanted is not None:
                    faults.append(('orientation', 'is turned against its image {} as it is read'))
        return faults


def _mixed(
    label: dict, path: str, shades: dict[int, int], indices: dict[int, tuple[int, str]]
) -> list[tuple[str, str]]:
    """Return a fault if the palettes of this label and of an earlier one number colours otherwise.

    ``shades`` has the first colour of each index. ``indices`` has the first index of each colour,
    and the path of its label. Both are extended.
    """
    pairs = [*zip(label['values'], label.get('colours', ()))]
    if len({shade for _, shade in pairs}) < len(pairs):
        return []  # no palette that tells classes apart
    other = [value for value, shade in pairs if shades.setdefault(value, shade) != shade]
    odd = [pair for pair in pairs if indices.setdefault(pair[1], (pair[0], path))[0] != pair[0]]
    if not (other and odd):
        return []
    (value, shade), (index, known) = odd[0], indices[odd[0][1]]
    return [('own palette', f'has the colour {shown(shade)} at {value}, {known} at {index}')]


def colour(red: int, green: int, blue: int) -> int:
    """Return the value of a colour."""
    return COLOUR + (red << 16) + (green << 8) + blue


def shown(value: int) -> int | tuple[int, ...]:
    """Return the value, or (R, G, B) if it stands for a colour."""
    return tuple((value - COLOUR).to_bytes(3, 'big')) if value >= COLOUR else value
