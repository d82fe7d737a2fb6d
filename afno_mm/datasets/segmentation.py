"""Images and masks of segmentation, with a check of their files before the first step."""

import os.path as osp
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from mmengine import fileio
from mmseg.datasets import BaseSegDataset

from ..names import first
from ..registry import DATASETS, type_name
from .audit import inventory
from .checked import AuditedFiles, with_text_paths
from .pairs import IMAGE_SUFFIXES, LABEL_SUFFIXES, Folders, suffixes_of
from .rules import COLOUR, Fault, Outcome, Rules, colour, shown

CLASSES = """Name the classes, in the order of their ids: metainfo=dict(classes=('road', 'car')),
or metainfo=dict(classes='FILE'), or {root}/classes.txt. A file has one name in each line, if
wanted followed by R G B."""
# A line of a class file: 'name', 'name R G B', CVAT's 'name:R,G,B::', or CamVid's 'R G B name'
CLASS_LINE = re.compile(r'(.+?)(?:[\s,;:]+(\d+[\s,]+\d+[\s,]+\d+)[\s:]*)?$')
COLOUR_FIRST = re.compile(r'(\d+[\s,]+\d+[\s,]+\d+)[\s,;:]+(.*\D.*)$')
HEADER = re.compile(r'name[\s,;:]+r[\s,;:]+g[\s,;:]+b$', re.IGNORECASE)


def class_rows(lines: Sequence[str]) -> list[tuple[str, str]]:
    """Return the name and the colour, or '', of each line of a class file. '#' begins a comment."""
    rows = []
    for line in lines:
        if line[0] != '#' and not HEADER.match(line):
            first = COLOUR_FIRST.match(line)
            rows.append((first[2].strip(), first[1]) if first else CLASS_LINE.findall(line)[0])
    return rows


class CheckedFiles(AuditedFiles, BaseSegDataset):
    """:class:`AuditedFiles` for MMSegmentation. It also checks sizes and class ids of labels.

    An image and its label have the same path below their folders, except for the suffixes, which
    can have any case. If ``data_prefix`` has no ``seg_map_path``, the images are for prediction and
    need no labels.

    Args:
        label_orientation: Labels of images with an EXIF orientation fit the picture as 'shown' by
            viewers, or as 'stored'. None: compare the sizes. It is a fault if they do not decide.
        *args, **kwargs: Arguments of :class:`AuditedFiles` and of BaseSegDataset. Each of
            ``img_suffix`` and ``seg_map_suffix`` can be one or several. The lines of ``ann_file``
            are names of images with or without a suffix, or 'image label'.
    """

    def __init__(self, *args: Any, label_orientation: str | None = None, **kwargs: Any) -> None:
        if label_orientation not in (None, 'shown', 'stored'):
            wanted = "None, 'shown' or 'stored'"
            raise ValueError(f'label_orientation must be {wanted}, got {label_orientation!r}')
        self.label_orientation, self.spare = label_orientation, ''
        prefix = kwargs.get('data_prefix')
        if prefix is not None and 'img_path' not in prefix:
            wanted = "'img_path', and 'seg_map_path' if there are labels"
            raise ValueError(f'data_prefix must have {wanted}, got {dict(prefix)}')
        super().__init__(*args, **kwargs)

    def load_data_list(self) -> list[dict]:
        images, labels = self.data_prefix['img_path'], self.data_prefix.get('seg_map_path')
        lines = self._lines_of(self.ann_file, self.LAYOUT) if self.ann_file else None
        # A list of absolute paths needs no folder.
        if lines is None or not all(map(osp.isabs, lines)):
            for folder in (images, labels):
                if folder is not None:
                    self._check_folder(folder)
        suffixes = suffixes_of(self.img_suffix), suffixes_of(self.seg_map_suffix)
        folders = Folders(images, labels, *suffixes, self.backend_args)
        pairs = folders.pairs() if lines is None else [folders.pair_of(line) for line in lines]
        if not pairs:
            what = 'is a label by seg_map_suffix' if images == labels else 'is among them'
            found = f'no image *{" *".join(suffixes[0])} in {images}. {inventory(images)}'
            mend = f'img_suffix must be the suffix of the images. No file that {what} is an image.'
            raise self._error(FileNotFoundError, found, mend, self.LAYOUT, self.GET_DATA)
        if lines is None:
            self._note_left_out(folders.left_out, 'img_suffix')
            if spare := folders.spare_labels():
                self.spare = f'{len(spare)} labels have no image (misnamed?): {first(spare)}.'
                self._warn(f'{self.spare} They are ignored.')
        common = dict(label_map=self.label_map, reduce_zero_label=self.reduce_zero_label)
        return [
            dict(common, seg_fields=[], img_path=image)
            | (dict(seg_map_path=label) if label is not None else {})
            | (dict(twins=twins) if twins else {})
            for image, label, twins in pairs
        ]

    def _faults_of_names(self) -> list[Fault]:
        return super()._faults_of_names() + [
            Fault('twins', f'{i["img_path"]} and {", ".join(i["twins"])}', n, path=i['img_path'])
            for n, i in enumerate(self.items())
            if 'twins' in i
        ]

    def _count(self, outcome: Outcome) -> str:
        lines = [super()._count(outcome)]
        kinds = {fault.kind for fault in outcome.faults}
        if 'no label' in kinds:
            suffixes = ', '.join(suffixes_of(self.seg_map_suffix))
            found = inventory(self.data_prefix['seg_map_path'])
            lines += [f'{found} Labels must end with {suffixes}.', self.spare]
        if kinds & {'values', 'colours', 'one class'}:
            most = [f'{shown(v)} in {n} pixels' for v, n in outcome.values.most_common(12)]
            lines.append(f'All labels together have the values {", ".join(most)}.')
        return '\n'.join(filter(None, lines))

    def _rules(self) -> Rules:
        classes = self._metainfo.get('classes')
        return replace(
            super()._rules(),
            num_classes=len(classes) if classes else None,
            ignore_index=self.ignore_index,
            reduce_zero_label=self.reduce_zero_label,
            label_map=self.label_map,
            label_orientation=self.label_orientation,
        )


