"""What is delivered to a caller's `webhook_url`, after Standard Webhooks 1.0."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from domain.batches import Milestone
from domain.jobs import JobStatus
from domain.model import Model


class WebhookEvent(StrEnum):
    """What happened."""

    JOB_COMPLETED = "job.completed"
    JOB_FAILED = "job.failed"
    DRAFT_AWAITING_REVIEW = "draft.awaiting_review"
    DRAFT_APPROVED = "draft.approved"
    DRAFT_REJECTED = "draft.rejected"
    DRAFT_EXPIRED = "draft.expired"
    BATCH_COMPLETED = "batch.completed"


class BatchSummary(Model):
    """A batch in one line."""

    batch_id: str
    status: JobStatus
    total_images: int


class Delivery(Model):
    """The input of `WebhookWorkflow`: one message for one receiver."""

    message_id: str
    url: str
    event: WebhookEvent
    happened_at: datetime
    data: Milestone | BatchSummary
