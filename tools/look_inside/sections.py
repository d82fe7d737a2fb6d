"""The sections of the explanation page, as HTML: one row per stage, one column per model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from afno_mm.analysis import align_clusters, run_layers, shrunk_spectrum, token_clusters
from afno_mm.analysis.html_page import escape, picture_tag
from afno_mm.mixers import AFNO
from torch.nn import functional as F

from . import words
from .draw import WIDTH, draw_clusters, draw_field, draw_spectrum, enlarge, heat, ring
from .fields import Field, mixer_fields, mixer_name, receptive_fields, stage_blocks, watched
from .inputs import Prepared
from .predict import Prediction, Progress, in_windows, overlay, predict, window_of

STYLE = """body{font:15px/1.45 system-ui,sans-serif;margin:2em auto;max-width:1250px;padding:0 1em;
color:#222}h1{font-size:1.5em}h2{font-size:1.2em;margin:2em 0 .3em;border-top:1px solid #ccc;
padding-top:1em}p{max-width:62em;margin:.4em 0}table{border-collapse:collapse;margin:.6em 0}
th{text-align:left;font-weight:600;min-width:4em;padding:.3em .8em .3em 0;vertical-align:top}
td{padding:.3em .8em .6em 0;vertical-align:top}td img{display:block;max-width:100%}
small{color:#555;display:block;max-width:384px;line-height:1.3;margin-top:.2em}
.colour{display:inline-block;width:.9em;height:.9em;border:1px solid #888;margin-right:.35em;
vertical-align:-.1em}.bar{display:inline-block;height:.75em;background:#3a7ca5;vertical-align:-.05em}
.rows td,.rows th{padding:.05em .8em .05em 0;font-size:13px}"""


@dataclass
class View:
    """A model and its prepared picture. ``at`` is the chosen pixel (y, x) of the model's input.

    ``progress(share, text)`` is called during long steps.
    """

    name: str
    model: Any
    prepared: Prepared
    at: tuple[int, int]
    progress: Progress | None = None
    fields: list[Field] = field(default_factory=list)

    def receptive_fields(self) -> list[Field]:
        """Return the receptive field of the pixel after each stage."""
        if not self.fields:
            self.fields = receptive_fields(
                self.model.backbone, self.prepared.images, self.at, progress=self.progress
            )
        return self.fields


def focus(view: View) -> View:
    """Crop the input to one window around the pixel, if the model predicts in windows."""
    size = view.prepared.images.shape[2:]
    if not in_windows(view.model, view.prepared.images):
        return view
    cut, at = [], []
    for place, length, wide in zip(view.at, size, window_of(view.model)[0]):
        start = min(max(place - wide // 2, 0), max(length - wide, 0))
        cut.append(slice(start, start + wide))
        at.append(place - start)
    rows, columns = cut
    prepared = Prepared(
        view.prepared.images[:, :, rows, columns], view.prepared.picture[rows, columns]
    )
    return replace(view, prepared=prepared, at=(at[0], at[1]))


def models_table(views: Sequence[View]) -> str:
    """Return a table of the models (mixers, parameters, input size), and a line on each mixer."""
    parts, used = [], []
    for view in views:
        mixers = [mixer_name(block) for block in stage_blocks(view.model.backbone).values()]
        used += mixers or ['convolutions']
        kinds = mixers[0] if len(set(mixers)) == 1 else ', '.join(mixers) or 'convolutions'
        height, width = view.prepared.images.shape[2:]
        millions = sum(p.numel() for p in view.model.parameters()) / 1e6
        facts = f'<td>{escape(kinds)}</td><td>{millions:.2f}M</td><td>{height} x {width}</td>'
        parts.append(f'<tr><th>{escape(view.name)}</th>{facts}</tr>')
    head = '<tr><th>model</th><th>mixer</th><th>parameters</th><th>input, height x width</th></tr>'
    known = (name for name in dict.fromkeys(used) if name in words.MIXERS)
    lines = ''.join(f'<p><b>{name}</b> {words.MIXERS[name]}</p>' for name in known)
    return f'<table>{head}{"".join(parts)}</table>{lines}'


def summary(views: Sequence[View]) -> str:
    """Return a table with the area of each model's receptive field after each stage."""
    rows = []
    for view in views:
        areas = ''.join(f'<td>{found.area():.0%}</td>' for found in view.receptive_fields())
        rows.append(f'<tr><th>{escape(view.name)}</th>{areas}</tr>')
    stages = ''.join(f'<th>{escape(found.name)}</th>' for found in views[0].receptive_fields())
    return (
        f'<h2>In short</h2><p>{words.SUMMARY}</p>'
        f'<table><tr><th>after</th>{stages}</tr>{"".join(rows)}</table>'
    )


def prediction_section(views: Sequence[View]) -> str:
    """Predict the picture with each model, and draw the result."""
    cells, kinds = [], []
    for view in views:
        prediction = predict(view.model, view.prepared, view.progress)
        body, kind = draw_prediction(view, prediction)
        cells.append(f'{body}<small>{measured(prediction)}</small>')
        kinds.append(kind)
    text = ' '.join(words.PREDICTION[kind] for kind in dict.fromkeys(kinds))
    return section('What the models predict', text, views, {'': cells})


def draw_prediction(view: View, prediction: Prediction) -> tuple[str, str]:
    """Return a prediction as HTML, and the key of ``words.PREDICTION`` that explains it."""
    picture = enlarge(view.prepared.picture, smooth=True)
    if prediction.image is not None:
        truth = view.prepared.picture if view.prepared.whole is None else view.prepared.whole
        shown = (view.prepared.picture, prediction.image, truth)
        tags = (picture_tag(enlarge(image, 192), WIDTH) for image in shown)
        return f'<div style="display:flex;gap:6px">{"".join(tags)}</div>', 'image'
    if prediction.labels is None:
        ringed = ring(picture, view.at, view.prepared.picture.shape)
        return picture_tag(ringed, WIDTH) + class_list(prediction, 5), 'classes'
    drawn = ring(overlay(picture, prediction), view.at, view.prepared.picture.shape)
    return picture_tag(drawn, WIDTH) + class_list(prediction), 'labels'


def class_list(prediction: Prediction, most: int = 30) -> str:
    """Return a table of up to ``most`` classes with colours, shares and bars."""
    lines = []
    for row in prediction.rows[:most]:
        rgb = ','.join(map(str, row.colour)) if row.colour else ''
        colour = f'<span class="colour" style="background:rgb({rgb})"></span>' if rgb else ''
        bar = f'<span class="bar" style="width:{round(130 * row.share)}px"></span>'
        name = f'<th>{colour}{escape(row.name)}</th>'
        lines.append(f'<tr>{name}<td>{row.share:.1%}</td><td>{bar}</td></tr>')
    return f'<table class="rows">{"".join(lines)}</table>'


def measured(prediction: Prediction) -> str:
    """Return time and memory of a prediction in words."""
    windows = f' for each of {prediction.windows} windows' * (prediction.windows > 1)
    memory = f'{prediction.memory / 2**20:.0f} MiB of tensors at the peak'
    return f'{prediction.seconds:.2f} s, {memory}{windows}'


def mixer_section(views: Sequence[View], where: str = '') -> str:
    """Draw which tokens one mixer of each stage connects to the chosen token."""
    return _by_stage(
        f'What one mixer sees{where}',
        words.MIXER,
        views,
        lambda v: mixer_fields(v.model.backbone, v.prepared.images, v.at),
        lambda view, found: picture_tag(draw_field(found), WIDTH, 'PNG') + mixer_caption(found),
    )


def receptive_section(views: Sequence[View], where: str = '') -> str:
    """Draw the effective receptive field after each stage."""
    return _by_stage(
        f'What the whole network sees: the effective receptive field{where}',
        words.RECEPTIVE,
        views,
        View.receptive_fields,
        lambda view, found: (
            picture_tag(draw_field(found, view.prepared.picture), WIDTH) + field_caption(found)
        ),
    )


def mixer_caption(found: Field) -> str:
    """Return the caption of a mixer's field: its grid, and where its influence comes from."""
    grid = ' x '.join(map(str, found.strength.shape))
    if not found.strength.any():
        return f'<small>{escape(found.mixer)}, {grid} tokens: no other has any influence.</small>'
    return (
        f'<small>{escape(found.mixer)}, {grid} tokens: {found.own:.0%} of the influence is the '
        f"token's own; 90% of the rest comes from {found.area():.0%} of the tokens.</small>"
    )


def field_caption(found: Field) -> str:
    """Return the caption of a receptive field: where the influence comes from."""
    return f'<small>90% of the influence comes from {found.area():.0%} of the image.</small>'


def spectrum_section(views: Sequence[View]) -> str:
    """Draw spectra before and after shrinkage, and the share of zeros of every AFNO layer."""
    parts = []
    for view in views:
        if not any(isinstance(module, AFNO) for module in view.model.backbone.modules()):
            continue
        layers = run_layers(view.model.backbone, view.prepared.images)
        last = set(stage_blocks(view.model.backbone).values())
        rows, bars = [], []
        for number, layer in enumerate(layers, 1):
            if not isinstance(layer.mixer, AFNO):
                continue
            after, zeros = (plane.cpu().numpy() for plane in shrunk_spectrum(layer))
            share = float(zeros.mean())
            bar = f'<span class="bar" style="width:{round(300 * share)}px"></span>'
            bars.append(f'<tr><th>layer {number}</th><td>{share:.1%}</td><td>{bar}</td></tr>')
            if view.model.backbone.get_submodule(layer.name) in last:
                before = shrunk_spectrum(layer, 0.0)[0].cpu().numpy()
                rows.append(_spectrum_row(number, before, after, zeros))
        head = '<tr><th></th><th>before shrinkage</th><th>after it</th><th>share of zeros</th></tr>'
        threshold = next(x.mixer for x in layers if isinstance(x.mixer, AFNO)).sparsity_threshold
        parts.append(
            f'<h3>{escape(view.name)}, sparsity_threshold={threshold:g}</h3>'
            f'<table>{head}{"".join(rows)}</table>'
            f'<p>{words.ZEROS}</p><table class="rows">{"".join(bars)}</table>'
        )
    text = f'<p>{words.SPECTRUM}</p>' if parts else '<p>None of the models has AFNO layers.</p>'
    return f'<h2>Which frequencies AFNO keeps</h2>{text}{"".join(parts)}'


def _spectrum_row(number, before, after, zeros):
    values = np.log10(before[before > 0])
    low, high = (values.min(), values.max()) if values.size else (0.0, 1.0)
    pictures = [draw_spectrum(m, low, high, 256) for m in (before, after)]
    pictures.append(enlarge(heat(zeros, 0, 1), 256))
    cells = (f'<td>{picture_tag(picture, 256, "PNG")}</td>' for picture in pictures)
    return f'<tr><th>layer {number}</th>{"".join(cells)}</tr>'


def cluster_section(views: Sequence[View], number: int = 4, most: int = 2048) -> str:
    """Draw clusters of the tokens after each stage.

    A grid with more than ``most`` tokens is averaged to about ``most`` before.
    """
    aligned: dict[int, np.ndarray] = {}

    def clusters(view: View) -> list[tuple[str, Any]]:
        blocks = stage_blocks(view.model.backbone)
        with torch.no_grad(), watched(view.model.backbone, blocks) as seen:
            view.model.backbone(view.prepared.images)
        found = []
        for index, (name, s) in enumerate(seen.items()):
            tokens = s.output[0, s.extra :].unflatten(0, s.grid).float()
            step = 1
            while tokens.shape[0] * tokens.shape[1] > most * step * step:
                step += 1
            planes = F.avg_pool2d(tokens.permute(2, 0, 1)[None], step, ceil_mode=True)[0]
            found.append((name, _clusters(planes, number, aligned, index, step)))
        return found

    return _by_stage(
        'Which tokens belong together',
        words.CLUSTERS,
        views,
        clusters,
        lambda view, found: found[1],
    )


def _clusters(planes, number, aligned, index, step):
    try:
        labels = token_clusters(planes.permute(1, 2, 0).cpu().numpy(), number)
    except (ImportError, ValueError) as error:
        return f'<small>Not drawn: {escape(error)}.</small>'
    like = aligned.get(index, aligned.get(index - 1))
    labels = labels if like is None else align_clusters(labels, like)
    aligned.setdefault(index, labels)
    note = f'<small>Means of {step} x {step} tokens.</small>' if step > 1 else ''
    return picture_tag(draw_clusters(labels), WIDTH, 'PNG') + note


def _by_stage(title: str, text: str, views: Sequence[View], find: Callable, draw: Callable) -> str:
    """Return a section with one row per stage.

    ``find(view)`` returns one item per stage, and ``draw(view, item)`` its HTML.
    """
    found = {view.name: find(view) for view in views}
    rows: dict[str, list[str]] = {}
    for index in range(max(map(len, found.values()))):
        of_stage = [found[view.name][index : index + 1] for view in views]
        labels = dict.fromkeys(_label(item[0]) for item in of_stage if item)
        cells = [draw(view, item[0]) if item else '' for view, item in zip(views, of_stage)]
        rows[' / '.join(labels)] = cells
    return section(title, text, views, rows)


def _label(item):
    return item.name if isinstance(item, Field) else item[0]


def section(title: str, text: str, views: Sequence[View], rows: dict[str, list[str]]) -> str:
    """Return a heading, a text, and a table with a column for each model."""
    head = ''.join(f'<th>{escape(view.name)}</th>' for view in views)
    lines = [
        f'<tr><th>{escape(label)}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'
        for label, cells in rows.items()
    ]
    if not rows:
        return f'<h2>{escape(title)}</h2><p>The models have no token mixers.</p>'
    table = f'<table><tr><th></th>{head}</tr>{"".join(lines)}</table>'
    return f'<h2>{escape(title)}</h2><p>{text}</p>{table}'
