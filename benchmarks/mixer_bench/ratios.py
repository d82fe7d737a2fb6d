"""Compute ratios of measured times and bytes."""

import math
import statistics
from collections.abc import Iterable, Sequence

from .cases import PUBLIC_AFNO


def baseline(case: dict) -> dict | None:
    """Return the row of the public AFNO layer, or None if it was not run.

    With autocast there are two rows. Return the one that trains faster.
    """
    rows = [row for row in case['rows'] if row['name'] in (PUBLIC_AFNO, f'{PUBLIC_AFNO} fp32')]
    return min(rows, key=lambda row: median(row, 'train'), default=None)


def median(row: dict, phase: str) -> float:
    """Return the median of a row's seconds."""
    return statistics.median(row['seconds'][phase])


def ratios(row: dict, case: dict) -> dict[str, float] | None:
    """Compare a row with :func:`baseline` of its case.

    Returns:
        'forward' and 'train': how many times faster the row is. 'saved': its bytes kept for
        backward, as a share of the baseline's. None if the baseline was not run.
    """
    other = baseline(case)
    if other is None:
        return None
    faster = {phase: median(other, phase) / median(row, phase) for phase in ('forward', 'train')}
    return dict(faster, saved=row['saved_bytes'] / max(other['saved_bytes'], 1))


def mean_ratios(found: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return the geometric mean of each ratio over several results of :func:`ratios`."""
    return {
        key: geometric_mean([ratio[key] for ratio in found])
        for key in ('forward', 'train', 'saved')
    }


def speed_ups(cases: Iterable[dict]) -> dict[str, dict]:
    """Return, by name, the geometric means over cases of the ratios to the public layer.

    Each entry has 'forward', 'train' and 'saved' as in :func:`ratios`, the number of 'cases' that
    have both layers, and 'chosen': whether AFNO chooses this backend in all of them.
    """
    found: dict[str, list[tuple[dict, dict]]] = {}
    for case in cases:
        for row in case['rows'] if baseline(case) else ():
            found.setdefault(row['name'], []).append((ratios(row, case), row))
    return {
        name: dict(
            mean_ratios([ratio for ratio, _ in pairs]),
            cases=len(pairs),
            chosen=all(row['chosen'] for _, row in pairs),
        )
        for name, pairs in found.items()
    }


def geometric_mean(values: Iterable[float]) -> float:
    return math.exp(statistics.fmean(map(math.log, values)))


def growth_exponent(tokens: Sequence[float], seconds: Sequence[float]) -> float:
    """Return ``a`` of the least-squares fit ``seconds ~ tokens^a``."""
    return statistics.linear_regression(
        [math.log(n) for n in tokens], [math.log(t) for t in seconds]
    ).slope
