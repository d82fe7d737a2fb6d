"""The work of the demo page, without gradio: keep models, predict, show receptive fields."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from afno_mm.analysis.html_page import escape, picture_tag
from look_inside.draw import draw_field, enlarge
from look_inside.fields import mixer_fields
from look_inside.inputs import Prepared, fits_whole_image, prepare, read_picture
from look_inside.models import Source, changed_settings, settings_of
from look_inside.predict import Prediction, Progress, overlay, predict
from look_inside.sections import View, class_list, field_caption, focus, measured, mixer_caption
from PIL import Image

# Shrink larger pictures before they are cut into windows at full size.
MOST_PIXELS = 4096 * 4096
SHOWN = 720  # width of a picture on the page, in pixels


@dataclass
class Answer:
    """What the page shows for one model: a picture, uint8 RGB, and HTML below it."""

    picture: np.ndarray | None = None
    html: str = ''


@dataclass
class Models:
    """The models of a page, each loaded when it is first used.

    A lock lets only one request at a time use them, because settings change the models in place.
    """

    sources: Sequence[Source]
    device: str = 'cpu'
    loaded: dict[str, Any] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def names(self) -> list[str]:
        """Return the names that the page offers."""
        return [source.name for source in self.sources]

    def get(self, name: str) -> Any:
        """Return a model by its name.

        Raises:
            KeyError: If there is no such model.
        """
        if name not in self.loaded:
            source = next((source for source in self.sources if source.name == name), None)
            if source is None:
                raise KeyError(f'there is no model {name!r}, only {", ".join(self.names)}')
            self.loaded[name] = source.load(self.device)
        return self.loaded[name]

    def settings(self, name: str) -> dict[str, float]:
        """Return ``sparsity_threshold`` and ``mode_fraction`` of a model, if it has them."""
        found: dict[str, float] = {}
        with self.lock, problems_in(Answer()):
            found = settings_of(self.get(name))
        return found

    def answer(
        self,
        name: str,
        path: str,
        settings: dict[str, float] | None = None,
        full_size: bool = False,
        progress: Progress | None = None,
    ) -> Answer:
        """Predict an image file with a model.

        ``settings`` override these settings in all mixers that have them. With ``full_size``, the
        image is not resized as the config says. A large image is then predicted in windows.

        If the file or the model cannot be used, the answer says why.
        """
        with self.lock, problems_in(answer := Answer()):
            model = self.get(name)
            picture = _read(path, full_size)
            prepared = prepare(model, picture, resize=not full_size)
            with changed_settings(model, settings or {}) as changed:
                prediction = predict(model, prepared, progress)
            height, width = prepared.picture.shape[:2]
            notes = [f'{height} x {width} pixels', measured(prediction)]
            if settings:
                notes.append(_changed(settings, changed))
            html = f'<p><b>{escape(name)}</b></p>'
            html += f'<p class="facts">{" · ".join(map(escape, notes))}</p>'
            sharp = picture if fits_whole_image(model) else None
            answer.picture = _drawn(prepared, prediction, sharp)
            answer.html = html + class_list(prediction, 12)
        return answer

    def fields(
        self,
        name: str,
        path: str,
        at: tuple[float, float],
        settings: dict[str, float] | None = None,
        full_size: bool = False,
        progress: Progress | None = None,
    ) -> str:
        """Return HTML with a model's receptive fields at one position, or with an error message.

        ``at`` is the position (row, column), as fractions of height and width in [0, 1).
        """
        with self.lock, problems_in(answer := Answer()):
            answer.html = self._fields(name, path, at, settings or {}, full_size, progress)
        return answer.html

    def _fields(self, name, path, at, settings, full_size, progress):
        model = self.get(name)
        prepared = prepare(model, _read(path, full_size), resize=not full_size)
        height, width = prepared.picture.shape[:2]
        pixel = tuple(
            min(max(int(share * side), 0), side - 1) for share, side in zip(at, (height, width))
        )
        view = focus(View(name, model, prepared, pixel, progress))
        with changed_settings(model, settings):
            whole = view.receptive_fields()
            alone = mixer_fields(model.backbone, view.prepared.images, view.at)
        cells = []
        for number, found in enumerate(whole):
            drawn = draw_field(found, view.prepared.picture, 300)
            cells.append(f'<div><b>{escape(found.name)}</b>{picture_tag(drawn, 300)}')
            cells[-1] += field_caption(found)
            if number < len(alone):
                cells[-1] += picture_tag(draw_field(alone[number], width=300), 300, 'PNG')
                cells[-1] += mixer_caption(alone[number])
            cells[-1] += '</div>'
        title = f'What {escape(name)} sees from row {pixel[0]}, column {pixel[1]}'
        return f'<h3>{title}</h3><div class="fields">{"".join(cells)}</div>'


@contextmanager
def problems_in(answer: Answer) -> Iterator[None]:
    """Catch the errors of bad files and models, and write their message into ``answer``."""
    try:
        yield
    except (OSError, ValueError, RuntimeError, LookupError, TypeError, MemoryError) as error:
        text = error.args[0] if isinstance(error, KeyError) and error.args else error
        text = str(text) or type(error).__name__
        answer.picture, answer.html = None, f'<p class="problem">{escape(text)}</p>'


def example_images(folder: str | None, most: int = 8) -> list[str]:
    """Return up to ``most`` image files of a folder, evenly spaced. Without a folder, return [].

    Raises:
        FileNotFoundError: If the folder has no images.
    """
    if folder is None:
        return []
    found = [
        str(path)
        for path in sorted(Path(folder).rglob('*'))
        if path.suffix.lower() in ('.jpg', '.jpeg', '.png', '.webp', '.bmp', '.tif', '.tiff')
    ]
    if not found:
        raise FileNotFoundError(f'there are no images in {folder}')
    number = min(most, len(found))
    return [found[i * len(found) // number] for i in range(number)]


def _read(path: str, full_size: bool) -> np.ndarray:
    """Read an image. At full size, shrink one that has more than ``MOST_PIXELS`` pixels."""
    picture = read_picture(path)
    pixels = picture.shape[0] * picture.shape[1]
    if not full_size or pixels <= MOST_PIXELS:
        return picture
    return enlarge(picture, int(picture.shape[1] * (MOST_PIXELS / pixels) ** 0.5), smooth=True)


def _drawn(
    prepared: Prepared, prediction: Prediction, sharp: np.ndarray | None = None
) -> np.ndarray:
    """Return the picture: overlaid with its labels, beside the inpainted one, or as it is.

    ``sharp`` is the picture before it was resized for the network, if both show the same part.
    """
    if prediction.image is not None:
        both = np.concatenate([prepared.picture, prediction.image], axis=1)
        return enlarge(both, SHOWN)
    width = max(SHOWN, min(prepared.picture.shape[1], 2 * SHOWN))
    if prediction.labels is not None and sharp is not None:
        picture = np.asarray(
            Image.fromarray(sharp).resize(enlarge(prepared.picture, width).shape[1::-1])
        )
    else:
        picture = enlarge(prepared.picture, width, smooth=True)
    return picture if prediction.labels is None else overlay(picture, prediction)


def _changed(settings, changed):
    if not changed:
        return 'has no AFNO: the sliders change nothing'
    values = ', '.join(f'{key}={value:g}' for key, value in settings.items())
    return f'{values} in {changed} mixers'
