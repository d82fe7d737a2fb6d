"""Dataset bases that check their files before the first training step."""

import logging
import os
import os.path as osp
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmengine import fileio
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log
from mmseg.datasets import BaseSegDataset

from .audit import Memory, audit, broken_links, count_suffixes, inventory, on_one_process
from .rules import KINDS, WHOLE_SET, Fault, Rules, first

# Folder of the data scripts, for commands in messages. A wheel installs them below .mim.
INSTALLED_SCRIPTS = Path(__file__).parents[1] / '.mim/data'
SCRIPTS = str(INSTALLED_SCRIPTS) if INSTALLED_SCRIPTS.is_dir() else 'data'
SETTINGS = """Settings of the dataset: on_bad_file='skip' leaves out a few bad samples, audit=False
(or AFNO_MM_AUDIT=0 in the environment) does not look into the files."""


class AuditedFiles(BaseDataset):
    """Look at every file before the first training step, see :mod:`afno_mm.datasets.audit`.

    Use it as the first base of a class, in front of an MMEngine dataset. It looks at the samples
    that ``indices`` selects, when the dataset lists them. In a distributed run every process
    must build the dataset: one per machine looks at the files, the others wait for it.

    The class attributes are the texts of the messages. In them ``{root}`` stands for
    ``data_root``, ``{parent}`` for the folder above it, ``{scripts}`` for the folder of the
    data scripts.

    Args:
        audit: False: only check that the files exist. ``AFNO_MM_AUDIT=0`` in the environment
            does the same for all datasets.
        on_bad_file: 'stop' raises an error that counts the faults and names the first ones.
            'skip' leaves out the samples that have faults. A warning counts them and names the
            file that lists all of them.
        max_bad_share: The largest share of samples that 'skip' leaves out. More are an error.
        *args, **kwargs: Arguments of the next base class.

    Attributes:
        NAME: Name of the dataset; every message starts with it.
        LAYOUT: The files that the dataset needs.
        GET_DATA: Commands that download or generate all of them.
        MEND_LABELS: Commands that replace missing or wrong labels.
        IDS: What the values of the labels are called.
        NOT_IDS: What labels with other values probably are.

    Raises:
        FileNotFoundError: If folders, images or labels are missing, and nothing else is wrong.
        ValueError: If files have other faults.
    """

    NAME = LAYOUT = GET_DATA = MEND_LABELS = NOT_IDS = ''
    IDS = 'class ids'
    backend_args: dict | None = None
    data_list: list[dict]
    serialize_data: bool
    _fully_initialized: bool

    def __init__(
        self,
        *args: Any,
        audit: bool = True,
        on_bad_file: str = 'stop',
        max_bad_share: float = 0.01,
        **kwargs: Any,
    ) -> None:
        if on_bad_file not in ('stop', 'skip'):
            raise ValueError(f"on_bad_file must be 'stop' or 'skip', got {on_bad_file!r}")
        self.audit = audit and os.environ.get('AFNO_MM_AUDIT') != '0'
        self.on_bad_file, self.max_bad_share = on_bad_file, max_bad_share
        super().__init__(*args, **kwargs)

    def full_init(self) -> None:
        if self._fully_initialized:
            return
        # The audit may shorten the list: serialise it afterwards.
        serialize, self.serialize_data = self.serialize_data, False
        super().full_init()
        self.serialize_data, self._fully_initialized = serialize, False
        self._audit()
        if serialize:
            self.data_bytes, self.data_address = self._serialize_data()
        self._fully_initialized = True

    def prepare_data(self, idx: int) -> Any:
        """Name the image if the pipeline fails. OpenCV does not name an empty file."""
        try:
            return super().prepare_data(idx)
        except Exception as error:
            path = self.get_data_info(idx)['img_path']
            raise RuntimeError(f'reading or transforming {path} failed: {error}') from error

    def _audit(self) -> None:
        pairs = [(item['img_path'], item.get('seg_map_path')) for item in self.data_list]
        memory = Memory(self.data_root or '.')
        work = audit(pairs, self._rules(), memory, self._name, self.audit, self.backend_args)
        found, notes = on_one_process(work)
        for note in notes:
            self._warn(note)
        faults = self._faults_of_names()
        hidden = {fault.sample for fault in faults if fault.kind == 'hidden'}
        faults += [fault for fault in found if fault.sample not in hidden]
        if not faults:
            return
        if self.on_bad_file == 'stop' or any(fault.kind in WHOLE_SET for fault in faults):
            raise self._refusal(faults, SETTINGS)
        bad = {fault.sample for fault in faults} - {None}
        number = len(bad) + sum(fault.sample is None for fault in faults)
        text = f'{number} of {len(pairs)} samples are bad'
        if number > self.max_bad_share * len(pairs):
            limit = f"on_bad_file='skip' leaves out at most max_bad_share={self.max_bad_share}"
            raise self._refusal(faults, f'{text}. {limit} of the samples.')
        every = [f'{fault.kind}: {fault.text}' for fault in faults]
        name = osp.relpath(self.ann_file or self.data_prefix['img_path'], self.data_root or '.')
        listed = memory.write(
            f'-{re.sub(r"[^a-zA-Z0-9]+", "-", name)[-60:]}.txt', '\n'.join(every) + '\n'
        )
        self._warn(f'{text} and left out.\n{self._count(faults)}\nAll of them: {listed or every}')
        self.data_list = [item for i, item in enumerate(self.data_list) if i not in bad]

    def _rules(self) -> Rules:
        """How the pipeline reads the files."""
        steps = {type(step).__name__: step for step in self.pipeline.transforms}
        image = steps.get('LoadImageFromFile')
        colour = getattr(image, 'color_type', 'color')  # a name or a flag of OpenCV
        backend = getattr(image, 'imdecode_backend', 'cv2')
        return Rules(
            label_backend=getattr(steps.get('LoadAnnotations'), 'imdecode_backend', 'pillow'),
            turns=colour in ('color', 'grayscale', 0, 1, 2, 3) and backend in ('cv2', 'pillow'),
            keeps_16_bits=colour in ('unchanged', -1, 2, 3),
        )

    def _faults_of_names(self) -> list[Fault]:
        """Hidden folders and broken links among the images. A list says which ones it wants."""
        if self.ann_file:
            return []
        folder = self.data_prefix['img_path'].rstrip('/')
        faults = [
            Fault('hidden', item['img_path'], index)
            for index, item in enumerate(self.data_list)
            if '/.' in item['img_path'][len(folder) :]
        ]
        if self._indices is None and osp.isdir(folder):
            suffixes = getattr(self, 'extensions', None) or [self.img_suffix]
            faults += broken_links(folder, suffixes)
        return faults

    @property
    def _name(self) -> str:
        return self.NAME or type(self).__name__

    def _count(self, faults: Sequence[Fault]) -> str:
        """The number of faults of each kind, and the first ones."""
        lines = []
        for kind, (headline, _) in KINDS.items():
            texts = [fault.text for fault in faults if fault.kind == kind]
            headline = headline.format(ids=self.IDS, valid=self._rules().valid())
            if texts and kind in WHOLE_SET:
                lines.append(f'{texts[0]} {headline}')
            elif texts:
                lines.append(f'{len(texts)} of {len(self.data_list)} {headline}:')
                lines += [f'  {text}' for text in texts[:5]] + ['  ...'] * (len(texts) > 5)
        return '\n'.join(lines)

    def _refusal(self, faults: Sequence[Fault], *advice: str) -> Exception:
        kinds = {fault.kind for fault in faults}
        missing = {'no image', 'no label', 'broken link'}
        mends = [mend for kind, (_, mend) in KINDS.items() if kind in kinds]
        mends += [self.NOT_IDS] if 'values' in kinds else []
        mends += [self.LAYOUT] if kinds & missing else []
        mends += [self.MEND_LABELS] if any(fault.of_label for fault in faults) else []
        mends += [self.GET_DATA] if not all(fault.of_label for fault in faults) else []
        kind = FileNotFoundError if kinds <= missing else ValueError
        return self._error(kind, self._count(faults), *dict.fromkeys(mends), *advice)

    def _error(self, kind: type[Exception], found: str, *advice: str) -> Exception:
        root = (self.data_root or '.').rstrip('/')
        places = dict(root=root, parent=osp.dirname(root) or '.', scripts=SCRIPTS)
        lines = [f'{self._name}: {found}', *(a.format(**places) for a in advice if a)]
        return kind('\n'.join(lines))

    def _warn(self, text: str) -> None:
        print_log(f'{self._name}: {text}', logger='current', level=logging.WARNING)


