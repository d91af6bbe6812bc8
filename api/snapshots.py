"""What is known of a job or a batch at one moment, from one `describe` and what it can add."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC
from functools import cached_property
from typing import Any, NamedTuple

from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import (
    WorkflowExecution,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
)

from api.versions import Version, batch_version, job_version
from domain import names
from domain.batches import BatchRequest, BatchState
from domain.errors import Cancelled, InternalFailure
from domain.ids import final_id
from domain.jobs import (
    PROGRESS_GENERATING,
    PROGRESS_UPLOADING,
    JobCard,
    JobError,
    JobState,
    JobStatus,
    Progress,
    Stage,
)
from domain.reviews import Review, ReviewState

_EVENTS_UNTIL_RENDERED = 8
"""Of the shortest history, its last the task for a worker to hear that the render is over."""
_STOPPED = (WorkflowExecutionStatus.CANCELED, WorkflowExecutionStatus.TERMINATED)


class Body(NamedTuple):
    """An answer as JSON."""

    content: bytes
    etag: str
    retry_after_seconds: int | None
    """None where polling again is of no use."""


@dataclass
class JobSnapshot:
    """A job at one moment; `is_final` when nothing about it can change any more."""

    job_id: str
    card: JobCard
    state: JobState
    is_final: bool
    retry_job_id: str | None = None
    """The job that a failed one was tried again as."""
    bodies: dict[str, Body] = field(default_factory=dict)
    """The answer, by the address it was asked under."""

    @property
    def status(self) -> JobStatus:
        """What pollers test for."""
        return self.state.status

    @property
    def may_go(self) -> bool:
        """Whether its images may be given up one day: nothing approved ever is."""
        review, state = self.state.review, self.state
        is_approved = review is not None and review.state is ReviewState.APPROVED
        is_there = state.status is JobStatus.COMPLETED and state.gone_at is None
        return is_there and not is_approved and self.card.draft_job_id is None

    @cached_property
    def version(self) -> Version:
        """Which state this is."""
        return job_version(self.state)

    @property
    def is_whole(self) -> bool:
        """False where it is completed while neither worker nor store can tell its result."""
        return self.status is not JobStatus.COMPLETED or self.state.result is not None

    @property
    def has_review(self) -> bool:
        """Whether what follows its end is a matter of review."""
        return self.state.review is not None

    @property
    def has_ended(self) -> bool:
        """Whether the image is there, or never will be."""
        return self.status.is_terminal and self.is_whole

    @property
    def is_settled(self) -> bool:
        """Whether there is no review to wait for either."""
        return self.is_final or (self.has_ended and not self.state.awaits_review)


@dataclass
class BatchSnapshot:
    """A batch at one moment."""

    batch_id: str
    request: BatchRequest
    state: BatchState
    is_final: bool
    gone: frozenset[str] = frozenset()
    """The jobs whose images are given up."""
    bodies: dict[str, Body] = field(default_factory=dict)
    """The answer, by the address it was asked under."""

    @property
    def status(self) -> JobStatus:
        """What pollers test for."""
        return self.state.status

    @property
    def may_go(self) -> bool:
        """Whether images of it may be given up one day."""
        return True

    @cached_property
    def version(self) -> Version:
        """Which state this is."""
        return batch_version(self.state)

    @property
    def is_whole(self) -> bool:
        """A batch tells all it knows at once."""
        return True

    @property
    def has_review(self) -> bool:
        """Whether what follows its end is a matter of review."""
        return any(item.review for item in self.state.items)

    @property
    def has_ended(self) -> bool:
        """Whether every image is made or has failed."""
        return self.status.is_terminal

    @property
    def is_settled(self) -> bool:
        """Whether all reviews are decided and their finals made, too."""
        return self.is_final or self.state.is_settled


def state_from_attributes(execution: WorkflowExecution) -> JobState | None:
    """How a job ended, as the engine's lists know it; None while it has not.

    The result and the reasons of a failure are in its record.
    """
    attributes = execution.typed_search_attributes
    is_running = execution.status is WorkflowExecutionStatus.RUNNING
    if attributes.get(names.STATUS) == JobStatus.COMPLETED:
        return _completed(execution, attributes.get(names.REVIEW), is_running=is_running)
    if attributes.get(names.STATUS) == JobStatus.FAILED:
        ended_at = execution.close_time
        return JobState(status=JobStatus.FAILED, stage=Stage.FAILED, completed_at=ended_at)
    return None if is_running else stopped_state(execution)


def _completed(execution: WorkflowExecution, review: str | None, *, is_running: bool) -> JobState:
    """A review that nobody can decide any more has expired; approval has started the final."""
    state = ReviewState(review) if review else None
    if state is ReviewState.AWAITING and not is_running:
        state = ReviewState.EXPIRED
    return JobState(
        status=JobStatus.COMPLETED,
        stage=Stage.COMPLETED,
        progress_percentage=100,
        review=Review(state=state) if state else None,
        final_job_id=final_id(execution.id) if state is ReviewState.APPROVED else None,
    )


def stopped_state(execution: WorkflowExecution) -> JobState:
    """Of a job that was closed in the engine before it could say how it ended."""
    kind = Cancelled if execution.status in _STOPPED else InternalFailure
    error = JobError.of(kind("The job was stopped in the engine."))
    return JobState().failed(error, execution.close_time or execution.start_time)


async def state_from_description(description: WorkflowExecutionDescription) -> JobState:
    """What a running job's `describe` tells by itself, when no worker answers a query."""
    attributes = description.typed_search_attributes
    if attributes.get(names.STATUS) == JobStatus.COMPLETED:
        return _completed(description, attributes.get(names.REVIEW), is_running=True)
    pending = {p.activity_type.name: p for p in description.raw_description.pending_activities}
    render = pending.get("render") or pending.get("take_up")
    if render is not None:
        return await _rendering(description, render)
    if "develop" in pending or description.history_length >= _EVENTS_UNTIL_RENDERED:
        return JobState(
            status=JobStatus.PROCESSING,
            stage=Stage.UPLOADING,
            progress_percentage=PROGRESS_UPLOADING,
        )
    return JobState()


async def _rendering(
    description: WorkflowExecutionDescription, render: PendingActivityInfo
) -> JobState:
    progress = await _heartbeat(description, render)
    is_waiting = render.state == PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED
    if is_waiting and progress is None and render.attempt <= 1:
        return JobState()
    started_at = progress.started_at if progress else None
    if started_at is None and render.HasField("last_started_time"):
        started_at = render.last_started_time.ToDatetime(tzinfo=UTC)
    return JobState(
        status=JobStatus.PROCESSING,
        stage=Stage.GENERATING,
        progress_percentage=progress.progress_percentage if progress else PROGRESS_GENERATING,
        started_at=started_at,
        attempts=progress.attempts if progress else [],
        cancel_too_late=progress.cancel_too_late if progress else None,
    )


async def _heartbeat(
    description: WorkflowExecutionDescription, activity: PendingActivityInfo
) -> Progress | None:
    payloads = activity.heartbeat_details.payloads
    if not payloads:
        return None
    decoded: list[Any] = await description.data_converter.decode(payloads, [Progress])
    return decoded[0] if isinstance(decoded[0], Progress) else None
