"""Statistics of paired trainings, against SciPy, enumerated values and planted effects."""

import itertools
import math

import numpy as np
import pytest
from afno_mm.sweep.statistics import holm, mean_and_error, sign_flip_test
from scipy import stats


def test_mean_and_standard_error():
    values = [25.3, 24.9, 25.8, 25.1]
    assert mean_and_error(values) == pytest.approx((np.mean(values), stats.sem(values)))
    mean, error = mean_and_error([3.0])
    assert mean == 3 and math.isnan(error)


@pytest.mark.parametrize(
    'differences, p',
    [
        ([1.0], 1.0),
        ([0.1] * 6, 2 / 64),
        ([0.3, 0.1, 0.2, 0.5, 0.4, 0.9, 0.1, 0.2], 2 / 256),
        ([-0.3, -0.1, -0.2, -0.5, -0.4, -0.9, -0.1, -0.2], 2 / 256),
        ([1.0, 2.0, -0.5], 4 / 8),  # only 2.5 and 3.5 of |+-1 +-2 +-0.5| reach 2.5
        ([0.0, 0.0, 0.0], 1.0),
        ([0.1, 0.2, 0.3 - 0.6], 1.0),  # sums to 0 but for rounding
    ],
)
def test_enumerated_sign_flips(differences, p):
    assert sign_flip_test(differences) == pytest.approx(p)


@pytest.mark.parametrize('number', [2, 5, 8])
def test_sign_flips_as_in_scipy(number):
    rng = np.random.default_rng(number)
    for shift in (0, 0.5, -1):
        d = rng.normal(shift, 1, number)
        expected = stats.permutation_test((d,), np.mean, permutation_type='samples').pvalue
        assert sign_flip_test(d) == pytest.approx(expected)


def test_sign_flips_of_no_or_too_many_or_unknown_differences():
    for number in (0, 21):
        with pytest.raises(ValueError, match=f'takes 1 to 20 differences, got {number}'):
            sign_flip_test([1.0] * number)
    assert math.isnan(sign_flip_test([1.0, math.nan]))


def test_without_an_effect_few_tests_find_one_and_with_it_most_do():
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(2000, 8))
    found = np.mean([sign_flip_test(d) <= 0.05 for d in draws])
    assert 0.03 < found < 0.06
    assert np.mean([sign_flip_test(d + 1.5) <= 0.05 for d in draws[:200]]) > 0.9


def test_holm():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.6]) == [1.0, 1.0] and holm([]) == []
    for p_values in itertools.permutations([0.02, 0.001, 0.3]):
        expected = {0.001: 0.003, 0.02: 0.04, 0.3: 0.3}
        assert holm(p_values) == pytest.approx([expected[p] for p in p_values])
