"""Median, spread and the interval of a median."""

import random
from statistics import median

from bench.spread import median_interval, spread


def test_the_spread_names_median_least_and_ninetieth_percentile() -> None:
    found = spread([float(value) for value in range(1, 11)][::-1])
    assert (found.median, found.min, found.p90) == (5.5, 1.0, 9.0)


def test_one_value_is_its_own_spread() -> None:
    found = spread([3.0])
    assert (found.median, found.min, found.p90) == (3.0, 3.0, 3.0)


def test_few_values_bound_the_median_by_their_extremes() -> None:
    assert median_interval([3.0, 1.0, 2.0]) == (1.0, 3.0)
    assert median_interval([4.0]) == (4.0, 4.0)


def test_the_interval_is_that_of_the_sign_test() -> None:
    # For n = 31 tables give the 10th and the 22nd value.
    assert median_interval([float(value) for value in range(1, 32)]) == (10.0, 22.0)


def test_the_interval_holds_the_true_median_nearly_always() -> None:
    draws = random.Random(7)
    held = 0
    for _ in range(400):
        low, high = median_interval([draws.expovariate(1.0) for _ in range(15)])
        held += low <= 0.693147 <= high
    assert held >= 400 * 0.93


def test_the_interval_surrounds_the_median_found() -> None:
    draws = random.Random(8)
    for count in range(1, 40):
        values = [draws.random() for _ in range(count)]
        low, high = median_interval(values)
        assert low <= median(values) <= high
