from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.actions import JOURNEYS, actions, actions_of, usd_a_month
from domain.names import SEARCH_ATTRIBUTE_TYPES

PAGE = (Path(__file__).parents[2] / "docs" / "temporal-cloud.md").read_text()


def event(kind: str, **attributes: Any) -> dict[str, Any]:
    return {"eventType": f"EVENT_TYPE_{kind}", **attributes}


def test_each_attempt_of_an_activity_is_an_action() -> None:
    started = event("ACTIVITY_TASK_STARTED", activityTaskStartedEventAttributes={"attempt": 3})
    assert actions_of({"events": [event("ACTIVITY_TASK_SCHEDULED"), started]}) == 3


def test_workflow_tasks_are_none() -> None:
    tasks = [event(f"WORKFLOW_TASK_{kind}") for kind in ("SCHEDULED", "STARTED", "COMPLETED")]
    assert actions_of({"events": [event("WORKFLOW_EXECUTION_STARTED"), *tasks]}) == 1


@pytest.mark.parametrize(
    ("millions", "usd"),
    [(1, 500), (2.5, 500), (7.5, 250 + 500), (13.75, 525 + 500), (102.5, 3425 + 500)],
)
def test_a_month_is_what_the_price_list_says(millions: float, usd: float) -> None:
    assert usd_a_month(int(millions * 1_000_000)) == pytest.approx(usd)


@pytest.mark.parametrize("heartbeat", [0.8, 3.0])
@pytest.mark.parametrize("journey", JOURNEYS, ids=lambda journey: journey.name)
def test_the_page_says_what_is_counted(journey: Any, heartbeat: float) -> None:
    each = actions(journey, heartbeat)
    months = " | ".join(f"{usd_a_month(each * n * 1_000_000):,.0f}" for n in (1, 10, 100))
    assert f"| {journey.name} | {heartbeat:g} s | {each} | {months} |" in PAGE


def test_the_page_names_every_search_attribute() -> None:
    for name in SEARCH_ATTRIBUTE_TYPES:
        assert f"`{name}`" in PAGE
