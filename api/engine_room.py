"""Calls to the engine, each bounded in time: the API answers even when the engine does not."""

from __future__ import annotations

import asyncio
import logging
import statistics
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
)
from temporalio.common import QueryRejectCondition
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from domain import names
from domain.batches import BatchRequest, Milestone
from domain.budgets import Books
from domain.errors import EngineAway, InternalFailure, QueueUnavailable
from domain.jobs import JobRequest, JobState, JobStatus
from domain.once import Held, Once
from domain.reviews import ReviewState
from workflows.claim import ClaimWorkflow
from workflows.image_batch import ImageBatchWorkflow
from workflows.image_job import ImageJobWorkflow
from workflows.options import batch_options, claim_options, job_options

T = TypeVar("T")

START_SECONDS = 2.0
_CALL_SHARE = 0.75
_BOOKS_SHARE = 0.35
"""Asked before a start; both together must answer within three seconds."""
_QUERY_SECONDS = 1.0
_QUERIES_AT_ONCE = 24
_LISTS_AT_ONCE = 4
"""A list of thousands takes the engine's store tens of milliseconds, in which jobs wait."""
_RECONNECT_SECONDS = 2.0
_POLLER_SEEN = timedelta(seconds=75)
"""A poll lasts a minute; the engine lists who polled for five."""
_WITHDRAWALS = 60
_WITHDRAWAL_PAUSE_SECONDS = 5.0
SEND_AGAIN = "The job queue does not answer. Send the same request again: it starts once."

logger = logging.getLogger("darkroom.api")


class NotKnown(Exception):
    """The engine has no workflow with that id, or has it no longer."""


class NoAnswer(Exception):
    """No worker answered the query in time."""


