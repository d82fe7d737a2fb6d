"""Write the results of a sweep as JSON, as a table and as a plot."""

import json
from collections.abc import Mapping

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from . import record
from .plan import Stage, Sweep


def write_results(sweep: Sweep, failures: Mapping[str, str]) -> None:
    """Rewrite ``results.json``, ``results.md`` and ``results.png`` in the sweep's folder.

    They show all points. ``failures`` has the reasons of those that failed in this launch, by name.
    """
    keys = ('state', 'value', 'at', 'unit', 'parameters', 'finished')
    outcomes = {name: [_outcome(run) for run in runs] for name, runs in sweep.points.items()}
    points = []
    for name, runs in sweep.points.items():
        stages = []
        for run, outcome in zip(runs, outcomes[name]):
            stage = dict(config=run.config_file, collect=run.stage.collect, metric=run.stage.metric)
            stages.append(stage | {key: outcome[key] for key in keys if key in outcome})
        options = runs[0].options
        points.append(dict(name=name, options=options, failed=failures.get(name), stages=stages))
    results = json.dumps(dict(sweep=sweep.name, points=points), indent=2)
    record.write(sweep.folder / 'results.json', results + '\n')
    record.write(sweep.folder / 'results.md', _table(sweep, outcomes, failures))
    _plot(sweep, outcomes).savefig(sweep.folder / 'results.png', dpi=150)


def result(stage: Stage, found: dict) -> str:
    """Return the value of a finished run as text."""
    return f'{found["value"]:.4g}, {stage.collect} at {found["unit"]} {found["at"]}'


def _outcome(run):
    try:
        found = record.check(run)
    except ValueError:  # a point that was not asked for may have run with other settings
        return dict(state='ran with other settings')
    if found is None:
        return dict(state='not trained')
    return dict(found, state='finished' if record.is_finished(found) else 'begun')


def _table(sweep, outcomes, failures):
    metrics = [stage.metric for stage in sweep.stages]
    rows = [[sweep.label, 'parameters', *metrics]]
    for name, found in outcomes.items():
        sizes = [f'{one["parameters"] / 1e6:.4g}M' for one in found if 'parameters' in one]
        cells = []
        for stage, one in zip(sweep.stages, found):
            if one['state'] == 'finished':
                cells.append(result(stage, one))
            elif name in failures and 'failed' not in cells:
                cells.append('failed')
            else:
                cells.append(one['state'])
        rows.append([name, sizes[0] if sizes else '', *cells])
    head, *lines = (f'| {" | ".join(row)} |\n' for row in rows)
    return ''.join([head, '|' + '---|' * len(rows[0]) + '\n', *lines])


def _plot(sweep, outcomes):
    figure = Figure(figsize=(4.5 * len(sweep.stages), 3.5), layout='constrained')
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(sweep.stages), squeeze=False)[0]
    for i, (axes, stage) in enumerate(zip(panels, sweep.stages)):
        known = {name: found[i] for name, found in outcomes.items() if 'value' in found[i]}
        if sweep.plot_over == 'parameters':
            _over_parameters(axes, known)
        else:
            _over_names(axes, list(outcomes), known)
            axes.set_xlabel(sweep.label)
        axes.margins(y=0.15)
        axes.set_ylabel(f'{stage.metric} ({stage.collect})')
    return figure


def _over_names(axes, names, known):
    places, line = _axis(axes, names)
    for place in places:  # marks the points without a result too
        axes.axvline(place, color='0.9', linewidth=0.8, zorder=0)
    values = [(x, known[name]['value']) for x, name in zip(places, names) if name in known]
    _points(axes, sorted(values), line)


def _over_parameters(axes, known):
    """Draw one line for all points whose names are equal up to the last '-': AFNO-B0, AFNO-B1."""
    series = {}
    for name, found in known.items():
        point = found['parameters'] / 1e6, found['value']
        series.setdefault(name.rpartition('-')[0] or name, []).append(point)
    for name, points in series.items():
        _points(axes, sorted(points), '-', label=name)
    if series:
        axes.legend(fontsize=8)
    axes.set_xlabel('parameters, millions')


def _points(axes, points, line, **options):
    axes.plot(*zip(*points) if points else ((), ()), f'o{line}', **options)
    box = dict(facecolor='white', edgecolor='none', pad=0.5)
    text = dict(xytext=(0, 6), textcoords='offset points', ha='center', fontsize=8, bbox=box)
    for place, value in points:
        axes.annotate(f'{value:.4g}', (place, value), **text)


def _axis(axes, names):
    """Place the points on the x axis, on a log scale for numbers that span a decade or more.

    Return the places, and the style of the line between the points.
    """
    try:
        places = [float(name) for name in names]
    except ValueError:
        axes.set_xticks(range(len(names)), names)
        axes.set_xlim(-0.5, len(names) - 0.5)
        return list(range(len(names))), ''
    positive = [place for place in places if place > 0]
    if min(places) >= 0 and positive and max(positive) >= 10 * min(positive):
        if min(places) == 0:
            # Linear below the smallest positive number: 0 stands one decade below it.
            axes.set_xscale('symlog', linthresh=min(positive), linscale=1)
        else:
            axes.set_xscale('log')
    axes.set_xticks(places, names)
    axes.minorticks_off()
    return places, '-'
