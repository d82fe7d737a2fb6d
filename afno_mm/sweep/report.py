"""Results of a sweep as JSON, as a table and as a plot."""

import json

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from . import record


def write_results(sweep, failures):
    """Rewrite ``results.json``, ``results.md`` and ``results.png`` in the sweep's folder.

    Args:
        sweep (Sweep): All of its points are shown, with what is known of them.
        failures (dict[str, str]): Why points failed in this launch, by their names.
    """
    rows = {name: [_outcome(run) for run in runs] for name, runs in sweep.points.items()}
    points = [
        dict(
            name=name,
            options=runs[0].options,
            failed=failures.get(name),
            stages=[
                dict(
                    config=run.stage.config,
                    collect=run.stage.collect,
                    metric=run.stage.metric,
                    **{
                        key: outcome[key]
                        for key in ('state', 'value', 'at', 'unit', 'parameters', 'finished')
                        if key in outcome
                    },
                )
                for run, outcome in zip(runs, rows[name])
            ],
        )
        for name, runs in sweep.points.items()
    ]
    record.write(
        sweep.folder / 'results.json',
        json.dumps(dict(sweep=sweep.name, points=points), indent=2) + '\n',
    )
    record.write(sweep.folder / 'results.md', _table(sweep, rows, failures))
    _plot(sweep, rows).savefig(sweep.folder / 'results.png', dpi=150)


def result(run, found):
    """A finished run's result in words."""
    return f'{run.stage.metric} {_value(run.stage, found)}'


def _value(stage, found):
    return f'{found["value"]:.4g}, {stage.collect} at {found["unit"]} {found["at"]}'


def _outcome(run):
    try:
        found = record.check(run)
    except ValueError:  # possible at points that were not asked for
        return dict(state='ran with other settings')
    if found is None:
        return dict(state='not trained')
    return dict(found, state='finished' if 'finished' in found else 'begun')


def _table(sweep, rows, failures):
    metrics = [stage.metric for stage in sweep.stages]
    lines = [_row(sweep.label, 'parameters', *metrics), '|' + '---|' * (len(metrics) + 2)]
    for name, outcomes in rows.items():
        sizes = [f'{found["parameters"] / 1e6:.4g}M' for found in outcomes if 'parameters' in found]
        cells = []
        for stage, found in zip(sweep.stages, outcomes):
            if found['state'] == 'finished':
                cells.append(_value(stage, found))
            else:
                cells.append(
                    'failed' if name in failures and 'failed' not in cells else found['state']
                )
        lines.append(_row(name, sizes[0] if sizes else '', *cells))
    return '\n'.join(lines) + '\n'


def _row(*cells):
    return '| ' + ' | '.join(cells) + ' |'


def _plot(sweep, rows):
    figure = Figure(figsize=(4.5 * len(sweep.stages), 3.5), layout='constrained')
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(sweep.stages), squeeze=False)[0]
    for i, (axes, stage) in enumerate(zip(panels, sweep.stages)):
        known = {name: row[i] for name, row in rows.items() if 'value' in row[i]}
        if sweep.plot_over == 'parameters':
            _over_parameters(axes, known)
        else:
            _over_names(axes, list(rows), known)
            axes.set_xlabel(sweep.label)
        axes.margins(y=0.15)
        axes.set_ylabel(f'{stage.metric} ({stage.collect})')
    return figure


def _over_names(axes, names, known):
    places, line = _axis(axes, names)
    for place in places:  # shows where results are still to come, too
        axes.axvline(place, color='0.9', linewidth=0.8, zorder=0)
    _points(
        axes,
        sorted(
            (place, known[name]['value']) for place, name in zip(places, names) if name in known
        ),
        line,
    )


def _over_parameters(axes, known):
    """A line for all points that are named alike up to the last '-', as AFNO-B0 and AFNO-B1."""
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
    for place, value in points:
        axes.annotate(
            f'{value:.4g}',
            (place, value),
            xytext=(0, 6),
            textcoords='offset points',
            ha='center',
            fontsize=8,
            bbox=dict(facecolor='white', edgecolor='none', pad=0.5),
        )


def _axis(axes, names):
    """Lay out the points; numbers over a decade or more are spread evenly in their logarithm.

    Returns:
        tuple[list[float], str]: Where the points stand, and the line between them.
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
            # Zero stands where a decade below the smallest would: linear up to there.
            axes.set_xscale('symlog', linthresh=min(positive), linscale=1)
        else:
            axes.set_xscale('log')
    axes.set_xticks(places, names)
    axes.minorticks_off()
    return places, '-'
