"""Every kind of fault once, two at a time, amid jobs and approvals; `make chaos` goes on."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.e2e.clock import HOW_TO_INSTALL
from tests.e2e.reckoning import reckon
from tests.e2e.storm import Sky, sky_over, storm
from tests.vendors.stand_in import StandIn


@pytest.fixture
def sky(tmp_path_factory: pytest.TempPathFactory, stand_in: StandIn) -> Iterator[Sky]:
    with sky_over(tmp_path_factory.mktemp("sky"), stand_in) as sky:
        yield sky


def test_a_storm_loses_nothing_and_doubles_nothing(sky: Sky, stand_in: StandIn) -> None:
    assert sky.clock is not None or sys.platform != "linux", HOW_TO_INSTALL
    crowd = storm(sky, clients=4, seed=8, at_once=3, goes_on=lambda: False, say=print)
    reckoning = reckon(sky.stack, crowd.accepted, stand_in, sky.receiver)
    assert reckoning.completed
