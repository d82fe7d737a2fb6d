"""Statistics of paired trainings: standard errors, exact sign-flip tests, Holm's correction."""

import math
from collections.abc import Sequence

import numpy as np

MOST = 20  # the most differences that a test takes: it tries all 2^n choices of signs


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean and its standard error, which is NaN for a single value."""
    array = np.asarray(values, float)
    error = array.std(ddof=1) / math.sqrt(len(array)) if len(array) > 1 else math.nan
    return float(array.mean()), float(error)


def sign_flip_test(differences: Sequence[float]) -> float:
    """Return the two-sided p of the hypothesis that differences are symmetric around 0.

    Under this hypothesis, each of the 2^n choices of signs is equally likely. p is the share of
    choices whose sum is at least as far from 0 as the observed sum. p is exact, and at least
    2 / 2^n. It is NaN if a difference is NaN.

    Raises:
        ValueError: If there is no difference, or there are more than ``MOST``.
    """
    array = np.asarray(differences, float)
    if np.isnan(array).any():
        return math.nan
    if not 0 < len(array) <= MOST:
        raise ValueError(f'a sign-flip test takes 1 to {MOST} differences, got {len(array)}')
    sums = np.zeros(1)
    for difference in array:
        sums = np.concatenate([sums + difference, sums - difference])  # (2^n,) in the end
    # Sums of the same numbers in another order differ by rounding.
    bound = abs(array.sum()) * (1 - 1e-9) - 1e-12
    return float((abs(sums) >= bound).mean())


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number (Holm, 1979), in the same order.

    If you reject all hypotheses with p below alpha, the probability of any false rejection is at
    most alpha.
    """
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(np.argsort(p_values, kind='stable')):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        corrected[i] = largest
    return corrected
