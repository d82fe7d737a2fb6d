"""The demo page: widgets and events. All that they do is in state.py."""

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from .state import Answer, Models

NONE = '(none)'
CSS = """
.facts{color:var(--body-text-color-subdued);font-size:13px;margin:.2em 0}
.rows td,.rows th{padding:1px 10px 1px 0!important;font-size:13px;border:0!important;text-align:left}
.rows{border:0!important;width:auto!important}
.colour{display:inline-block;width:.9em;height:.9em;border:1px solid #888;margin-right:.4em;
vertical-align:-.1em}.bar{display:inline-block;height:.7em;background:#3a7ca5}
.fields{display:flex;flex-wrap:wrap;gap:14px}.fields div{width:300px}.fields img{margin:3px 0}
.fields small{display:block;line-height:1.3;color:var(--body-text-color-subdued)}
"""
INTRO = """# Look inside token mixers
Pick or upload an image and choose one or two models. Move a slider to change AFNO while you watch.
**Click on a prediction** to see which pixels the model uses there."""

from gradio.events import Dependency

class ImageFile(gr.Image):
    """An image component that passes the file on unread, so that a bad file gets our message."""

    is_template = True

    def preprocess(self, payload: Any) -> str | None:
        return payload.path if payload else None
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component


def build(models: Models, examples: Sequence[str] = ()) -> gr.Blocks:
    """Return the page. Each event calls :class:`.state.Models`."""
    names = models.names
    second = names[1] if len(names) > 1 else NONE
    start = _settings(models, names[0])
    with gr.Blocks(title='Look inside token mixers') as page:
        gr.Markdown(INTRO)
        touched = gr.State(False)
        with gr.Row():
            with gr.Column(scale=2):
                image = ImageFile(
                    label='Image', sources=['upload', 'clipboard'], type='filepath', height=300
                )
                if examples:
                    gr.Examples([[path] for path in examples], image, label='or pick one')
            with gr.Column(scale=3):
                with gr.Row():
                    first = gr.Dropdown(names, value=names[0], label='Model')
                    other = gr.Dropdown([NONE, *names], value=second, label='Beside it')
                full = gr.Checkbox(
                    label='Full size: do not resize as the config says; large images in windows'
                )
                threshold = gr.Slider(
                    0,
                    0.3,
                    start['sparsity_threshold'],
                    step=0.002,
                    label='sparsity_threshold',
                    info='Higher: AFNO sets more of the spectrum to zero',
                )
                fraction = gr.Slider(
                    0.02,
                    1,
                    start['mode_fraction'],
                    step=0.02,
                    label='mode_fraction',
                    info='Lower: AFNO drops fine detail and keeps low frequencies alone',
                )
                reset = gr.Button('Back to the trained settings', size='sm')
        with gr.Row():
            columns = [_column(label) for label in ('Prediction', 'Prediction of the other')]
        fields = gr.HTML()

        inputs = [image, first, other, full, threshold, fraction, touched]
        outputs = [*columns[0], *columns[1], fields]
        run = _runner(models)
        often = dict(inputs=inputs, outputs=outputs, trigger_mode='always_last')
        gr.on([image.change, other.change, full.change], run, **often)
        gr.on([threshold.input, fraction.input], lambda: True, None, touched, queue=False).then(
            run, **often
        )
        sliders = [threshold, fraction, touched]
        gr.on(
            [first.change, reset.click], lambda name: _sliders(models, name), first, sliders
        ).then(run, **often)
        for picture, name in ((columns[0][0], first), (columns[1][0], other)):
            clicked = [picture, name, *inputs]
            picture.select(_clicker(models), clicked, fields)
    return page


def _column(label: str) -> list:
    with gr.Column():
        picture = gr.Image(label=label, interactive=False, format='png', buttons=['fullscreen'])
        return [picture, gr.HTML()]


def _runner(models: Models) -> Callable:
    def run(path, first, other, full, threshold, fraction, touched, progress=gr.Progress()):
        cells: list = []
        for name in (first, other):
            if path is None or name in (None, NONE):
                answer = Answer()
            else:
                progress(0, f'{name} predicts')
                settings = _chosen(threshold, fraction, touched)
                with _messages():
                    answer = models.answer(name, path, settings, full, progress)
            cells += [answer.picture, answer.html]
        return *cells, ''

    return run


def _clicker(models: Models) -> Callable:
    def click(
        picture, name, path, first, other, full, threshold, fraction, touched, event: gr.SelectData
    ):
        if path is None or name in (None, NONE):
            return ''
        x, y = event.index
        at = y / picture.shape[0], x / picture.shape[1]
        with _messages():
            return models.fields(name, path, at, _chosen(threshold, fraction, touched), full)

    return click


class _messages:  # noqa: N801  reads as a statement
    """Turn the errors of bad files and models into messages on the page."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if isinstance(error, (OSError, ValueError, RuntimeError, KeyError, IndexError)):
            text = error.args[0] if isinstance(error, KeyError) else error
            raise gr.Error(str(text), print_exception=False) from None


def _chosen(threshold: float, fraction: float, touched: bool) -> dict[str, float] | None:
    """Return the settings of the sliders, or None as long as nobody has moved one."""
    return dict(sparsity_threshold=threshold, mode_fraction=fraction) if touched else None


def _settings(models: Models, name: str) -> dict[str, float]:
    return dict(sparsity_threshold=0.01, mode_fraction=1.0) | models.settings(name)


def _sliders(models: Models, name: str) -> tuple[float, float, bool]:
    """Return the trained settings of a model for the sliders."""
    with _messages():
        settings = _settings(models, name)
    return settings['sparsity_threshold'], settings['mode_fraction'], False