class EngineRoom:
    """Starts, reads and signals workflows.

    `start_seconds` bound a start, a part of them every other call. When the engine cannot be
    reached in time, starting raises `QueueUnavailable` and all else `EngineAway`; reading and
    signalling raise `NotKnown` for an id the engine does not have.
    """

    def __init__(self, client: Client, start_seconds: float = START_SECONDS) -> None:
        self.client = client
        self._start_seconds = start_seconds
        self._call_seconds = start_seconds * _CALL_SHARE
        self._books_seconds = start_seconds * _BOOKS_SHARE
        self._queries = asyncio.Semaphore(_QUERIES_AT_ONCE)
        self._lists = asyncio.Semaphore(_LISTS_AT_ONCE)
        self._no_worker_until = 0.0
        self._withdrawing: set[asyncio.Task[None]] = set()

    async def start_job(self, job_id: str, request: JobRequest) -> bool:
        """Accept a job, with one engine call; on return it is durable.

        False where a job of that id was accepted before. A request that may be sent again is not
        withdrawn when its outcome is not known: whoever sends it again finds what it started.
        """
        options = job_options(request)
        start = self.client.start_workflow(
            ImageJobWorkflow.run,
            request,
            id=job_id,
            rpc_timeout=timedelta(seconds=self._start_seconds),
            **options,
        )
        return await self._start(job_id, start, withdraws=request.once is None)

    async def start_batch(self, batch_id: str, request: BatchRequest) -> bool:
        """Accept a batch whose manifest is stored, as `start_job` accepts a job."""
        options = batch_options(request)
        start = self.client.start_workflow(
            ImageBatchWorkflow.run,
            request,
            id=batch_id,
            rpc_timeout=timedelta(seconds=self._start_seconds),
            **options,
        )
        return await self._start(batch_id, start, withdraws=request.once is None)

    async def start_claim(self, claim_id: str, once: Once, tenant: str) -> bool:
        """Hold an `Idempotency-Key`, or keep an answer; False where that was done before."""
        start = self.client.start_workflow(
            ClaimWorkflow.run, id=claim_id, **claim_options(Held(once=once), tenant)
        )
        try:
            await self._bounded(start)
        except WorkflowAlreadyStartedError:
            return False
        return True

    async def request_of(self, job_id: str) -> JobRequest | None:
        """What a job was started with; None where the engine does not know it."""
        try:
            return await self._bounded(self._first_input(job_id))
        except NotKnown:
            return None

    async def _first_input(self, job_id: str) -> JobRequest:
        history = self._handle(job_id).fetch_history_events(page_size=1)
        started = (await anext(history)).workflow_execution_started_event_attributes
        decoded: list[JobRequest] = await self.client.data_converter.decode(
            started.input.payloads, [JobRequest]
        )
        return decoded[0]

    async def describe(self, workflow_id: str) -> WorkflowExecutionDescription:
        """Status, memo, search attributes and pending activities."""
        return await self._bounded(self._handle(workflow_id).describe())

    async def describe_job(self, job_id: str) -> WorkflowExecutionDescription:
        """As `describe`; a claim that holds an `Idempotency-Key` in a job's place is no job."""
        description = await self.describe(job_id)
        if description.workflow_type == ClaimWorkflow.__name__:
            raise NotKnown
        return description

    async def query(self, workflow_id: str, result_type: type[T]) -> T:
        """The workflow's own `status`; raises `NoAnswer` when no worker gives it in time.

        After a query that nobody answered, none is tried for a while: pollers must not pile up.
        """
        loop = asyncio.get_running_loop()
        if self._queries.locked() or loop.time() < self._no_worker_until:
            raise NoAnswer
        async with self._queries:
            try:
                query = self._handle(workflow_id).query("status", result_type=result_type)
                answer: T = await asyncio.wait_for(query, _QUERY_SECONDS)
            except (RPCError, TimeoutError, WorkflowQueryFailedError) as error:
                self._no_worker_until = loop.time() + _RECONNECT_SECONDS
                raise NoAnswer from error
        return answer

    async def books(self, budget_id: str) -> Books | None:
        """The books of a budget, None where it was never used; raises `NoAnswer` as `query`."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._no_worker_until:
            raise NoAnswer
        query = self._handle(budget_id).query(
            "status", result_type=Books, reject_condition=QueryRejectCondition.NOT_OPEN
        )
        try:
            books: Books = await asyncio.wait_for(query, self._books_seconds)
        except WorkflowQueryRejectedError:
            return None
        except (RPCError, TimeoutError, RuntimeError, WorkflowQueryFailedError) as error:
            if isinstance(error, RPCError) and error.status is RPCStatusCode.NOT_FOUND:
                return None
            self._no_worker_until = loop.time() + _RECONNECT_SECONDS
            raise NoAnswer from error
        return books

    async def result(self, workflow_id: str, result_type: type[T]) -> T:
        """The result of a workflow that completed."""
        handle = self.client.get_workflow_handle(workflow_id, result_type=result_type)
        return await self._bounded(handle.result())

    async def failed_state(self, job_id: str) -> JobState | None:
        """The state that a failed job's failure carries."""
        try:
            await self._bounded(self._handle(job_id).result())
        except WorkflowFailureError as error:
            cause = error.cause
            if isinstance(cause, ApplicationError) and cause.details:
                return JobState.model_validate(cause.details[0])
        return None

    async def listed_milestones(self, batch_id: str) -> list[Milestone]:
        """The jobs of a batch as the engine's list knows them, without a worker."""
        return await self._bounded(self._list_milestones(batch_id))

    async def _list_milestones(self, batch_id: str) -> list[Milestone]:
        return [
            _milestone(execution)
            async for execution in self.client.list_workflows(
                f"{names.BATCH_ID.name} = '{batch_id}'", page_size=1000
            )
        ]

    async def list_page(
        self, query: str, size: int, token: bytes | None = None
    ) -> tuple[list[WorkflowExecution], bytes | None]:
        """A page of a list, and what gives the next one; the order is the engine's own."""
        listed = self.client.list_workflows(query, page_size=size, next_page_token=token)
        await self._bounded(self._lists.acquire())
        try:
            await self._bounded(listed.fetch_next_page())
        finally:
            self._lists.release()
        return list(listed.current_page or []), listed.next_page_token or None

    async def median_seconds(self, recipe: str, sample: int) -> float | None:
        """The median generation time of the latest jobs of a recipe; None when there are none."""
        seconds = await self._bounded(self._list_seconds(recipe, sample))
        return statistics.median(seconds) if seconds else None

    async def _list_seconds(self, recipe: str, sample: int) -> list[float]:
        query = f"{names.RECIPE.name} = '{recipe}' AND {names.GENERATION_SECONDS.name} >= 0"
        found = self.client.list_workflows(query, limit=sample, page_size=sample)
        values = [e.typed_search_attributes.get(names.GENERATION_SECONDS) async for e in found]
        return [value for value in values if value is not None]

    async def signal(self, workflow_id: str, name: str, argument: Any) -> None:
        """Send a signal; on return it is durable."""
        await self._bounded(self._handle(workflow_id).signal(name, argument))

    async def cancel(self, workflow_id: str, by: str | None = None) -> None:
        """Ask a workflow to cancel; on return that is durable, with who asked."""
        reason = f"by the key '{by}'" if by else ""
        await self._bounded(self._handle(workflow_id).cancel(reason=reason))

    async def call(self, call: Awaitable[T]) -> T:
        """Any other call to the engine, bounded in time as all are."""
        return await self._bounded(call)

    async def count_workers(self) -> int:
        """How many workers have polled the `darkroom` queue lately."""
        request = DescribeTaskQueueRequest(
            namespace=self.client.namespace,
            task_queue=TaskQueue(name=names.TASK_QUEUE),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
        call = self.client.workflow_service.describe_task_queue(request)
        since = datetime.now(UTC) - _POLLER_SEEN
        pollers = (await self._bounded(call)).pollers
        return sum(p.last_access_time.ToDatetime(tzinfo=UTC) > since for p in pollers)

    def _handle(self, workflow_id: str) -> WorkflowHandle[Any, Any]:
        return self.client.get_workflow_handle(workflow_id)

    async def _start(self, workflow_id: str, start: Awaitable[Any], *, withdraws: bool) -> bool:
        try:
            await asyncio.wait_for(start, self._start_seconds)
        except WorkflowAlreadyStartedError:
            logger.info("already started [id=%s]", workflow_id)
            return False
        except (RPCError, TimeoutError, RuntimeError) as error:
            if isinstance(error, RPCError) and error.status is RPCStatusCode.INVALID_ARGUMENT:
                raise InternalFailure("The job queue does not take this request.") from error
            if not withdraws:
                raise QueueUnavailable(SEND_AGAIN) from error
            self._withdraw(workflow_id)
            raise QueueUnavailable(
                "The job queue does not answer; nothing was started. Try again soon."
            ) from error
        return True

    def _withdraw(self, workflow_id: str) -> None:
        """Undo a start whose outcome is not known, since the caller is told that it failed."""
        task = asyncio.create_task(self._terminate_when_back(workflow_id))
        self._withdrawing.add(task)
        task.add_done_callback(self._withdrawing.discard)

    async def _terminate_when_back(self, workflow_id: str) -> None:
        for _ in range(_WITHDRAWALS):
            await asyncio.sleep(_WITHDRAWAL_PAUSE_SECONDS)
            try:
                await self._bounded(
                    self._handle(workflow_id).terminate(reason="its submission was answered 500")
                )
            except NotKnown:
                return
            except EngineAway:
                continue
            logger.warning("withdrew a start that was answered 500 [id=%s]", workflow_id)
            return

    async def _bounded(self, call: Awaitable[T]) -> T:
        try:
            return await asyncio.wait_for(call, self._call_seconds)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                raise NotKnown from error
            raise _away() from error
        except (TimeoutError, RuntimeError) as error:
            raise _away() from error


def _milestone(execution: WorkflowExecution) -> Milestone:
    attributes = execution.typed_search_attributes
    is_running = execution.status is WorkflowExecutionStatus.RUNNING
    status = attributes.get(names.STATUS) or (JobStatus.QUEUED if is_running else JobStatus.FAILED)
    review = attributes.get(names.REVIEW)
    return Milestone(
        job_id=execution.id,
        status=JobStatus(status),
        review=ReviewState(review) if review else None,
    )


def _away() -> EngineAway:
    return EngineAway("The job queue does not answer; jobs that it took go on. Try again soon.")
