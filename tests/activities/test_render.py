from __future__ import annotations

import asyncio
import dataclasses
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
from temporalio.activity import ActivityCancellationDetails
from temporalio.api.failure.v1 import Failure
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.testing import ActivityEnvironment

from activities.render import OnUnknownOutcome, RenderActivities
from domain.errors import (
    Billed,
    ContentRejected,
    GenerationFailed,
    JobFailure,
    OutcomeUnknown,
    ProviderRateLimited,
    ProviderUnavailable,
    StorageUnavailable,
)
from domain.jobs import Attempt, JobError, Outcome, PaidCall, Progress
from domain.renders import Rendered, RenderOrder
from pipeline.paying import Cashier
from pipeline.references import References
from pipeline.rendering import Renderer
from pipeline.spending import NoBudgets
from providers.base import Call, Order, Picture, Provider, Report
from storage import objects
from storage.ledger import Ledger
from storage.objects import ObjectStore
from tests.activities.heartbeats import Engine
from tests.activities.orders import render_order
from tests.fakes import Behaviour, FakeProvider, png
from tests.waiting import eventually


class Queue(Provider):
    """A vendor at work, that may once fail when the work is over."""

    def __init__(self, failure: JobFailure | None) -> None:
        super().__init__("studio")
        self.at_work, self.finish = asyncio.Event(), asyncio.Event()
        self.cancelled: list[str] = []
        self._failures = [failure] if failure else []

    async def generate(self, order: Order, call: Call) -> list[Picture]:
        assert call.ticket
        self.at_work.set()
        await self.finish.wait()
        if self._failures:
            raise self._failures.pop()
        return [Picture(data=png(64, 64), seed=None, cost_usd=0.04)]

    async def cancel(self, ticket: str) -> None:
        self.cancelled.append(ticket)


def call_under_way() -> Progress:
    call = PaidCall(key="k", first_index=0, sent_at=LONG_AGO, ticket="t-1")
    return Progress(progress_percentage=40, started_at=LONG_AGO, call=call)


LONG_AGO = datetime.now(UTC) - timedelta(hours=1)
ENGINES_NOW = datetime(2031, 1, 1, tzinfo=UTC)
"""Whatever this machine's clock says."""


def raising(error: Exception) -> Behaviour:
    async def behave(order: Order, report: Report) -> None:
        report(0.5)
        raise error

    return behave


class Attempting(ActivityEnvironment):
    """One attempt at `render`, after what an earlier one heartbeat."""

    def __init__(
        self, earlier: Progress | None = None, on_unknown_outcome: OnUnknownOutcome = "retry"
    ) -> None:
        engine = Engine()
        super().__init__(client=cast(Client, engine))
        self.on_unknown_outcome: OnUnknownOutcome = on_unknown_outcome
        self.sent = engine.taken
        details = [earlier.model_dump(mode="json")] if earlier else []
        self.info = dataclasses.replace(
            self.info, heartbeat_details=details, started_time=ENGINES_NOW
        )

    async def render(
        self, store: ObjectStore, behave: Behaviour | None, order: RenderOrder | None = None
    ) -> Rendered:
        cashier = Cashier(NoBudgets(), Ledger(store))
        renderer = Renderer(
            {"studio": FakeProvider(behave)}, store, References(store, frozenset()), cashier
        )
        activities = RenderActivities(renderer, self.on_unknown_outcome)
        return await self.run(activities.render, order or render_order())

    async def fails(
        self, store: ObjectStore, error: Exception, order: RenderOrder | None = None
    ) -> ApplicationError:
        with pytest.raises(ApplicationError) as failed:
            await self.render(store, raising(error), order)
        return failed.value


