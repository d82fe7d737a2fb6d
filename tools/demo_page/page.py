"""The demo page: widgets and events. The code that they run is in state.py."""

from collections.abc import Callable, Sequence

import gradio as gr
from look_inside import words

from .state import Answer, Models

NONE = '(none)'
MOST_SHRINKAGE = 0.3  # at the right end of the slider
PROGRESS = gr.Progress()  # gradio recognises it as a default argument
CSS = """
.facts{opacity:.75;font-size:13px;margin:.2em 0}
.rows td,.rows th{padding:1px 10px 1px 0!important;font-size:13px;text-align:left}
.rows,.rows tr,.rows td,.rows th{border:0!important;width:auto!important}
.colour{display:inline-block;width:.9em;height:.9em;border:1px solid #888;margin-right:.4em;
vertical-align:-.1em}.bar{display:inline-block;height:.7em;background:#3a7ca5}
.problem{color:#b00020;font-weight:600}
.fields{display:grid;grid-template-columns:repeat(auto-fill,minmax(250px,1fr));gap:12px}
.fields img{margin:3px 0;width:100%}
.fields small{display:block;line-height:1.3;min-height:2.6em;opacity:.75}
"""
# Fonts of the system: the page needs no network.
THEME = gr.themes.Default(font=['system-ui', 'sans-serif'], font_mono=['monospace'])
INTRO = """# Look inside token mixers
Pick or upload an image and choose one or two models. Move a slider to change AFNO while you watch.
**Click on a prediction** to see which pixels the model uses there."""


def build(models: Models, examples: Sequence[str] = ()) -> gr.Blocks:
    """Return the page. Each event calls :class:`.state.Models`."""
    names = models.names
    second = names[1] if len(names) > 1 else NONE
    start = _settings(models, names[0])
    with gr.Blocks(title='Look inside token mixers', analytics_enabled=False) as page:
        gr.Markdown(INTRO)
        touched = gr.State(False)
        with gr.Row():
            with gr.Column(scale=2):
                image = gr.Image(
                    label='Image', sources=['upload', 'clipboard'], type='filepath', height=300
                )
                # Pass on the path: for a file that cannot be read, the page shows our message.
                image.preprocess = lambda payload: payload.path if payload else None
                if examples:
                    gr.Examples([[path] for path in examples], image, label='or pick one')
            with gr.Column(scale=3):
                with gr.Row():
                    first = gr.Dropdown(names, value=names[0], label='Model')
                    other = gr.Dropdown([NONE, *names], value=second, label='Beside it')
                full = gr.Checkbox(
                    label='Full size, in windows',
                    info='Do not resize the image as the config says. Predictions are worse if '
                    'the model knows things at another size.',
                )
                threshold = gr.Slider(
                    0,
                    max(MOST_SHRINKAGE, 2 * start['sparsity_threshold']),
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
        often = dict(
            inputs=inputs,
            outputs=outputs,
            trigger_mode='always_last',
            show_progress_on=columns[0][0],
        )
        gr.on([image.change, other.change, full.change], run, **often)
        gr.on([threshold.input, fraction.input], lambda: True, None, touched, queue=False).then(
            run, **often
        )
        sliders = [threshold, fraction, touched]
        gr.on(
            [first.change, reset.click], lambda name: _sliders(models, name), first, sliders
        ).then(run, **often)
        for picture, _ in columns:
            picture.select(_clicker(models), [picture, *inputs], fields)
    return page


def _column(label: str) -> list:
    with gr.Column():
        picture = gr.Image(label=label, interactive=False, format='png', buttons=['fullscreen'])
        return [picture, gr.HTML()]


def _runner(models: Models) -> Callable:
    def run(path, first, other, full, threshold, fraction, touched, progress=PROGRESS):
        cells: list = []
        for name in (first, other):
            if path is None or name in (None, NONE):
                answer = Answer()
            else:
                progress(0, f'{name} predicts')
                settings = _chosen(threshold, fraction, touched)
                answer = models.answer(name, path, settings, full, progress)
            cells += [answer.picture, answer.html]
        return *cells, ''

    return run


def _clicker(models: Models) -> Callable:
    def click(
        picture,
        path,
        first,
        other,
        full,
        threshold,
        fraction,
        touched,
        event: gr.SelectData,
        progress=PROGRESS,
    ):
        if path is None or picture is None:
            return ''
        x, y = event.index
        at = y / picture.shape[0], x / picture.shape[1]
        parts = [f'<p>Above: {words.RECEPTIVE}</p><p>Below: {words.MIXER}</p>']
        settings = _chosen(threshold, fraction, touched)
        for name in (first, other):
            if name not in (None, NONE):
                progress(0, f'{name}: receptive field')
                parts.append(models.fields(name, path, at, settings, full, progress))
        return ''.join(parts)

    return click


def _chosen(threshold: float, fraction: float, touched: bool) -> dict[str, float] | None:
    """Return the settings of the sliders, or None as long as nobody has moved one."""
    return dict(sparsity_threshold=threshold, mode_fraction=fraction) if touched else None


def _settings(models: Models, name: str) -> dict[str, float]:
    return dict(sparsity_threshold=0.01, mode_fraction=1.0) | models.settings(name)


def _sliders(models: Models, name: str) -> tuple:
    """Return the trained settings of a model for both sliders, and False: nobody moved them."""
    settings = _settings(models, name)
    threshold = settings['sparsity_threshold']
    most = max(MOST_SHRINKAGE, 2 * threshold)
    return gr.update(value=threshold, maximum=most), settings['mode_fraction'], False
