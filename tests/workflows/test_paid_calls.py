from __future__ import annotations

import asyncio

import pytest
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError

from domain.errors import (
    Billed,
    Cancelled,
    ContentRejected,
    GenerationFailed,
    OutcomeUnknown,
    ProviderUnavailable,
)
from domain.jobs import JobRequest, JobState, JobStatus, Outcome, PaidCall, Progress, Target
from domain.sizes import Quality
from pipeline.planning import Planner
from providers.base import Call, Order, Picture, Report
from storage.ledger import Ledger
from storage.objects import ObjectStore
from tests.conftest import WorkerFactory
from tests.fakes import FakeProvider, Gate, png
from tests.holding import unheard
from tests.starting import JobHandle, start_job, wish
from tests.waiting import eventually


@pytest.fixture
def request_(planner: Planner) -> JobRequest:
    return planner.job(wish(quality=Quality.STANDARD))


async def noted_call(job: JobHandle) -> PaidCall | None:
    """The call as the engine knows it."""
    description = await job.describe()
    for pending in description.raw_description.pending_activities:
        payloads = pending.heartbeat_details.payloads
        if payloads:
            (progress,) = await description.data_converter.decode(payloads, [Progress])
            return Progress.model_validate(progress).call
    return None


async def failed_state(job: JobHandle) -> JobState:
    with pytest.raises(WorkflowFailureError) as failed:
        await job.result()
    assert isinstance(failed.value.cause, ApplicationError)
    return JobState.model_validate(failed.value.cause.details[0])


class Queue(FakeProvider):
    """A vendor with job ids that works until it is told to finish or to stop."""

    def __init__(self) -> None:
        super().__init__(is_paid=True)
        self.submitted: list[str] = []
        self.at_work = asyncio.Event()
        self.finish = asyncio.Event()
        self.failures: list[Exception] = []
        self.stopped: list[str] = []
        self.stops = True
        self.failing_at_last: Exception | None = None

    async def generate(self, order: Order, call: Call) -> list[Picture]:
        if call.ticket is None:
            await call.sending()
            self.submitted.append(f"t-{len(self.submitted)}")
            await call.submitted(self.submitted[-1])
        self.at_work.set()
        if self.failures:
            raise self.failures.pop(0)
        await self.finish.wait()
        if self.failing_at_last:
            raise self.failing_at_last
        if self.stopped and self.stops:
            raise Cancelled("stopped", provider="studio")
        data = png(order.size.width_px, order.size.height_px)
        return [Picture(data=data, seed=None, cost_usd=0.04)]

    async def cancel(self, ticket: str) -> None:
        self.stopped.append(ticket)
        self.finish.set()


class TestDurability:
    async def test_the_engine_knows_of_a_call_before_it_is_sent(
        self, client: Client, request_: JobRequest, new_worker: WorkerFactory
    ) -> None:
        gate = Gate()
        async with new_worker(FakeProvider(gate, is_paid=True)):
            job = await start_job(client, request_)
            await gate.reached.wait()
            call = await noted_call(job)
            gate.open()
            await job.result()
        assert call
        assert call.key == f"{job.id}.studio.studio-1.0.0"
        assert call.ticket is None

    async def test_a_ticket_outlives_the_attempt_that_got_it(
        self, client: Client, request_: JobRequest, new_worker: WorkerFactory
    ) -> None:
        queue = Queue()
        queue.failures = [ProviderUnavailable("down"), ProviderUnavailable("down")]
        queue.finish.set()
        async with new_worker(queue):
            job = await start_job(client, request_)
            state = await job.result()
        assert queue.submitted == ["t-0"]
        assert [attempt.outcome for attempt in state.attempts] == ["failed", "failed", "completed"]

    async def test_an_unknown_outcome_is_on_record_and_paid_again_once(
        self, client: Client, request_: JobRequest, new_worker: WorkerFactory
    ) -> None:
        async def lose(order: Order, report: Report) -> None:
            raise OutcomeUnknown("lost", provider="studio", billed=Billed.UNKNOWN)

        provider = FakeProvider(lose, is_paid=True)
        async with new_worker(provider):
            job = await start_job(client, request_)
            state = await failed_state(job)
        assert len(provider.orders) == 2
        assert [attempt.outcome for attempt in state.attempts] == [Outcome.UNKNOWN] * 2
        assert state.error
        assert (state.error.code, state.error.billed) == ("outcome_unknown", Billed.UNKNOWN)


class TestCancel:
    async def test_a_paid_call_that_cannot_be_called_off_is_kept(
        self, client: Client, request_: JobRequest, new_worker: WorkerFactory
    ) -> None:
        gate = Gate()
        async with new_worker(FakeProvider(gate, is_paid=True)):
            job = await start_job(client, request_)
            await gate.reached.wait()
            await job.cancel()

            async def is_told() -> bool:
                description = await job.describe()
                pending = description.raw_description.pending_activities
                (progress,) = await description.data_converter.decode(
                    pending[0].heartbeat_details.payloads, [Progress]
                )
                return bool(progress.cancel_too_late)

            await eventually(is_told, "the cancel is said to come too late")
            gate.open()
            state = await job.result()
        assert state.status is JobStatus.COMPLETED
        assert state.cancel_too_late
        assert state.result

    async def test_a_submission_is_cancelled_at_the_vendor(
        self, client: Client, request_: JobRequest, new_worker: WorkerFactory
    ) -> None:
        queue = Queue()
        async with new_worker(queue):
            job = await start_job(client, request_)
            await queue.at_work.wait()
            await job.cancel()
            state = await failed_state(job)
        assert queue.stopped == ["t-0"]
        assert state.error
        assert state.error.code == "cancelled"
        assert [attempt.outcome for attempt in state.attempts] == [Outcome.CANCELLED]

    async def test_a_vendor_that_finishes_all_the_same_is_believed(
        self, client: Client, request_: JobRequest, new_worker: WorkerFactory
    ) -> None:
        queue = Queue()
        queue.stops = False
        async with new_worker(queue):
            job = await start_job(client, request_)
            await queue.at_work.wait()
            await job.cancel()
            state = await job.result()
        assert state.status is JobStatus.COMPLETED
        assert state.cancel_too_late


