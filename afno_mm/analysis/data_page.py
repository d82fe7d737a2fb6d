"""Check the datasets of a config, and show what is in them: as text, and as a page of pictures."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from mmengine.config import Config
from mmengine.registry import DATASETS, init_default_scope

from ..datasets import Outcome, Sample, inspect_files
from ..datasets.checked import AuditedFiles
from ..datasets.rules import Fault
from ..engine import build_model
from ..engine.safety.model_settings import check_class_counts
from ..engine.safety.switches import is_on
from ..registry import type_name
from ..tasks import Task, task_of
from ..tasks.dataset_configs import bare_datasets
from .html_page import escape, picture_tag, write_html


@dataclass
class Checked:
    """A dataset of a config after its check.

    ``uses`` says what the config uses it for, such as ['val', 'test']. ``outcome`` is None if the
    dataset could not be built (``refusal`` says why), or if its class does not check its files.
    """

    uses: list[str]
    cfg: dict
    dataset: Any = None
    samples: Sequence[Sample] = ()
    outcome: Outcome | None = None
    refusal: str = ''


def check_datasets(cfg: Config) -> list[Checked]:
    """Check all files of all datasets of a config. Return faults, and raise no error for them."""
    init_default_scope(cfg.get('default_scope', 'mmengine'))
    found: list[Checked] = []
    for use in ('train', 'val', 'test'):
        loader = cfg.get(f'{use}_dataloader')
        for dataset in bare_datasets(loader.dataset) if loader else ():
            same = next((checked for checked in found if checked.cfg == dataset), None)
            if same:
                same.uses.append(use)
            else:
                found.append(Checked([use], dataset))
    # Compare the classes with the model, as training does at its start.
    model = build_model(cfg, None, 'meta') if is_on(cfg, 'settings') else None
    allowed = cfg.get('allowed_settings') or ()
    for checked in found:
        try:
            checked.dataset = DATASETS.build(dict(checked.cfg, lazy_init=True))
            if isinstance(checked.dataset, AuditedFiles):
                checked.samples, checked.outcome = inspect_files(checked.dataset)
                checked.refusal = str(checked.dataset.refusal(checked.outcome) or '')
                # Mark it as initialised: pictures need its samples, even if it is refused.
                checked.dataset.serialize_data, checked.dataset._fully_initialized = False, True
            else:
                checked.dataset.full_init()
            if model is not None:
                check_class_counts(model, checked.dataset.metainfo.get('classes'), allowed)
        except Exception as error:  # Wrong settings raise many kinds. Go on with the next dataset.
            known = isinstance(error, (FileNotFoundError, ValueError))
            text = str(error) if known else f'{type(error).__name__}: {error}'
            checked.refusal = '\n'.join(filter(None, (checked.refusal, text)))
    return found


def describe(checked: Checked) -> str:
    """Describe a dataset and its faults in some lines of text."""
    kind = type_name(checked.cfg['type'])
    lines = [f'{" and ".join(checked.uses)}: {kind} {checked.cfg.get("data_root") or ""}']
    if outcome := checked.outcome:
        lines += [f'  {name:9} {text}' for name, text in _facts(checked.samples)]
        classes = checked.dataset.metainfo.get('classes') or ()
        lines += [f'  {share:8.2%}  {name}' for name, share in _shares(classes, outcome.counts)]
        lines += [f'  warning: {text}' for text in outcome.warnings]
        if not checked.dataset.audit:
            lines.append('  no file was opened: audit=False, or AFNO_MM_AUDIT=0 is set')
        if outcome.faults and not checked.refusal:
            lines.append(f'  {len(outcome.faults)} faults, whose samples training leaves out')
    elif not checked.refusal:
        lines.append(f'  not checked: {kind} does not look into its files. Ours do, as SegDataset')
    lines.append(f'REFUSED\n{checked.refusal}' if checked.refusal else '  accepted')
    return '\n'.join(lines)


def write_page(
    path: str | Path, cfg: Config, results: Sequence[Checked], number: int = 24, seed: int = 0
) -> None:
    """Write one HTML page with the texts of :func:`describe` and pictures of samples.

    For each dataset, the page shows up to ``number`` suspicious samples (with a fault, or with a
    mask of a single value). Then it shows up to ``number`` others, drawn by ``seed``.
    """
    task = task_of(cfg, default=Task())
    parts = []
    for checked in results:
        parts.append(f'<h2>{" and ".join(checked.uses)}</h2><pre>{escape(describe(checked))}</pre>')
        if checked.outcome:
            parts.append(_legend(checked.dataset.metainfo))
            faults = checked.outcome.faults
            parts += _figures(checked, faults, task, number, random.Random(seed))
    write_html(path, f'Data of {cfg.filename}', parts)


def _facts(samples: Sequence[Sample]) -> list[tuple[str, str]]:
    """Return pairs (name, text): number of samples, their sizes, modes of the masks."""
    masks = sum(sample.mode is not None for sample in samples)
    rows = [('samples', f'{len(samples)} images' + f', {masks} masks' * bool(masks))]
    sizes = [sample.size for sample in samples if sample.size]
    for name, sides in (('height', [h for _, h in sizes]), ('width', [w for w, _ in sizes])):
        if sides:
            rows.append((name, f'{min(sides)} to {max(sides)}, median {round(median(sides))}'))
    modes = Counter(sample.mode for sample in samples if sample.mode).most_common()
    if modes:
        rows.append(('modes', ', '.join(f'{count} masks in {mode}' for mode, count in modes)))
    return rows


def _shares(classes: Sequence[str], by_class: Counter) -> list[tuple[str, float]]:
    """Return the share of each class, and of ignored pixels. Without masks, images count."""
    counts = dict(by_class)
    total = sum(counts.values()) or 1
    rows = [(name, counts.pop(k, 0) / total) for k, name in enumerate(classes)]
    rows += [('(ignored)', sum(counts.values()) / total)] if counts else []
    return rows if by_class else []


def _legend(meta: dict) -> str:
    pairs = zip(meta.get('classes') or (), meta.get('palette') or ())
    colour = '<span class="colour" style="background:rgb({},{},{})"></span><span>{}</span>'
    return f'<p>{" ".join(colour.format(*rgb, escape(name)) for name, rgb in pairs)}</p>'


def _figures(
    checked: Checked, faults: Sequence[Fault], task: Task, number: int, rng: random.Random
) -> list[str]:
    """Return figures of suspicious samples, then of random ones."""
    samples, notes = checked.samples, dict[int, str]()
    for fault in faults:
        if fault.sample is not None:
            notes.setdefault(fault.sample, f'{fault.kind}: {fault.text}')
    for index, sample in enumerate(samples):
        if sample.values is not None and len(sample.values) == 1:
            notes.setdefault(index, f'the mask has the value {next(iter(sample.values))} alone')
    others = [index for index in range(len(samples)) if index not in notes]
    shown = [*list(notes)[:number], *sorted(rng.sample(others, min(number, len(others))))]
    left = len(notes) - number
    lines = [f'<p>{left} more suspicious samples are not shown</p>'] * (left > 0)
    drawn = f'{min(number, len(others))} of {len(others)} samples, drawn at random'
    lines.append(f'<p>{drawn}{" after the suspicious ones" * bool(notes)}</p>')
    return lines + [_figure(checked, task, index, notes.get(index, '')) for index in shown]


def _figure(checked: Checked, task: Task, index: int, note: str) -> str:
    try:
        pictures, caption = task.draw_sample(checked.dataset, index)
    except Exception as error:  # a file that cannot be read
        pictures, caption = [], f'cannot be drawn: {error}'
    tags = ''.join(map(picture_tag, pictures))
    name = escape(checked.samples[index].image)
    lines = '<br>'.join(
        filter(None, (name, escape(caption), f'<b>{escape(note)}</b>' * bool(note)))
    )
    kind = ' class="bad"' if note else ''
    return f'<figure{kind}>{tags}<figcaption>{lines}</figcaption></figure>'
