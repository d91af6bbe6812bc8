from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import ActivityEnvironment

from activities.beating import Beat, earlier_progress
from domain.errors import StorageUnavailable
from domain.jobs import Attempt, Outcome, PaidCall, Progress
from tests.activities.orders import render_order

NOW = datetime(2026, 11, 23, tzinfo=UTC)
SENT = PaidCall(key="k", first_index=0, sent_at=NOW)
TICKETED = SENT.model_copy(update={"ticket": "t-1"})
FAILED = Attempt(provider="studio", model="studio-1", started_at=NOW, outcome=Outcome.FAILED)


def percentages(beat: Beat, *shares: float) -> list[int]:
    shown = []
    for share in shares:
        beat.report(share)
        shown.append(beat.progress().progress_percentage)
    return shown


class TestBeat:
    def test_it_is_the_providers_word_within_the_orders_span(self) -> None:
        beat = Beat(render_order(progress_from=10, progress_to=90), None)
        assert percentages(beat, 0.25, 0.5, 1.0) == [30, 50, 90]

    @pytest.mark.parametrize("shares", [(0.5, 0.2), (0.5, -1.0), (0.5, 0.0)])
    def test_it_never_goes_down(self, shares: tuple[float, ...]) -> None:
        shown = percentages(Beat(render_order(), None), *shares)
        assert shown == sorted(shown)

    def test_it_never_leaves_its_span(self) -> None:
        beat = Beat(render_order(progress_from=5, progress_to=47), None)
        assert percentages(beat, 7.0) == [47]

    def test_it_never_goes_down_across_attempts(self) -> None:
        first = Beat(render_order(), None)
        percentages(first, 0.8)
        first.attempts.append(FAILED)
        second = Beat(render_order(), first.progress())
        assert percentages(second, 0.0, 0.1) == [73, 73]
        assert second.started_at == first.started_at
        assert second.progress().attempts == [FAILED]

    def test_it_starts_where_the_order_does_and_not_before(self) -> None:
        assert Beat(render_order(progress_from=47), None).progress().progress_percentage >= 47

    @pytest.mark.parametrize("expected_seconds", [0.0, 1e-9, 1e9])
    def test_without_a_word_it_stays_within_its_span(self, expected_seconds: float) -> None:
        order = render_order(expected_seconds=expected_seconds)
        assert 5 <= Beat(order, None).progress().progress_percentage <= 90

    def test_its_time_is_the_engines_and_goes_on_with_no_clock_of_this_machine(self) -> None:
        beat = Beat(render_order(), None, NOW)
        first, second = beat.now(), beat.now()
        assert beat.started_at == NOW
        assert NOW <= first <= second < NOW + timedelta(hours=1)


class Engine:
    """Takes heartbeats that wait for an answer, or is away."""

    def __init__(self, *failures: RPCError) -> None:
        self._failures = list(failures)

    def get_async_activity_handle(self, *, task_token: bytes) -> Engine:
        return self

    async def heartbeat(self, *details: Any) -> None:
        if self._failures:
            raise self._failures.pop(0)


class TestPutDown:
    """A paid call, where the engine has it before anything is sent."""

    async def put_down(
        self, engine: Engine, call: PaidCall | None, earlier: PaidCall | None = None
    ) -> list[PaidCall | None]:
        """What each heartbeat said is under way."""
        told: list[Progress] = []
        environment = ActivityEnvironment(client=cast(Client, engine))
        environment.on_heartbeat = told.append
        beat = Beat(render_order(), None)
        beat.call = earlier
        try:
            await environment.run(beat.put_down, call)
        except StorageUnavailable:
            told.append(beat.progress())
        return [progress.call for progress in told]

    async def test_a_call_that_the_engine_does_not_take_is_not_under_way(self) -> None:
        away = RPCError("away", RPCStatusCode.UNAVAILABLE, b"")
        assert await self.put_down(Engine(away), SENT) == [SENT, None, None]

    @pytest.mark.parametrize("call", [TICKETED, None], ids=["a ticket", "an end"])
    async def test_what_has_happened_waits_for_the_engine(self, call: PaidCall | None) -> None:
        away = RPCError("away", RPCStatusCode.UNAVAILABLE, b"")
        assert await self.put_down(Engine(away), call, SENT) == [call]


class TestEarlierProgress:
    async def test_it_is_what_the_last_attempt_sent(self) -> None:
        sent = Progress(progress_percentage=47, started_at=NOW, attempts=[FAILED])
        for details in (sent, sent.model_dump(mode="json")):
            environment = ActivityEnvironment()
            environment.info = dataclasses.replace(environment.info, heartbeat_details=[details])
            assert environment.run(earlier_progress) == sent

    def test_a_first_attempt_has_none(self) -> None:
        assert ActivityEnvironment().run(earlier_progress) is None