class TestCancelledUnheard:
    """The worker is held, hears of no cancel, and is given up with a call under way."""

    @pytest.mark.parametrize("stops", [True, False])
    async def test_it_is_called_off_at_the_vendor_and_what_it_made_all_the_same_is_kept(
        self, client: Client, request_: JobRequest, new_worker: WorkerFactory, *, stops: bool
    ) -> None:
        queue = Queue()
        queue.stops = stops
        async with new_worker(queue):
            job = await start_job(client, request_)
            await queue.at_work.wait()
            with unheard("render"):
                await job.cancel()
                state = await (failed_state(job) if stops else job.result())
        assert queue.submitted == queue.stopped == ["t-0"]
        if stops:
            assert state.error
            assert (state.error.code, state.error.billed) == ("cancelled", Billed.NO)
            assert [attempt.outcome for attempt in state.attempts] == [Outcome.CANCELLED]
        else:
            assert state.status is JobStatus.COMPLETED
            assert state.cancel_too_late

    async def test_a_call_that_nobody_can_ask_about_is_billed_as_unknown(
        self,
        client: Client,
        request_: JobRequest,
        new_worker: WorkerFactory,
        store: ObjectStore,
    ) -> None:
        gate = Gate()
        provider = FakeProvider(gate, is_paid=True)
        async with new_worker(provider):
            job = await start_job(client, request_)
            await gate.reached.wait()
            call = await noted_call(job)
            assert call
            with unheard("render"):
                await job.cancel()
                state = await failed_state(job)
        [day] = await Ledger(store).read(call.sent_at.date(), call.sent_at.date())
        assert len(provider.orders) == 1
        assert state.error
        assert (state.error.code, state.error.billed) == ("cancelled", Billed.UNKNOWN)
        assert [attempt.outcome for attempt in state.attempts] == [Outcome.UNKNOWN]
        assert [row.unknown_calls for row in day.rows] == [1]

    async def test_a_job_that_cost_nothing_is_cancelled_too(
        self, client: Client, request_: JobRequest, new_worker: WorkerFactory
    ) -> None:
        gate = Gate()
        async with new_worker(FakeProvider(gate)):
            job = await start_job(client, request_)
            await gate.reached.wait()
            with unheard("render"):
                await job.cancel()
                state = await failed_state(job)
        assert state.error
        assert state.error.code == "cancelled"


class TestCancelledWithFallback:
    """Nobody wants another provider to try, and to be paid."""

    @pytest.fixture
    def request_(self, request_: JobRequest) -> JobRequest:
        other = Target(provider="studio", model="other", expected_seconds=1)
        return request_.model_copy(update={"targets": [request_.targets[0], other]})

    async def test_a_provider_that_fails_when_it_is_called_off_ends_the_job(
        self, client: Client, request_: JobRequest, new_worker: WorkerFactory
    ) -> None:
        queue = Queue()
        queue.stops = False
        async with new_worker(queue):
            job = await start_job(client, request_)
            await queue.at_work.wait()
            queue.failing_at_last = GenerationFailed("the GPU fell off", billed=Billed.UNKNOWN)
            await job.cancel()
            state = await failed_state(job)
        assert queue.submitted == ["t-0"]
        assert state.error
        assert (state.error.code, state.error.billed) == ("cancelled", Billed.UNKNOWN)
        assert [attempt.outcome for attempt in state.attempts] == [Outcome.FAILED]
        assert state.cancel_too_late is None

    async def test_so_does_one_that_fails_before_it_hears_of_the_cancel(
        self, client: Client, request_: JobRequest, new_worker: WorkerFactory
    ) -> None:
        started: asyncio.Future[JobHandle] = asyncio.get_running_loop().create_future()

        async def cancel_and_fail(order: Order, report: Report) -> None:
            await (await started).cancel()
            raise ContentRejected("no", provider="studio", billed=Billed.YES)

        provider = FakeProvider(cancel_and_fail, is_paid=True)
        async with new_worker(provider):
            job = await start_job(client, request_)
            started.set_result(job)
            with pytest.raises(WorkflowFailureError):
                await job.result()
        assert [order.model for order in provider.orders] == ["studio-1"]


class TestFallback:
    async def test_rejected_content_is_not_sent_to_the_same_model_elsewhere(
        self, client: Client, request_: JobRequest, new_worker: WorkerFactory
    ) -> None:
        first = request_.targets[0]
        other = Target(provider="studio", model="other", expected_seconds=1)
        request = request_.model_copy(update={"targets": [first, first, other]})

        async def refuse(order: Order, report: Report) -> None:
            if order.model != "other":
                raise ContentRejected("no", provider="studio", flagged="prompt")

        provider = FakeProvider(refuse)
        async with new_worker(provider):
            state = await (await start_job(client, request)).result()
        assert [order.model for order in provider.orders] == ["studio-1", "other"]
        assert state.attempts[0].error
        assert state.attempts[0].error.flagged == "prompt"
