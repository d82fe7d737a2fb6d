"""The suites: what they compare, at which sizes, in how many rounds.

A suite is a generator of pairs: a number of rounds, and a function that builds the case.
"""

import gc
from collections.abc import Callable, Iterator, Sequence

from .cases import Case
from .layers import STAGES, Stage, stage_case
from .measure import Settings, circumstances, measure
from .networks import inpainting_case, mit_case, model_case

Suite = Iterator[tuple[int, Callable[[], Case]]]


def stages(settings: Settings) -> Suite:
    """Single mixers on the tokens of SegFormer-B3's stages and of ViT-B/4."""
    for stage in map(Stage.parse, settings.shapes or [stage.name for stage in STAGES]):
        yield 5, lambda stage=stage: stage_case('stages', stage, settings)


def tokens(settings: Settings) -> Suite:
    """Single mixers of width 64 on 4096 to 262,144 tokens."""
    sides = (64, 128, 256, 512)
    for stage in map(Stage.parse, settings.shapes or [f'{side}x{side}x64/1' for side in sides]):
        yield 5, lambda stage=stage: stage_case('tokens', stage, settings)


def mit(settings: Settings) -> Suite:
    """All mixers of a MiT on the tokens of a 1024x1024 image."""
    for size in _sizes(settings.shapes or ['1024x1024']):
        yield (10 if settings.on_gpu else 3), lambda size=size: mit_case(size, settings)


def model(settings: Settings) -> Suite:
    """SegFormer's inference and training step at 1024x1024 and 1024x2048."""
    for size in _sizes(settings.shapes or ['1024x1024', '1024x2048']):
        yield (10 if settings.on_gpu else 2), lambda size=size: model_case(size, settings)


def inpainting(settings: Settings) -> Suite:
    """Inference and training step of ViT-B/4 that inpaints 224x224 pixels."""
    for size in _sizes(settings.shapes or ['224x224']):
        yield (10 if settings.on_gpu else 3), lambda size=size: inpainting_case(size, settings)


SUITES = {'stages': stages, 'mit': mit, 'tokens': tokens, 'model': model, 'inpainting': inpainting}


def run_suites(
    names: Sequence[str], settings: Settings, report: Callable[[dict], None] = lambda results: None
) -> dict:
    """Measure suites.

    ``report(results)`` is called after each case, so that little is lost if the process stops.

    Returns:
        'circumstances', and 'cases' with the rows of :func:`measure`.
    """
    results = dict(circumstances=circumstances(settings), cases=[])
    with settings.apply():
        for name in names:
            for repeats, build in SUITES[name](settings):
                results['cases'].append(_run(build(), settings, settings.repeats or repeats))
                report(results)
                gc.collect()
    return results


def _run(case, settings, repeats):
    # Whole models need no extra warm-up on CPUs: measuring their memory runs them long enough.
    warm_up = 3 if settings.on_gpu else int(case.suite not in ('model', 'inpainting'))
    gc.collect()
    gc.freeze()  # makes the garbage collection before each sample fast
    try:
        rows, failed, rates = measure(case.candidates, settings, repeats, warm_up)
    finally:
        gc.unfreeze()
    return dict(
        suite=case.suite,
        shape=case.shape,
        tokens=case.tokens,
        batch=settings.batch,
        notes=case.notes,
        rows=rows,
        rates=rates,
        agreement=case.agreement,
        left_out=case.left_out | failed,
    )


def _sizes(texts):
    for text in texts:
        try:
            height, width = map(int, text.split('x'))
        except ValueError:
            raise ValueError(
                f'a shape of this suite is HxW, as in 1024x2048, got {text!r}'
            ) from None
        yield height, width
