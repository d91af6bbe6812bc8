from __future__ import annotations

import pytest

from bench.load import limit
from bench.meters import percentile, slope


def test_a_slope_is_that_of_the_straight_line() -> None:
    assert slope([(0, 5.0), (10, 25.0), (20, 45.0)]) == pytest.approx(2.0)


@pytest.mark.parametrize("points", [[], [(3, 1.0)], [(3, 1.0), (3, 2.0)]])
def test_where_nothing_moves_there_is_no_slope(points: list[tuple[float, float]]) -> None:
    assert slope(points) is None


@pytest.mark.parametrize(("share", "value"), [(0.5, 6), (0.99, 10), (1.0, 10)])
def test_a_percentile_is_one_of_the_values(share: float, value: int) -> None:
    assert percentile(range(10, 0, -1), share) == value


@pytest.mark.parametrize(
    ("cores", "told"),
    [
        ({"engine": 1.0, "worker": 0.7, "api": 0.1}, "the 2 cores: engine 1.00, worker 0.70"),
        ({"engine": 0.2, "worker": 0.9}, "one core, which worker cannot leave"),
        ({"engine": 0.3, "worker": 0.2}, "no CPU, but something waited for"),
        ({}, "not known"),
    ],
)
def test_the_limit_is_what_is_full(cores: dict[str, float], told: str) -> None:
    assert limit(cores, of=2).startswith(told)
