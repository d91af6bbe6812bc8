from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.vendors.stand_in import StandIn, running_stand_in


@pytest.fixture(scope="session")
def one_stand_in() -> Iterator[StandIn]:
    with running_stand_in() as stand_in:
        yield stand_in


@pytest.fixture
def stand_in(one_stand_in: StandIn) -> StandIn:
    """The vendors, as if nothing had ever happened."""
    one_stand_in.reset()
    return one_stand_in
