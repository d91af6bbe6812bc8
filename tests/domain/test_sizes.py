from __future__ import annotations

import itertools
from fractions import Fraction

import pytest

from domain.sizes import (
    LONG_SIDE_PX,
    MAX_SIDE_PX,
    MIN_SIDE_PX,
    AspectRatio,
    Quality,
    size_for,
)


@pytest.mark.parametrize(("quality", "ratio"), [*itertools.product(Quality, AspectRatio)])
def test_a_size_has_exactly_its_ratio_and_no_larger_one_would_do(
    quality: Quality, ratio: AspectRatio
) -> None:
    across, down = (int(part) for part in ratio.split(":"))
    width, height = size_for(quality, ratio)
    assert Fraction(width, height) == Fraction(across, down)
    assert max(width, height) <= LONG_SIDE_PX[quality]
    unit = max(width, height) // max(across, down)
    assert (unit + 1) * max(across, down) > LONG_SIDE_PX[quality]
    assert min(width, height) >= MIN_SIDE_PX
    assert max(width, height) <= MAX_SIDE_PX


@pytest.mark.parametrize("ratio", AspectRatio)
def test_a_better_quality_is_larger(ratio: AspectRatio) -> None:
    sizes = [size_for(quality, ratio) for quality in Quality]
    assert sizes == sorted(set(sizes))


def test_every_ratio_of_the_contract_is_there() -> None:
    assert sorted(AspectRatio) == sorted(
        ["1:1", "16:9", "9:16", "4:3", "3:4", "3:2", "2:3", "4:5", "5:4", "21:9", "9:21"]
    )
