"""Watches a client's calls to the engine: of which kind, how they ended, how long they took."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from temporalio.client import (
    CancelWorkflowInput,
    DescribeWorkflowInput,
    FetchWorkflowHistoryEventsInput,
    Interceptor,
    ListWorkflowsInput,
    OutboundInterceptor,
    QueryWorkflowInput,
    SignalWorkflowInput,
    StartWorkflowInput,
    TerminateWorkflowInput,
    WorkflowExecutionAsyncIterator,
    WorkflowExecutionDescription,
    WorkflowHandle,
    WorkflowHistoryEventAsyncIterator,
)
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from observing import facts
from observing.meters import Meters

Pages = TypeVar("Pages", WorkflowExecutionAsyncIterator, WorkflowHistoryEventAsyncIterator)


class EngineWatch(Interceptor):
    """Counts calls, and tells log lines the id of what is started."""

    def __init__(self, meters: Meters) -> None:
        self._meters = meters

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        """Stand before every call."""
        return _Watched(next, self._meters)


class _Watched(OutboundInterceptor):
    def __init__(self, inner: OutboundInterceptor, meters: Meters) -> None:
        super().__init__(inner)
        self._meters = meters

    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:
        facts.tell(**facts.ids_of(input.id))
        with self._measured("start"):
            return await super().start_workflow(input)

    async def cancel_workflow(self, input: CancelWorkflowInput) -> None:
        with self._measured("cancel"):
            await super().cancel_workflow(input)

    async def describe_workflow(self, input: DescribeWorkflowInput) -> WorkflowExecutionDescription:
        with self._measured("describe"):
            return await super().describe_workflow(input)

    async def query_workflow(self, input: QueryWorkflowInput) -> Any:
        with self._measured("query"):
            return await super().query_workflow(input)

    async def signal_workflow(self, input: SignalWorkflowInput) -> None:
        with self._measured("signal"):
            await super().signal_workflow(input)

    async def terminate_workflow(self, input: TerminateWorkflowInput) -> None:
        with self._measured("terminate"):
            await super().terminate_workflow(input)

    def list_workflows(self, input: ListWorkflowsInput) -> WorkflowExecutionAsyncIterator:
        return self._paged("list", super().list_workflows(input))

    def fetch_workflow_history_events(
        self, input: FetchWorkflowHistoryEventsInput
    ) -> WorkflowHistoryEventAsyncIterator:
        return self._paged("history", super().fetch_workflow_history_events(input))

    @contextmanager
    def _measured(self, call: str) -> Iterator[None]:
        began, outcome = time.monotonic(), "ok"
        try:
            yield
        except BaseException as failure:
            outcome = _outcome(failure)
            raise
        finally:
            self._meters.engine_calls.labels(call, outcome).inc()
            self._meters.engine_call_seconds.labels(call).observe(time.monotonic() - began)

    def _paged(self, call: str, pages: Pages) -> Pages:
        """The call is made anew for each page, when the page is wanted."""
        fetch = pages.fetch_next_page

        async def measured(*, page_size: int | None = None) -> None:
            with self._measured(call):
                await fetch(page_size=page_size)

        pages.fetch_next_page = measured  # type: ignore[method-assign]
        return pages


def _outcome(failure: BaseException) -> str:
    """One of few words: gRPC's own status, or what became of the call on our side."""
    if isinstance(failure, RPCError):
        return failure.status.name.lower()
    if isinstance(failure, WorkflowAlreadyStartedError):
        return "already_started"
    if isinstance(failure, asyncio.CancelledError):
        return "timed_out"
    # A client that has never been able to connect raises no `RPCError` yet.
    return "unavailable" if isinstance(failure, RuntimeError) else "failed"
