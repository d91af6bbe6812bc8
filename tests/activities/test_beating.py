from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
from temporalio.activity import ActivityCancellationDetails
from temporalio.client import AsyncActivityCancelledError, Client
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import ActivityEnvironment

from activities.beating import Beat, beating, earlier_progress
from domain.errors import StorageUnavailable
from domain.jobs import Attempt, Outcome, PaidCall, Progress
from tests.activities.heartbeats import Engine
from tests.activities.orders import render_order
from tests.waiting import eventually

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
        beat = Beat(render_order(), None, begun_at=NOW)
        first, second = beat.now(), beat.now()
        assert beat.started_at == NOW
        assert NOW <= first <= second < NOW + timedelta(hours=1)


AWAY = RPCError("away", RPCStatusCode.UNAVAILABLE, b"")
GONE = RPCError("gone", RPCStatusCode.NOT_FOUND, b"")
CANCELLED = AsyncActivityCancelledError(ActivityCancellationDetails(cancel_requested=True))


Story = Callable[[Beat], Awaitable[None]]


async def told_to_worker(engine: Engine, story: Story) -> list[PaidCall | None]:
    """What the SDK was given to heartbeat, by which the worker hears of cancels."""
    told: list[Progress] = []
    environment = ActivityEnvironment(client=cast(Client, engine))
    environment.on_heartbeat = told.append

    async def body() -> None:
        async with beating(render_order(), pause_seconds=3600.0) as beat:
            await story(beat)

    await environment.run(body)
    return [progress.call for progress in told]


class Clock:
    """Stands still until it is set."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


class TestPutDown:
    """A paid call, where the engine has it before anything is sent."""

    async def put_down(
        self, engine: Engine, call: PaidCall | None, earlier: PaidCall | None = None
    ) -> None:
        async def story(beat: Beat) -> None:
            beat.call = earlier
            await beat.put_down(call)
            assert beat.call == call

        await told_to_worker(engine, story)

    async def test_a_call_that_the_engine_does_not_take_is_not_under_way(self) -> None:
        engine = Engine(AWAY)

        async def story(beat: Beat) -> None:
            with pytest.raises(StorageUnavailable):
                await beat.put_down(SENT)
            assert beat.call is None
            await beat.put_down(None)

        await told_to_worker(engine, story)
        assert set(engine.calls) == {None}

    @pytest.mark.parametrize("call", [TICKETED, None], ids=["a ticket", "an end"])
    async def test_what_has_happened_waits_for_the_engine(self, call: PaidCall | None) -> None:
        engine = Engine(AWAY)
        await self.put_down(engine, call, SENT)
        assert engine.calls == [call]

    async def test_who_stood_still_while_it_was_taken_asks_whether_the_attempt_is_still_its_own(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        answered = asyncio.Event()
        engine = Engine(answered)
        clock = Clock()

        async def story(beat: Beat) -> None:
            monkeypatch.setattr("activities.beating.time", clock)
            putting_down = asyncio.create_task(beat.put_down(SENT))
            await engine.is_asked.wait()
            clock.now = 8.0
            answered.set()
            await putting_down
            await beat.put_down(None)

        await told_to_worker(engine, story)
        assert engine.calls == [SENT, SENT, None]

    async def test_no_older_heartbeat_arrives_after_it(self) -> None:
        late = asyncio.Event()
        engine = Engine(late)

        async def story(beat: Beat) -> None:
            beat.send()
            await engine.is_asked.wait()
            putting_down = asyncio.create_task(beat.put_down(SENT))
            await asyncio.sleep(0)
            assert not putting_down.done()
            late.set()
            await putting_down

        await told_to_worker(engine, story)
        assert engine.calls == [None, SENT]

    @pytest.mark.parametrize("call", [TICKETED, None], ids=["a ticket", "an end"])
    @pytest.mark.parametrize("answer", [CANCELLED, GONE], ids=["cancelled", "gone"])
    async def test_what_has_happened_is_put_down_once_nobody_wants_it(
        self, call: PaidCall | None, answer: Exception
    ) -> None:
        engine = Engine(answer)

        async def story(beat: Beat) -> None:
            beat.call = SENT
            await beat.put_down(call)

        assert await told_to_worker(engine, story) == [call]

    async def test_an_attempt_that_was_given_up_takes_nothing_over(self) -> None:
        async def story(beat: Beat) -> None:
            with pytest.raises(asyncio.CancelledError):
                await beat.take_over(TICKETED)

        await told_to_worker(Engine(GONE), story)

    async def test_a_ticket_that_was_found_is_taken_over_once_the_engine_has_it(self) -> None:
        async def story(beat: Beat) -> None:
            await beat.take_over(TICKETED)
            assert beat.call == TICKETED

        engine = Engine(AWAY)
        await told_to_worker(engine, story)
        assert engine.calls == [TICKETED]

    async def test_nothing_is_sent_for_a_job_that_is_gone(self) -> None:
        async def story(beat: Beat) -> None:
            with pytest.raises(asyncio.CancelledError):
                await beat.put_down(SENT)
            assert beat.call is None

        assert await told_to_worker(Engine(GONE), story) == [SENT]

    async def test_nothing_is_sent_for_a_job_whose_cancel_the_worker_is_yet_to_hear_of(
        self,
    ) -> None:
        engine = Engine(CANCELLED)

        async def story(beat: Beat) -> None:
            putting_down = asyncio.create_task(beat.put_down(SENT))
            await engine.is_asked.wait()

            async def is_taken_back() -> bool:
                return beat.call is None

            await eventually(is_taken_back, "the call is taken back")
            assert not putting_down.done()
            putting_down.cancel()  # as the worker does
            with pytest.raises(asyncio.CancelledError):
                await putting_down
            await beat.put_down(None)

        assert await told_to_worker(engine, story) == [SENT]
        assert engine.calls[-1] is None


class TestEarlierProgress:
    async def test_it_is_what_the_last_attempt_sent(self) -> None:
        sent = Progress(progress_percentage=47, started_at=NOW, attempts=[FAILED])
        for details in (sent, sent.model_dump(mode="json")):
            environment = ActivityEnvironment()
            environment.info = dataclasses.replace(environment.info, heartbeat_details=[details])
            assert environment.run(earlier_progress) == sent

    def test_a_first_attempt_has_none(self) -> None:
        assert ActivityEnvironment().run(earlier_progress) is None
