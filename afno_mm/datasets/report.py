"""Report what the audit of a dataset found, for tools that show it."""

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from .rules import Fault, shown

if TYPE_CHECKING:
    from .checked import AuditedFiles


class Sample(NamedTuple):
    """An image, its label, and what the audit found in them.

    ``size`` is (width, height) of the image as it is stored, and ``mode`` Pillow's mode of the
    label. ``values`` maps each value in the label file to its number of pixels. The key of a colour
    is (R, G, B). ``class_id`` is the class of the image in classification.
    """

    image: str
    label: str | None = None
    size: tuple[int, int] | None = None
    mode: str | None = None
    values: dict[int | tuple[int, ...], int] = {}
    class_id: int | None = None


@dataclass
class Report:
    """The result of :func:`inspect_files`.

    Attributes:
        faults: Faults, for which training stops. ``fault.sample`` is an index into ``samples``, or
            None for the whole set.
        warnings: What training accepts, but warns about.
        counts: Number of pixels (images, in classification) of each class id, after ``label_map``
            and ``reduce_zero_label``. ``ignore_index`` is among the keys.
        never_seen: Names of the classes without a pixel (without an image, in classification).
        refusal: The message with which training stops, or ''. With ``on_bad_file='skip'`` it is
            '' if few enough samples are bad.
    """

    name: str
    classes: tuple[str, ...]
    samples: list[Sample]
    faults: list[Fault]
    warnings: list[str]
    counts: Counter
    never_seen: list[str]
    refusal: str


def inspect_files(dataset: 'AuditedFiles') -> Report:
    """Look at all files of a dataset. Faults of files are in the report and raise nothing.

    Build the dataset with ``lazy_init=True``: otherwise faults stop it first.

    Raises:
        FileNotFoundError: If there is no folder, list or image.
        ValueError: If settings are wrong.
    """
    if not dataset._fully_initialized:
        dataset.read_list()
    seen: list[list] = []
    *_, outcome = dataset.look(seen)
    assert outcome
    samples = []
    for item, (image, label) in zip(dataset.items(), seen):
        label = label or {}
        samples.append(
            Sample(
                item['img_path'],
                item.get('seg_map_path'),
                tuple(image['size']) if 'size' in image else None,
                label.get('mode'),
                dict(zip(map(shown, label.get('values', ())), label.get('counts', ()))),
                item.get('gt_label'),
            )
        )
    return Report(
        name=dataset._name,
        classes=tuple(dataset.metainfo.get('classes') or ()),
        samples=samples,
        faults=outcome.faults,
        warnings=dataset.warnings + outcome.warnings,
        counts=outcome.counts,
        never_seen=dataset.never_seen(outcome),
        refusal=str(dataset.refusal(outcome) or ''),
    )
