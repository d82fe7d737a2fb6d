"""The base class of datasets that check their files before the first training step."""

import logging
import os
import os.path as osp
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mmcv.transforms import LoadAnnotations, LoadImageFromFile
from mmengine import fileio
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from ..names import first
from .audit import Memory, audit, count_suffixes, on_one_process
from .pairs import lines_of
from .rules import KINDS, WHOLE_SET, Fault, Outcome, Rules

# Folder of the data scripts, for commands in messages. A wheel installs them below .mim.
INSTALLED_SCRIPTS = Path(__file__).parents[1] / '.mim/data'
SCRIPTS = str(INSTALLED_SCRIPTS) if INSTALLED_SCRIPTS.is_dir() else 'data'
SETTINGS = """Settings of the dataset: on_bad_file='skip' leaves out a few bad samples; audit=False
(or AFNO_MM_AUDIT=0 in the environment) does not look into the files."""


def with_text_paths(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings of a dataset in which each pathlib path is a string."""
    prefix = settings.get('data_prefix')
    if isinstance(prefix, dict):
        settings = dict(settings, data_prefix=with_text_paths(prefix))
    return {k: os.fspath(v) if isinstance(v, os.PathLike) else v for k, v in settings.items()}


class AuditedFiles(BaseDataset):
    """Look at every file before the first training step, see :mod:`afno_mm.datasets.audit`.

    Use it as the first base class, before an MMEngine dataset. It looks at the samples that
    ``indices`` selects. In a distributed run every process must build the dataset: one process per
    machine looks at the files, and the others wait for it.

    The class attributes are the texts of the messages. In them ``{root}`` is ``data_root``,
    ``{parent}`` the folder above it, and ``{scripts}`` the folder of the data scripts.

    Args:
        audit: False: only check that the files exist. ``AFNO_MM_AUDIT=0`` in the environment
            does the same for all datasets.
        on_bad_file: 'stop' raises an error that counts the faults and names the first ones.
            'skip' leaves out the samples that have faults. A warning counts them and names the
            file that lists all of them.
        max_bad_share: The largest share of samples that 'skip' leaves out. More are an error.
        *args, **kwargs: Arguments of the next base class.

    Attributes:
        GET_DATA: Commands that download or generate all files of ``LAYOUT``.
        MEND_LABELS: Commands that replace missing or wrong labels.
        IDS: What messages call the valid label values.
        NOT_IDS: A hint about labels with other values.

    Raises:
        FileNotFoundError: If folders, images or labels are missing, and nothing else is wrong.
        ValueError: If files have other faults.
    """

    NAME = LAYOUT = GET_DATA = MEND_LABELS = NOT_IDS = ''
    IDS = 'class ids'
    LABEL_LOADER = 'pillow'  # reads the labels if the pipeline has no LoadAnnotations
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
        self.warnings: list[str] = []
        super().__init__(*args, **with_text_paths(kwargs))

    def full_init(self) -> None:
        if self._fully_initialized:
            return
        self.read_list()
        self._audit()
        if self.serialize_data:
            self.data_bytes, self.data_address = self._serialize_data()
        self._fully_initialized = True

    def read_list(self) -> None:
        """List the samples without opening their files."""
        # Serialise the list after the audit, which can shorten it.
        serialize, self.serialize_data = self.serialize_data, False
        super().full_init()
        self.serialize_data, self._fully_initialized = serialize, False

    def items(self) -> list[dict]:
        """Return the data infos of all samples."""
        if self._fully_initialized and self.serialize_data:
            return [self.get_data_info(index) for index in range(len(self))]
        return self.data_list

    def look(self, seen: list[list] | None = None) -> Iterator[Outcome | None]:
        """Audit the files of all samples, see :func:`audit`."""
        pairs = [(item['img_path'], item.get('seg_map_path')) for item in self.items()]
        memory, rules = Memory(self.data_root or '.'), self._rules()
        for outcome in audit(pairs, rules, memory, self._name, self.audit, self.backend_args, seen):
            yield outcome and self._complete(outcome)

    def prepare_data(self, idx: int) -> Any:
        """Run the pipeline. If it fails, name the image: OpenCV does not name an empty file."""
        try:
            return super().prepare_data(idx)
        except Exception as error:
            path = self.get_data_info(idx)['img_path']
            raise RuntimeError(f'reading or transforming {path} failed: {error}') from error

    def _audit(self) -> None:
        outcome = on_one_process(self.look())
        for warning in outcome.warnings:
            self._warn(warning)
        if refusal := self.refusal(outcome):
            raise refusal
        if not outcome.faults:
            return
        bad = {fault.sample for fault in outcome.faults}
        every = [f'{fault.kind}: {fault.text}' for fault in outcome.faults]
        name = osp.relpath(self.ann_file or self.data_prefix['img_path'], self.data_root or '.')
        name = re.sub('[^a-zA-Z0-9]+', '-', name)[-60:]
        memory = Memory(self.data_root or '.')
        listed = memory.write(f'-{name}.txt', '\n'.join(every) + '\n')
        left_out = f'{len(bad)} of {len(self.data_list)} samples are bad and left out'
        self._warn(f'{left_out}.\n{self._count(outcome)}\nAll of them: {listed or every}')
        self.data_list = [item for i, item in enumerate(self.data_list) if i not in bad]

    def refusal(self, outcome: Outcome) -> Exception | None:
        """Return the error to raise, or None if there are no faults or 'skip' allows them."""
        faults, samples = outcome.faults, len(self.items())
        if not faults:
            return None
        if self.on_bad_file == 'stop' or any(fault.kind in WHOLE_SET for fault in faults):
            return self._refusal(outcome, SETTINGS)
        bad = len({fault.sample for fault in faults})
        if bad <= self.max_bad_share * samples:
            return None
        limit = f"on_bad_file='skip' leaves out at most max_bad_share={self.max_bad_share}"
        return self._refusal(outcome, f'{bad} of {samples} samples are bad. {limit} of them.')

    def _complete(self, outcome: Outcome) -> Outcome:
        """Add faults of file names (the only ones of hidden files); warn about unseen classes."""
        faults = self._faults_of_names()
        hidden = {fault.sample for fault in faults if fault.kind == 'hidden'}
        faults += [fault for fault in outcome.faults if fault.sample not in hidden]
        outcome = outcome._replace(faults=faults)
        warnings = list(outcome.warnings)
        classes = self._metainfo.get('classes') or ()
        never = [name for i, name in enumerate(classes) if outcome.counts and not outcome.counts[i]]
        if never:
            of = len(classes)
            warnings.append(f'{len(never)} of {of} classes are never seen: {first(never, 10)}')
        return outcome._replace(warnings=warnings)

    def _rules(self) -> Rules:
        """Return the Rules that match the loading transforms of the pipeline."""
        steps = list(self.pipeline.transforms)
        image = next((step for step in steps if isinstance(step, LoadImageFromFile)), None)
        label = next((step for step in steps if isinstance(step, LoadAnnotations)), None)
        colour = getattr(image, 'color_type', 'color')  # a name or a flag of OpenCV
        backend = getattr(image, 'imdecode_backend', 'cv2')
        return Rules(
            label_loader=getattr(label, 'imdecode_backend', self.LABEL_LOADER),
            image_backend=backend,
            turns=colour in ('color', 'grayscale', 0, 1, 2, 3) and backend in ('cv2', 'pillow'),
            keeps_16_bits=colour in ('unchanged', -1, 2, 3),
        )

    def _faults_of_names(self) -> list[Fault]:
        """Return a fault for each image in a hidden folder, or none if there is an ``ann_file``."""
        folder = self.data_prefix['img_path'].rstrip('/')
        return [
            Fault('hidden', item['img_path'], index, path=item['img_path'])
            for index, item in enumerate(self.items())
            if not self.ann_file and '/.' in item['img_path'][len(folder) :]
        ]

    def _check_folder(self, folder: str) -> None:
        if not fileio.isdir(folder or '.', self.backend_args):
            found = f'there is no folder {folder}'
            raise self._error(FileNotFoundError, found, self.LAYOUT, self.GET_DATA)

    def _lines_of(self, path: str, advice: str = '') -> list[str]:
        """Return the lines of a text file that are not empty."""
        if not fileio.isfile(path, self.backend_args):
            raise self._error(FileNotFoundError, f'there is no file {path}', advice)
        try:
            lines = lines_of(fileio.get(path, backend_args=self.backend_args))
        except UnicodeDecodeError as error:
            found = f'the file {path} is not text in UTF-8: {error}'
            raise self._error(ValueError, found, 'Save it as UTF-8.') from None
        if not lines:
            raise self._error(ValueError, f'the file {path} is empty', advice)
        return lines

    def _note_left_out(self, names: Sequence[str], by: str) -> None:
        if names:
            self._warn(f'{by} leaves out {len(names)} files: {count_suffixes(names)}')

    @property
    def _name(self) -> str:
        return self.NAME or type(self).__name__

    def _count(self, outcome: Outcome) -> str:
        """Return a text with the number of faults of each kind, and the first five."""
        lines = []
        for kind, (headline, _) in KINDS.items():
            texts = [fault.text for fault in outcome.faults if fault.kind == kind]
            headline = headline.format(ids=self.IDS, valid=self._rules().valid())
            if texts and kind in WHOLE_SET:
                lines.append(f'{texts[0]} {headline}')
            elif texts:
                lines.append(f'{len(texts)} of {len(self.items())} {headline}:')
                lines += [f'  {text}' for text in texts[:5]] + ['  ...'] * (len(texts) > 5)
        return '\n'.join(lines)

    def _refusal(self, outcome: Outcome, *advice: str) -> Exception:
        faults = outcome.faults
        kinds = {fault.kind for fault in faults}
        missing = {'no image', 'no label', 'broken link'}
        mends = [mend for kind, (_, mend) in KINDS.items() if kind in kinds]
        mends += [self.NOT_IDS] if 'values' in kinds else []
        mends += [self.LAYOUT] if kinds & missing else []
        mends += [self.MEND_LABELS] if any(fault.of_label for fault in faults) else []
        mends += [self.GET_DATA] if not all(fault.of_label for fault in faults) else []
        kind = FileNotFoundError if kinds <= missing else ValueError
        return self._error(kind, self._count(outcome), *dict.fromkeys(mends), *advice)

    def _error(self, kind: type[Exception], found: str, *advice: str) -> Exception:
        root = (self.data_root or '.').rstrip('/')
        places = dict(root=root, parent=osp.dirname(root) or '.', scripts=SCRIPTS)
        lines = [f'{self._name}: {found}', *(a.format(**places) for a in advice if a)]
        return kind('\n'.join(lines))

    def _warn(self, text: str) -> None:
        self.warnings.append(text)
        print_log(f'{self._name}: {text}', logger='current', level=logging.WARNING)
