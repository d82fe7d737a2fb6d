"""Ratios of measured times and bytes."""

import math
import statistics

from .cases import PUBLIC_AFNO


def baseline(case):
    """The public AFNO layer's row, under autocast or not, whichever trains faster; else None."""
    rows = [row for row in case['rows'] if row['name'] in (PUBLIC_AFNO, f'{PUBLIC_AFNO} fp32')]
    return min(rows, key=lambda row: median(row, 'train'), default=None)


def median(row, phase):
    return statistics.median(row['seconds'][phase])


def ratios(row, case, base):
    """A row of a case beside another.

    Args:
        row (dict): The row.
        case (dict): Its case.
        base (str): Name of the other; of the public layer :func:`baseline`.

    Returns:
        dict[str, float] | None: 'forward' and 'train', how many times faster; 'saved', the share
        of its bytes. None if the other was not run.
    """
    other = (
        baseline(case)
        if base == PUBLIC_AFNO
        else next((other for other in case['rows'] if other['name'] == base), None)
    )
    if other is None:
        return None
    faster = {phase: median(other, phase) / median(row, phase) for phase in ('forward', 'train')}
    return dict(faster, saved=row['saved_bytes'] / max(other['saved_bytes'], 1))


def mean_ratios(found):
    """Geometric means of :func:`ratios`."""
    return {
        key: geometric_mean([ratio[key] for ratio in found])
        for key in ('forward', 'train', 'saved')
    }


def speed_ups(cases):
    """Ratios to the public layer, geometric means over cases.

    Returns:
        dict[str, dict]: By name: 'forward', 'train' and 'saved' of :func:`ratios`, the number
        of 'cases' that count, and whether AFNO has 'chosen' the path in all of them.
    """
    found = {}
    for case in cases:
        for row in case['rows'] if baseline(case) else ():
            found.setdefault(row['name'], []).append((ratios(row, case, PUBLIC_AFNO), row))
    return {
        name: dict(
            mean_ratios([ratio for ratio, _ in pairs]),
            cases=len(pairs),
            chosen=all(row['chosen'] for _, row in pairs),
        )
        for name, pairs in found.items()
    }


def geometric_mean(values):
    return math.exp(statistics.fmean(map(math.log, values)))


def growth_exponent(tokens, seconds):
    """a of the least-squares fit ``seconds ~ tokens^a``."""
    return statistics.linear_regression(
        [math.log(n) for n in tokens], [math.log(t) for t in seconds]
    ).slope