class TestRender:
    async def test_earlier_attempts_are_told_with_the_one_that_worked(
        self, store: ObjectStore
    ) -> None:
        failed = Attempt(
            provider="studio", model="studio-1", started_at=LONG_AGO, outcome=Outcome.FAILED
        )
        earlier = Progress(progress_percentage=40, started_at=LONG_AGO, attempts=[failed])
        rendered = await Attempting(earlier).render(store, None)
        assert [attempt.outcome for attempt in rendered.attempts] == ["failed", "completed"]
        assert rendered.started_at == LONG_AGO

    async def test_it_heartbeats_while_the_provider_works(self, store: ObjectStore) -> None:
        attempting = Attempting()

        async def until_heard(order: Order, report: Report) -> None:
            report(0.5)

            async def heard() -> bool:
                return bool(attempting.sent)

            await eventually(heard, "a heartbeat is sent")

        await attempting.render(store, until_heard)
        assert attempting.sent[0].progress_percentage == 47

    @pytest.mark.parametrize(
        "failure",
        [kind(f"it is {kind.code}") for kind in JobFailure.__subclasses__()],
        ids=lambda failure: failure.code,
    )
    async def test_every_failure_is_told_by_its_code_and_retried_as_its_kind_says(
        self, store: ObjectStore, failure: JobFailure
    ) -> None:
        error = await Attempting(on_unknown_outcome="fail").fails(store, failure)
        assert error.type == failure.code
        assert error.non_retryable is not failure.retryable
        assert error.details[0] == JobError.of(failure)
        assert (error.category is ApplicationErrorCategory.BENIGN) is failure.retryable

    async def test_the_next_attempt_is_left_what_this_one_did(self, store: ObjectStore) -> None:
        attempting = Attempting()
        error = await attempting.fails(
            store, ProviderUnavailable("down", provider="studio", billed=Billed.UNKNOWN)
        )
        last = attempting.sent[-1]
        assert last.progress_percentage == 47
        assert last.attempts[0].outcome is Outcome.FAILED
        assert last.attempts[0].error
        assert last.attempts[0].error.billed is Billed.UNKNOWN
        assert error.details[1] == last

    async def test_the_vendors_own_word_on_when_to_come_back_is_kept(
        self, store: ObjectStore
    ) -> None:
        error = await Attempting().fails(
            store, ProviderRateLimited("slow down", retry_after_seconds=7.5)
        )
        assert error.next_retry_delay == timedelta(seconds=7.5)

    async def test_a_verdict_has_no_next_time(self, store: ObjectStore) -> None:
        error = await Attempting().fails(store, ContentRejected("no"))
        assert error.non_retryable
        assert error.next_retry_delay is None

    async def test_an_unknown_outcome_is_told_and_tried_once_more(self, store: ObjectStore) -> None:
        lost = OutcomeUnknown("lost", billed=Billed.UNKNOWN)
        first = Attempting()
        assert not (await first.fails(store, lost)).non_retryable
        (told,) = first.sent[-1].attempts
        assert told.outcome is Outcome.UNKNOWN
        assert told.error
        assert told.error.billed is Billed.UNKNOWN
        second = Attempting(first.sent[-1])
        assert (await second.fails(store, lost)).non_retryable
        assert len(second.sent[-1].attempts) == 2

    async def test_an_unknown_outcome_ends_the_job_where_that_is_wished(
        self, store: ObjectStore
    ) -> None:
        lost = OutcomeUnknown("lost", billed=Billed.UNKNOWN)
        assert (await Attempting(on_unknown_outcome="fail").fails(store, lost)).non_retryable

    async def test_a_vendor_at_work_for_us_is_waited_for(self, store: ObjectStore) -> None:
        call = PaidCall(key="k", first_index=0, sent_at=LONG_AGO, ticket="t-1")
        earlier = Progress(progress_percentage=40, started_at=LONG_AGO, call=call)
        failures = [ProviderUnavailable("down", retry_after_seconds=0.01) for _ in range(3)]

        async def recover(order: Order, report: Report) -> None:
            if failures:
                raise failures.pop()

        rendered = await Attempting(earlier).render(store, recover)
        assert [attempt.outcome for attempt in rendered.attempts] == ["failed"] * 3 + ["completed"]

    async def test_a_provider_is_not_waited_for_for_ever(self, store: ObjectStore) -> None:
        earlier = Progress(progress_percentage=40, started_at=LONG_AGO)
        error = await Attempting(earlier).fails(store, ProviderUnavailable("down"))
        assert error.non_retryable
        assert error.type == "provider_unavailable"

    async def test_with_a_fallback_at_hand_it_is_waited_for_less(self, store: ObjectStore) -> None:
        a_while_ago = ENGINES_NOW - timedelta(minutes=5)
        earlier = Progress(progress_percentage=40, started_at=a_while_ago)
        down = ProviderUnavailable("down")
        patient = await Attempting(earlier).fails(store, down)
        hasty = await Attempting(earlier).fails(store, down, render_order(has_fallback=True))
        assert not patient.non_retryable
        assert hasty.non_retryable

    @pytest.mark.parametrize(("asks_for", "is_over"), [(30.0, False), (3600.0, True)])
    async def test_a_provider_that_asks_for_more_patience_than_there_is_gets_none(
        self, store: ObjectStore, asks_for: float, is_over: bool
    ) -> None:
        limited = ProviderRateLimited("slow down", retry_after_seconds=asks_for)
        error = await Attempting().fails(store, limited, render_order(has_fallback=True))
        assert error.non_retryable is is_over

    async def test_an_outage_of_the_store_is_waited_out(self) -> None:
        closed = objects.connect("http://127.0.0.1:9", "bucket")
        earlier = Progress(progress_percentage=40, started_at=LONG_AGO)
        with pytest.raises(ApplicationError) as failed:
            await Attempting(earlier).render(closed, None)
        assert failed.value.type == StorageUnavailable.code
        assert not failed.value.non_retryable

    async def test_a_defect_is_told_without_its_internals(self, store: ObjectStore) -> None:
        error = await Attempting().fails(store, KeyError("secret-internal-name"))
        assert error.type == "internal"
        assert error.non_retryable
        assert "secret" not in str(error)
        assert "secret" not in str(error.details)

    async def test_what_lies_behind_a_failure_does_not_get_into_the_history(
        self, store: ObjectStore
    ) -> None:
        failure = ProviderUnavailable("down")
        failure.__cause__ = ValueError("Illegal header value b'Bearer secret-key'")
        error = await Attempting().fails(store, failure)
        history = Failure()
        await pydantic_data_converter.encode_failure(error, history)
        assert "down" in str(history)
        assert "secret-key" not in str(history)


