"""What is known of a job or a batch at one moment, from one `describe` and what it can add."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any

from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import WorkflowExecutionDescription

from domain import names
from domain.batches import BatchRequest, BatchState
from domain.jobs import (
    PROGRESS_GENERATING,
    PROGRESS_UPLOADING,
    JobCard,
    JobState,
    JobStatus,
    Progress,
    Stage,
)
from domain.reviews import Review, ReviewState

_EVENTS_BEFORE_RENDER = 8


@dataclass
class JobSnapshot:
    """A job at one moment; `is_final` when nothing about it can change any more."""

    job_id: str
    card: JobCard
    state: JobState
    is_final: bool
    bodies: dict[str, bytes] = field(default_factory=dict)
    """The answer as JSON, by the address it was asked under."""


@dataclass
class BatchSnapshot:
    """A batch at one moment."""

    batch_id: str
    request: BatchRequest
    state: BatchState
    is_final: bool


async def state_from_description(description: WorkflowExecutionDescription) -> JobState:
    """What a running job's `describe` tells by itself, when no worker answers a query."""
    attributes = description.typed_search_attributes
    if attributes.get(names.STATUS) == JobStatus.COMPLETED:
        review = attributes.get(names.REVIEW)
        return JobState(
            status=JobStatus.COMPLETED,
            stage=Stage.COMPLETED,
            progress_percentage=100,
            review=Review(state=ReviewState(review)) if review else None,
        )
    pending = {p.activity_type.name: p for p in description.raw_description.pending_activities}
    if "render" in pending:
        return await _rendering(description, pending)
    if "develop" in pending or description.history_length > _EVENTS_BEFORE_RENDER:
        return JobState(
            status=JobStatus.PROCESSING,
            stage=Stage.UPLOADING,
            progress_percentage=PROGRESS_UPLOADING,
        )
    return JobState()


async def _rendering(
    description: WorkflowExecutionDescription, pending: Mapping[str, PendingActivityInfo]
) -> JobState:
    render = pending["render"]
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
