"""Watches the worker's activities: their facts, how they ended, and how long they took."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from opentelemetry import trace
from temporalio import activity, client
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from domain.jobs import JobRecord, JobRequest, JobStatus, Outcome, Progress
from domain.renders import DevelopOrder, Rendered, RenderOrder
from domain.retention import SweepOrder, Swept
from domain.reviews import ReviewState
from domain.webhooks import Delivery
from observing import facts
from observing.meters import Meters
from observing.tracing import ERROR_TYPE

logger = logging.getLogger("darkroom.worker")


class ActivityWatch(client.Interceptor, Interceptor):
    """Tells everything an activity logs whose it is, and counts what comes of it.

    Given to a client, it is on all workers of that client.
    """

    def __init__(self, meters: Meters) -> None:
        self._meters = meters

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Stand before every activity of the worker."""
        return _Watched(next, self._meters)


class _Watched(ActivityInboundInterceptor):
    def __init__(self, inner: ActivityInboundInterceptor, meters: Meters) -> None:
        super().__init__(inner)
        self._meters = meters

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        info, began = activity.info(), time.monotonic()
        order = input.args[0] if input.args else None
        if isinstance(order, RenderOrder):
            waited = (info.started_time - info.current_attempt_scheduled_time).total_seconds()
            provider, _ = self._meters.named(order.target.provider, order.target.model)
            self._meters.queue_seconds.labels(provider).observe(max(waited, 0.0))
        with facts.gathering({**facts.ids_of(info.workflow_id or ""), **_facts_of(order, info)}):
            try:
                result = await super().execute_activity(input)
            except (Exception, asyncio.CancelledError) as failure:
                self._ended(info, order, failure, time.monotonic() - began)
                raise
            self._ended(info, order, result, time.monotonic() - began)
            return result

    def _ended(self, info: activity.Info, order: object, came: object, seconds: float) -> None:
        count = _COUNTED.get(type(order))
        if count is not None:
            count(self._meters, order, came, seconds)
        if isinstance(came, ApplicationError) and came.type:
            trace.get_current_span().set_attribute(ERROR_TYPE, came.type)
        ended = "ended" if not isinstance(came, BaseException) else "stopped"
        logger.info("%s %s after %.3f s", info.activity_type, ended, seconds)


def _facts_of(order: object, info: activity.Info) -> dict[str, str | None]:
    whose = getattr(order, "request", order)
    about = facts.ids_of(order.subject_id) if isinstance(order, Delivery) else {}
    return {
        **about,
        "tenant": getattr(whose, "tenant", None),
        "batch_id": getattr(whose, "batch_id", None),
        "activity": info.activity_type,
        "attempt": str(info.attempt),
    }


def _rendered(meters: Meters, order: RenderOrder, came: object, seconds: float) -> None:
    """The last attempt told is this one, whether `render` gives it or fails with it."""
    if isinstance(came, Rendered):
        meters.tried(came.attempts[-1], seconds)
    elif isinstance(came, ApplicationError):
        told = [detail for detail in came.details if isinstance(detail, Progress)]
        if told and told[0].attempts:
            meters.tried(told[0].attempts[-1], seconds)


def _developed(meters: Meters, order: DevelopOrder, came: object, seconds: float) -> None:
    labels = meters.named(order.rendered.provider, order.rendered.model)
    meters.develop_seconds.labels(*labels, _outcome(came)).observe(seconds)
    if not isinstance(came, BaseException):
        meters.jobs.labels(kind_of(order.request), JobStatus.COMPLETED, "").inc()


def _archived(meters: Meters, record: JobRecord, came: object, seconds: float) -> None:
    """A record is written again when the job fails and when its review is decided."""
    state = record.state
    if isinstance(came, BaseException):
        return
    if state.status is JobStatus.FAILED:
        code = state.error.code if state.error else ""
        meters.jobs.labels(kind_of(record.request), JobStatus.FAILED, code).inc()
    elif state.review is not None and state.review.state is not ReviewState.AWAITING:
        meters.reviews.labels(state.review.state).inc()


def _delivered(meters: Meters, delivery: Delivery, came: object, seconds: float) -> None:
    if isinstance(came, BaseException):
        is_over = isinstance(came, ApplicationError) and came.non_retryable
        meters.deliveries.labels(delivery.event, "given_up" if is_over else "retried").inc()
        return
    meters.deliveries.labels(delivery.event, "delivered").inc()
    if delivery.again is None:
        lag = (datetime.now(UTC) - delivery.happened_at).total_seconds()
        meters.webhook_lag_seconds.labels(delivery.event).observe(max(lag, 0.0))


def _swept(meters: Meters, order: SweepOrder, came: object, seconds: float) -> None:
    if isinstance(came, Swept) and not order.dry_run:
        meters.swept(came.report)


_COUNTED: dict[type, Callable[[Meters, Any, object, float], None]] = {
    RenderOrder: _rendered,
    DevelopOrder: _developed,
    JobRecord: _archived,
    Delivery: _delivered,
    SweepOrder: _swept,
}
"""By what an activity is given: each of these goes to one activity."""


def kind_of(request: JobRequest) -> str:
    """What a job makes: a draft, the final of one, or an image that nobody reviews."""
    if request.is_draft:
        return "draft"
    return "image" if request.draft_job_id is None else "final"


def _outcome(came: object) -> str:
    if not isinstance(came, BaseException):
        return Outcome.COMPLETED
    is_cancelled = isinstance(came, asyncio.CancelledError)
    return Outcome.CANCELLED if is_cancelled else Outcome.FAILED
