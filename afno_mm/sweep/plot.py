"""Plot the results of a sweep, and its validations during training."""

from itertools import cycle

import numpy as np
from matplotlib.figure import Figure

from .plan import Sweep
from .statistics import mean_and_error


def results(sweep: Sweep, outcomes: dict) -> Figure:
    """Draw a panel for each stage: means over the seeds with standard errors, and each seed.

    ``outcomes[point][stage]`` has one record per seed. Points that have not begun are left out.
    """
    begun = {
        name: stages
        for name, stages in outcomes.items()
        if any(one['state'] != 'not trained' for seeds in stages for one in seeds)
    }
    outcomes = begun or outcomes
    names = sweep.plot_over == 'names'
    figure, panels = _panels(sweep, width=max(4.5, 0.75 * len(outcomes)) if names else 7)
    for i, (axes, stage) in enumerate(zip(panels, sweep.stages)):
        known = {}
        for name, stages in outcomes.items():
            finished = [one for one in stages[i] if 'value' in one]
            if finished:
                values = [one['value'] for one in finished]
                known[name] = dict(parameters=finished[0]['parameters'], values=values)
        if sweep.plot_over == 'parameters':
            _lines(axes, {name: found['parameters'] / 1e6 for name, found in known.items()}, known)
            axes.set_xlabel('parameters, millions')
        elif sweep.plot_over == 'numbers':
            _lines(axes, {name: float(name.rpartition('-')[2]) for name in known}, known)
            axes.set_xlabel(sweep.label.rpartition('-')[2])
        else:
            _over_names(axes, list(outcomes), known)
            axes.set_xlabel(sweep.label)
        axes.margins(y=0.15)
        axes.set_ylabel(f'{stage.metric} ({stage.collect})')
    return figure


def curves(sweep: Sweep, outcomes: dict) -> Figure:
    """Draw a panel for each stage: each point's validation curve, as the mean over its seeds."""
    figure, panels = _panels(sweep, width=6.5)
    for i, (axes, stage) in enumerate(zip(panels, sweep.stages)):
        styles = cycle([(line, f'C{n}') for line in ('-', '--', ':') for n in range(10)])
        unit = 'epoch'
        for (name, stages), (line, colour) in zip(outcomes.items(), styles):
            found = [one for one in stages[i] if one.get('curve')]
            if found:
                times = sorted(set.intersection(*(set(map(int, one['curve'])) for one in found)))
                every = [[one['curve'][str(at)] for at in times] for one in found]
                means = np.mean(every, axis=0)
                axes.plot(times, means, line, marker='.', color=colour, label=name)
                unit = found[0]['unit']
        axes.set(xlabel=unit, ylabel=stage.metric)
        if axes.lines:
            axes.legend(fontsize=7, loc='center left', bbox_to_anchor=(1, 0.5))
    return figure


def _panels(sweep, width):
    figure = Figure(figsize=(width * len(sweep.stages), 3.5), layout='constrained')
    if sweep.note:
        figure.suptitle(sweep.note, fontsize=8, wrap=True)
    return figure, figure.subplots(1, len(sweep.stages), squeeze=False)[0]


def _over_names(axes, names, known):
    places, line = _axis(axes, names)
    for place in places:  # A grey line marks each name, even one without a result.
        axes.axvline(place, color='0.9', linewidth=0.8, zorder=0)
    points = [(x, known[name]['values']) for x, name in zip(places, names) if name in known]
    _points(axes, points, line)
    box = dict(facecolor='white', edgecolor='none', pad=0.5)
    text = dict(xytext=(0, 6), textcoords='offset points', ha='center', fontsize=8, bbox=box)
    for place, values in points:
        axes.annotate(f'{np.mean(values):.4g}', (place, max(values)), **text)


def _lines(axes, places, known):
    """Draw one line for all points whose names are equal up to the last '-': AFNO-B0, AFNO-B1."""
    series = {}
    for name, found in known.items():
        points = series.setdefault(name.rpartition('-')[0] or name, [])
        points.append((places[name], found['values']))
    for name, points in series.items():
        _points(axes, points, '-', label=name)  # without numbers, which would overlap
    if series:
        axes.legend(fontsize=8)


def _points(axes, points, line, **options):
    """Plot the mean of the values at each place, with its error and, if several, each value."""
    points = sorted(points)
    places = [place for place, _ in points]
    means, errors = np.array([mean_and_error(values) for _, values in points]).reshape(-1, 2).T
    (drawn,) = axes.plot(places, means, f'o{line}', **options)
    if not np.isnan(errors).all():
        axes.errorbar(places, means, errors, fmt='none', capsize=3, color=drawn.get_color())
        for place, values in points:
            axes.plot([place] * len(values), values, '_', color='0.6', zorder=3)


def _axis(axes, names):
    """Place the points on the x axis. Numbers that span a factor of 10 or more get a log scale.

    Return the places, and the style of the line between the points.
    """
    try:
        places = [float(name) for name in names]
    except ValueError:
        crowded = len(names) > 8 or len(names) * max(map(len, names)) > 60
        turned = dict(rotation=30, ha='right', rotation_mode='anchor') if crowded else {}
        axes.set_xticks(range(len(names)), names, **turned)
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
