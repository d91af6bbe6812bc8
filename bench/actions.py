"""What jobs cost on Temporal Cloud: `python -m bench.actions`.

Actions are counted from golden histories, by the list at https://docs.temporal.io/cloud/actions;
heartbeats are in no history and are reckoned from their interval. Prices are those of
https://docs.temporal.io/cloud/pricing, read in November 2026.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

HISTORIES = Path(__file__).parents[1] / "tests" / "replay" / "histories" / "0.1.0"
FAIRNESS = 1.1
"""Tenants that take turns cost a tenth of an Action more for each Action."""
PLAN_USD, PLAN_ACTIONS, PLAN_SHARE = 500.0, 2_500_000, 0.10
_TIERS = ((5, 50.0), (5, 45.0), (10, 40.0), (30, 35.0), (50, 30.0), (100, 25.0))
"""Millions of Actions, and USD for a million of these; beyond them the last price."""
RETAINED_USD_PER_GB_HOUR, ACTIVE_USD_PER_GB_HOUR = 0.00105, 0.042
HOURS = 744

_ONE_ACTION = (
    "WORKFLOW_EXECUTION_STARTED",
    "ACTIVITY_TASK_SCHEDULED",
    "TIMER_STARTED",
    "WORKFLOW_EXECUTION_SIGNALED",
    "UPSERT_WORKFLOW_SEARCH_ATTRIBUTES",
    "START_CHILD_WORKFLOW_EXECUTION_INITIATED",
    "WORKFLOW_EXECUTION_UPDATE_ACCEPTED",
)


class Journey(NamedTuple):
    """What an image goes through: its workflows, and the seconds that its renders take."""

    name: str
    histories: tuple[str, ...]
    render_seconds: tuple[float, ...]


JOURNEYS = (
    Journey("an image, without review", ("plain-job",), (15.0,)),
    Journey(
        "a draft, approved, and its final", ("approved-draft", "final-of-a-draft"), (4.0, 15.0)
    ),
)


def actions_of(history: dict[str, Any]) -> int:
    """The Actions that a history shows."""
    kinds = Counter(e["eventType"].removeprefix("EVENT_TYPE_") for e in history["events"])
    retries = sum(
        int(event["activityTaskStartedEventAttributes"].get("attempt", 1)) - 1
        for event in history["events"]
        if "activityTaskStartedEventAttributes" in event
    )
    return sum(kinds[kind] for kind in _ONE_ACTION) + retries


def actions(journey: Journey, heartbeat_seconds: float) -> int:
    """The Actions of a journey by a hosted vendor: three of its heartbeats put it down."""
    told = sum(actions_of(_read(name)) for name in journey.histories)
    beats = sum(3 + int(seconds / heartbeat_seconds) for seconds in journey.render_seconds)
    return round(FAIRNESS * (told + beats))


def usd_a_month(actions: int) -> float:
    """The Business plan with pay as you go, without storage."""
    left, spent = max(0, actions - PLAN_ACTIONS) / 1_000_000, 0.0
    for millions, usd in _TIERS:
        spent += min(left, millions) * usd
        left -= min(left, millions)
    spent += left * _TIERS[-1][1]
    return spent + max(PLAN_USD, PLAN_SHARE * spent)


def _read(name: str) -> dict[str, Any]:
    return dict(json.loads((HISTORIES / f"{name}.json").read_text()))


def main() -> None:
    """Print what a month costs."""
    table = Table(title="Temporal Cloud, Business plan, USD a month without storage")
    for column in ("an image", "heartbeat", "Actions", "1 M images", "10 M", "100 M"):
        table.add_column(column)
    for journey in JOURNEYS:
        for heartbeat in (0.8, 3.0):
            each = actions(journey, heartbeat)
            months = [f"{usd_a_month(each * n * 1_000_000):,.0f}" for n in (1, 10, 100)]
            table.add_row(journey.name, f"{heartbeat:g} s", str(each), *months)
    Console().print(table)


if __name__ == "__main__":
    main()
