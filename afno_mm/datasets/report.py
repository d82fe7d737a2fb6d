"""Report what the audit of a dataset found, for tools that show it."""

from typing import NamedTuple

from .checked import AuditedFiles
from .rules import Outcome, shown


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


def inspect_files(dataset: AuditedFiles) -> tuple[list[Sample], Outcome]:
    """Look at all files of a dataset. Faults of files are in the outcome and raise nothing.

    Build the dataset with ``lazy_init=True``: otherwise faults stop it first. ``fault.sample`` is
    an index into the samples. ``dataset.refusal(outcome)`` is the error of training, or None.

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
    return samples, outcome._replace(warnings=dataset.warnings + outcome.warnings)
