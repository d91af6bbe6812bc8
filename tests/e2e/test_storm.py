"""Every kind of fault once, two at a time, amid jobs and approvals; `make chaos` goes on."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.e2e.clock import HOW_TO_INSTALL
from tests.e2e.reckoning import reckon
from tests.e2e.storm import Scene, scene_in, storm
from tests.vendors.stand_in import StandIn


@pytest.fixture
def scene(tmp_path_factory: pytest.TempPathFactory, stand_in: StandIn) -> Iterator[Scene]:
    with scene_in(tmp_path_factory.mktemp("scene"), stand_in) as scene:
        yield scene


def test_a_storm_loses_nothing_and_doubles_nothing(scene: Scene, stand_in: StandIn) -> None:
    assert scene.clock is not None or sys.platform != "linux", HOW_TO_INSTALL
    crowd = storm(scene, clients=4, seed=8, at_once=3, goes_on=lambda: False, say=print)
    reckoning = reckon(scene.stack, crowd.accepted, stand_in, scene.receiver)
    assert reckoning.completed