class CheckedFiles(AuditedFiles, BaseSegDataset):
    """Look at every file of an MMSegmentation dataset, see :class:`AuditedFiles`.

    Use it as the first base of a class. There must be images, every image must have a label,
    and every label must have the size of its image and hold class ids. If ``data_prefix`` has no
    ``seg_map_path``, the images are for prediction only and need no labels.
    """

    def load_data_list(self) -> list[dict]:
        images, labels = self.data_prefix['img_path'], self.data_prefix.get('seg_map_path')
        for folder in filter(None, (images, labels)):
            if not fileio.isdir(folder, backend_args=self.backend_args):
                raise self._error(
                    FileNotFoundError, f'there is no folder {folder}', self.LAYOUT, self.GET_DATA
                )
        data_list = super().load_data_list()
        if not data_list:
            found = f'no image *{self.img_suffix} in {images}. {inventory(images)}'
            mend = 'img_suffix must be the suffix of the images, in the same case.'
            raise self._error(FileNotFoundError, found, mend, self.LAYOUT, self.GET_DATA)
        return data_list

    def _audit(self) -> None:
        spare = self._spare_labels()
        super()._audit()
        if spare:
            self._warn(f'{spare} They are ignored.')

    def _spare_labels(self) -> str:
        """Say how many labels have no image, and which."""
        folder = self.data_prefix.get('seg_map_path')
        if not folder or self.ann_file or self._indices is not None:
            return ''
        wanted = {item['seg_map_path'] for item in self.data_list}
        names = fileio.list_dir_or_file(
            folder,
            list_dir=False,
            suffix=self.seg_map_suffix,
            recursive=True,
            backend_args=self.backend_args,
        )
        spare = sorted({osp.join(folder, name) for name in names} - wanted)
        return f'{len(spare)} labels have no image (misnamed?): {first(spare)}.' if spare else ''

    def _faults_of_names(self) -> list[Fault]:
        folder, suffix = self.data_prefix['img_path'], osp.splitext(f'x{self.img_suffix}')[1]
        for other in set(count_suffixes(folder)) - {suffix}:
            if other.lower() == suffix.lower() and not self.ann_file:
                self._warn(f'{inventory(folder)} img_suffix leaves out *{other}.')
        return super()._faults_of_names()

    def _count(self, faults: Sequence[Fault]) -> str:
        lines = [super()._count(faults)]
        if any(fault.kind == 'no label' for fault in faults):
            found = inventory(self.data_prefix['seg_map_path'])
            lines += [f'{found} Labels must end with {self.seg_map_suffix}, in the same case.']
            lines += [self._spare_labels()]
        return '\n'.join(filter(None, lines))

    def _rules(self) -> Rules:
        classes = self._metainfo.get('classes')
        return replace(
            super()._rules(),
            num_classes=len(classes) if classes else None,
            ignore_index=self.ignore_index,
            reduce_zero_label=self.reduce_zero_label,
            label_map=self.label_map,
        )