class TestGivingUp:
    """An attempt that is cancelled while a vendor is at work for it."""

    async def attempt(
        self,
        store: ObjectStore,
        why: ActivityCancellationDetails,
        *,
        is_draining: bool = False,
        is_finishing: bool = True,
        failure: JobFailure | None = None,
    ) -> tuple[list[str], Rendered | BaseException]:
        """What the vendor was asked to cancel, and how the attempt ended.

        A vendor that does not finish is at work until the worker stops.
        """
        attempting, queue = Attempting(call_under_way()), Queue(failure)
        cashier = Cashier(NoBudgets(), Ledger(store))
        renderer = Renderer({"studio": queue}, store, References(store, frozenset()), cashier)
        render = RenderActivities(renderer, "retry").render
        running = asyncio.ensure_future(attempting.run(render, render_order()))
        await queue.at_work.wait()
        if is_draining:
            attempting.worker_shutdown()
        attempting.cancel(why)
        await asyncio.sleep(0)
        if is_finishing:
            queue.finish.set()
        else:
            attempting.worker_shutdown()
        (ended,) = await asyncio.gather(running, return_exceptions=True)
        return queue.cancelled, ended

    async def test_a_cancelled_job_is_called_off_at_the_vendor(self, store: ObjectStore) -> None:
        why = ActivityCancellationDetails(cancel_requested=True)
        cancelled, ended = await self.attempt(store, why)
        assert cancelled == ["t-1"]
        assert isinstance(ended, Rendered)

    async def test_also_while_the_worker_drains(self, store: ObjectStore) -> None:
        why = ActivityCancellationDetails(cancel_requested=True)
        cancelled, ended = await self.attempt(store, why, is_draining=True)
        assert cancelled == ["t-1"]
        assert isinstance(ended, Rendered)

    @pytest.mark.parametrize(
        "why",
        [
            ActivityCancellationDetails(not_found=True),
            ActivityCancellationDetails(timed_out=True),
            ActivityCancellationDetails(paused=True),
            ActivityCancellationDetails(reset=True),
        ],
        ids=str,
    )
    async def test_an_attempt_that_the_engine_gave_up_leaves_the_vendor_to_the_next(
        self, store: ObjectStore, why: ActivityCancellationDetails
    ) -> None:
        cancelled, ended = await self.attempt(store, why)
        assert cancelled == []
        assert isinstance(ended, Rendered)

    async def test_an_attempt_that_was_given_up_does_not_keep_its_worker_from_stopping(
        self, store: ObjectStore
    ) -> None:
        why = ActivityCancellationDetails(timed_out=True)
        cancelled, ended = await self.attempt(store, why, is_finishing=False)
        assert cancelled == []
        assert isinstance(ended, asyncio.CancelledError)

    async def test_a_worker_that_goes_stops_looking(self, store: ObjectStore) -> None:
        why = ActivityCancellationDetails(worker_shutdown=True)
        cancelled, ended = await self.attempt(store, why, is_draining=True)
        assert cancelled == []
        assert isinstance(ended, asyncio.CancelledError)

    async def test_a_job_called_off_that_fails_is_cancelled_and_nothing_came_too_late(
        self, store: ObjectStore
    ) -> None:
        why = ActivityCancellationDetails(cancel_requested=True)
        failure = GenerationFailed("the GPU fell off", billed=Billed.UNKNOWN)
        _, ended = await self.attempt(store, why, failure=failure)
        assert isinstance(ended, ApplicationError)
        assert (ended.type, ended.non_retryable) == ("cancelled", True)
        error, progress = ended.details
        assert error.billed is Billed.UNKNOWN
        assert progress.cancel_too_late is None

    async def test_a_job_called_off_is_followed_through_an_outage_of_the_vendor(
        self, store: ObjectStore
    ) -> None:
        why = ActivityCancellationDetails(cancel_requested=True)
        down = ProviderUnavailable("down", retry_after_seconds=0.01)
        _, ended = await self.attempt(store, why, failure=down)
        assert isinstance(ended, Rendered)