@DATASETS.register_module()
class SegDataset(CheckedFiles):
    """Any folder of images and masks, with the files checked, see :class:`CheckedFiles`.

    Both folders can be the same if the suffixes differ. ``LoadAnnotations`` in the pipeline becomes
    :class:`LoadMask`, unless it has settings of its own. LoadMask reads masks of the modes L, P, 1,
    I and I;16 as class ids, and masks in RGB by the palette.

    Args:
        metainfo: ``classes``: names of the classes, or a file with one name in each line, if
            wanted followed by R G B. ``palette``: a colour for each class, or a file with R G B
            in each line. Without ``classes``, the file ``classes.txt`` in ``data_root`` has
            them. Relative paths of files are looked up in ``data_root`` first.
        img_suffix: Suffix of the image names, or several suffixes, in any case.
        seg_map_suffix: The same for the masks, for instance '_mask.png'.
        label_map: Maps values in the mask files to class ids or ``ignore_index``:
            ``{255: 1}``. A key can be a colour (R, G, B). Other values stay as they are.
        pipeline: Transforms, as in BaseSegDataset.
        lazy_init: True: find and check the files only at the first use.
        **kwargs: Arguments of :class:`CheckedFiles` and of BaseSegDataset.

    Raises:
        FileNotFoundError: If folders, images or masks are missing, and nothing else is wrong.
        ValueError: If settings or files have other faults. The message says how to fix them.
    """

    LABEL_LOADER = 'mask'
    label_map: dict[int, int] | None
    LAYOUT = """Expected are images and masks with the same names but for the suffixes, in folders
below {root}: data_prefix=dict(img_path=IMAGES, seg_map_path=MASKS). Or a list as ann_file."""

    METAINFO: dict[str, Any]

    def __init__(
        self,
        *,
        metainfo: Mapping[str, Any] | None = None,
        img_suffix: str | Sequence[str] = IMAGE_SUFFIXES,
        seg_map_suffix: str | Sequence[str] = LABEL_SUFFIXES,
        label_map: Mapping | None = None,
        pipeline: Sequence = (),
        lazy_init: bool = False,
        **kwargs: Any,
    ) -> None:
        kwargs = with_text_paths(kwargs)
        self.data_root = kwargs.get('data_root')
        self.backend_args = kwargs.get('backend_args')
        metainfo = self._read_metainfo(dict(metainfo or {}))
        super().__init__(
            metainfo=metainfo,
            img_suffix=img_suffix,
            seg_map_suffix=seg_map_suffix,
            pipeline=_with_masks(list(pipeline)),
            lazy_init=True,
            **kwargs,
        )
        has_palette = metainfo.get('palette') or self.METAINFO.get('palette')
        palette = self._metainfo['palette'] if has_palette else ()
        own = self.METAINFO
        self.METAINFO = self._metainfo  # MMSegmentation's confusion_matrix.py reads it.
        self.colours = {colour(*rgb): index for index, rgb in enumerate(palette)}
        for name, rgb in zip(own.get('classes') or (), own.get('palette') or ()):
            if name not in self._metainfo['classes']:  # MMSegmentation ignores left-out classes
                self.colours.setdefault(colour(*rgb), self.ignore_index)
        if label_map:
            self._set_label_map(label_map)
        if not lazy_init:
            self.full_init()

    @cached_property
    def mask_rules(self) -> Rules:
        """The rules by which :class:`LoadMask` reads the labels."""
        return self._rules()

    def get_data_info(self, idx: int) -> dict:
        return super().get_data_info(idx) | dict(mask_rules=self.mask_rules)

    def _rules(self) -> Rules:
        return replace(super()._rules(), colours=self.colours)

    def _count(self, outcome: Outcome) -> str:
        """Also suggest a label_map from the sorted values in the files to the class ids."""
        text, number = super()._count(outcome), len(self._metainfo['classes'])
        values = sorted(value for value in outcome.values if value < COLOUR)
        if len(values) > number:
            values = [value for value in values if value != self.ignore_index]
        is_mapped = self.label_map or self.reduce_zero_label or len(values) > number
        if not is_mapped and any(fault.kind == 'values' for fault in outcome.faults):
            mapping = {value: index for index, value in enumerate(values) if value != index}
            text += f'\nIf they are the classes in this order, set label_map={mapping}.'
        return text

    def _read_metainfo(self, metainfo: dict) -> dict:
        """Read the files that metainfo names, and check names and colours."""
        if not metainfo.get('classes', self.METAINFO.get('classes')):
            metainfo['classes'] = 'classes.txt'
        if isinstance(names := metainfo.get('classes'), str):
            rows = class_rows(self._lines_of_meta(names))
            metainfo['classes'] = [name for name, _ in rows]
            if any(rgb for _, rgb in rows):
                metainfo.setdefault('palette', [rgb for _, rgb in rows])
        palette = metainfo.get('palette') or ()
        palette = self._lines_of_meta(palette) if isinstance(palette, str) else palette
        palette = [re.findall(r'\d+', c) if isinstance(c, str) else c for c in palette]
        palette = [tuple(map(int, c)) for c in palette]
        classes = metainfo.get('classes') or self.METAINFO['classes']
        found = ''
        if len({*classes}) < len(classes) or not 0 < len(classes) < 256:
            found = f'{len(classes)} classes (at most 255), {len({*classes})} different names'
        elif palette and len(palette) != len(classes):
            found = f'{len(palette)} colours, {len(classes)} classes'
        elif len({*palette}) < len(palette) or any(len(c) != 3 or max(c) > 255 for c in palette):
            found = f'palette needs different colours R G B, each 0..255, got {palette}'
        if found:
            raise self._error(ValueError, found, CLASSES)
        return metainfo | (dict(palette=palette) if palette else {})

    def _lines_of_meta(self, name: str) -> list[str]:
        """Return a file's lines without comments, from ``data_root`` or the working directory."""
        path = fileio.join_path(self.data_root or '.', name)
        path = path if fileio.isfile(path, self.backend_args) else name
        return [line for line in self._lines_of(path, CLASSES) if line[0] != '#']

    def _set_label_map(self, label_map: Mapping) -> None:
        """Split a label_map into values and colours. Keys can be text, as in a dumped config."""
        numbers = {
            tuple(map(int, re.findall(r'-?\d+', str(k)))): int(v) for k, v in label_map.items()
        }
        targets = {*range(len(self._metainfo['classes'])), self.ignore_index}
        wrong = {k: v for k, v in numbers.items() if len(k) not in (1, 3) or v not in targets}
        if wrong or self.reduce_zero_label or self.label_map:
            valid = self._rules().valid()
            found = f'label_map={dict(label_map)} must map a value or (R, G, B) to {valid}'
            mend = 'With a label_map, give no reduce_zero_label, and all classes of the dataset.'
            raise self._error(ValueError, found, mend)
        self.label_map = {key[0]: value for key, value in numbers.items() if len(key) == 1}
        self.colours |= {colour(*key): value for key, value in numbers.items() if len(key) == 3}


def _with_masks(steps: Any) -> Any:
    """Put :class:`LoadMask` in the place of each LoadAnnotations that has no settings."""
    if isinstance(steps, Mapping):
        is_loader = type_name(steps.get('type', '')) == 'LoadAnnotations'
        if is_loader and {*steps} <= {'type', 'backend_args'}:
            return dict(steps, type='afno_mm.LoadMask')
        return {key: _with_masks(value) for key, value in steps.items()}
    if type(steps) in (list, tuple):
        return type(steps)(map(_with_masks, steps))
    return steps
