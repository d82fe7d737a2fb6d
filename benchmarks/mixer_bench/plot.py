"""Plot the results."""

import statistics
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

PHASES = dict(forward='forward', train='forward and backward')


def plot(results: dict, path: str | Path) -> None:
    """Save a picture: one row of two panels for each case, and one row for growth with tokens."""
    growing = [case for case in results['cases'] if case['suite'] == 'tokens' and case['rows']]
    others = [case for case in results['cases'] if case['suite'] != 'tokens' and case['rows']]
    heights = [0.8 + 0.22 * len(case['rows']) for case in others] + [4.5] * bool(growing)
    if not heights:
        return
    figure = Figure(figsize=(11, sum(heights) + 0.3), layout='constrained')
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(heights), 2, squeeze=False, height_ratios=heights)
    for row, case in zip(panels, others):
        for axes, (phase, title) in zip(row, PHASES.items()):
            _bars(axes, case, phase)
            axes.set_title(f'{case["suite"]}, {case["shape"]}: {title}', fontsize=9)
        row[1].set_yticklabels([])
    if growing:
        for axes, (phase, title) in zip(panels[-1], PHASES.items()):
            _lines(axes, growing, phase)
            axes.set_title(f'width 64: {title}', fontsize=9)
        panels[-1][1].legend(fontsize=7, loc='center left', bbox_to_anchor=(1, 0.5))
    figure.savefig(path, dpi=130)


def _bars(axes, case, phase):
    rows = case['rows'][::-1]
    samples = [[1e3 * t for t in row['seconds'][phase]] for row in rows]
    medians = [statistics.median(times) for times in samples]
    spread = [
        [m - min(t) for m, t in zip(medians, samples)],
        [max(t) - m for m, t in zip(medians, samples)],
    ]
    colours = [_colour(row) for row in rows]
    axes.barh(range(len(rows)), medians, xerr=spread, color=colours, error_kw=dict(lw=0.8))
    for y, (value, times) in enumerate(zip(medians, samples)):
        axes.annotate(
            f'{value:.4g}',
            (max(times), y),
            xytext=(3, 0),
            textcoords='offset points',
            va='center',
            fontsize=7,
        )
    axes.set_yticks(range(len(rows)), [r['name'] + ' *' * r['chosen'] for r in rows], fontsize=7)
    axes.tick_params(axis='x', labelsize=7)
    axes.set_xlim(0, 1.15 * max(map(max, samples)))
    axes.set_xlabel('ms', fontsize=7)


def _lines(axes, cases, phase):
    series = {}
    for case in sorted(cases, key=lambda case: case['tokens']):
        for row in case['rows']:
            point = case['tokens'], 1e3 * statistics.median(row['seconds'][phase])
            series.setdefault(row['name'], (row, []))[1].append(point)
    styles = {}
    for name, (row, points) in series.items():
        colour = _colour(row)
        line = ['-', '--', ':', '-.'][styles.setdefault(colour, 0) % 4]
        styles[colour] += 1
        axes.loglog(*zip(*points), f'o{line}', color=colour, label=name, markersize=3)
    axes.set_xlabel('tokens', fontsize=8)
    axes.set_ylabel('ms', fontsize=8)


def _colour(row):
    if row['name'].startswith(('physicsnemo', 'neuralop', 'mmseg')):
        return '0.6'
    return {
        'AFNO': 'tab:blue',
        'AFNO-25%': 'tab:cyan',
        'AFNO + filter': 'tab:pink',
        'GFN': 'tab:green',
        'FNO': 'tab:olive',
        'LS': 'tab:orange',
        'ESA': 'tab:red',
        'SA': 'tab:brown',
    }.get(row['kind'], 'tab:purple')
