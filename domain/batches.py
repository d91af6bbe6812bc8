"""A batch of images: what was asked, where each stands.

The images themselves lie in the store as a manifest (`storage.archive`): a thousand long prompts
are more than one history event may carry.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from domain.jobs import JobRequest, JobState, JobStatus
from domain.model import Model
from domain.once import Once
from domain.reviews import Approval, Rejection, ReviewState
from domain.webhooks import Receiver, Subscription, WebhookEvent, receivers

IN_FLIGHT_SHARE = 0.1
"""What an image that is being made counts for in its batch's progress."""


class BatchFlow(StrEnum):
    """Whether editors see drafts first."""

    DRAFT_THEN_FINAL = "draft_then_final"
    FINAL_ONLY = "final_only"


class Milestone(Model):
    """The signal a job sends to its batch when something about it is decided."""

    job_id: str
    status: JobStatus
    review: ReviewState | None = None
    final_job_id: str | None = None
    revision_job_id: str | None = None
    image_key: str | None = None
    cost_usd: float | None = None
    error_code: str | None = None

    @classmethod
    def of(cls, job_id: str, state: JobState) -> Milestone:
        """What the batch needs to know of a job's state."""
        result = state.result
        return cls(
            job_id=job_id,
            status=state.status,
            review=state.review.state if state.review else None,
            final_job_id=state.final_job_id,
            revision_job_id=state.revision_job_id,
            image_key=result.key(result.images[0].variants[0]) if result else None,
            cost_usd=result.cost_usd if result else None,
            error_code=state.error.code if state.error else None,
        )


class BatchItem(Model):
    """One image of a batch: its latest round, and the final of that."""

    status: JobStatus = JobStatus.PENDING
    job_id: str | None = None
    """Of the latest round, where that is not the first."""
    review: ReviewState | None = None
    is_decided: bool | None = None
    """A decision on it was taken here and may still be on its way to the job."""
    image_key: str | None = None
    error_code: str | None = None
    final_job_id: str | None = None
    final_status: JobStatus | None = None
    final_image_key: str | None = None
    costs_usd: dict[str, float | None] | None = None
    """Per job of this image: rounds and finals."""

    @property
    def is_made(self) -> bool:
        """Whether its first round has ended; a revision does not undo that."""
        return self.status.is_terminal or self.job_id is not None

    @property
    def is_settled(self) -> bool:
        """Whether nothing about this image can change any more."""
        if not self.status.is_terminal or self.review is ReviewState.AWAITING:
            return False
        return self.final_job_id is None or bool(
            self.final_status and self.final_status.is_terminal
        )

    def learn(self, news: Milestone) -> None:
        """Take in a milestone; harmless when it comes twice or late."""
        if news.status.is_terminal:
            self.costs_usd = {**(self.costs_usd or {}), news.job_id: news.cost_usd}
        if news.job_id.endswith("-final"):
            self.final_job_id = news.job_id
            self.final_status = news.status
            self.final_image_key = news.image_key or self.final_image_key
            return
        if self.job_id is not None and news.job_id != self.job_id:
            return
        if self.status.is_terminal and not news.status.is_terminal:
            return
        is_stale = self.review is not None and self.review.is_decided
        self.status = news.status
        self.review = self.review if is_stale else news.review
        self.image_key = news.image_key or self.image_key
        self.error_code = news.error_code
        if news.final_job_id is not None:
            self.final_job_id = news.final_job_id
        if news.revision_job_id is not None:
            self.job_id = news.revision_job_id
            self.status, self.review, self.is_decided = JobStatus.QUEUED, None, None


class BatchState(Model):
    """Where a batch stands: the answer to its `status` query, and its workflow's result."""

    items: list[BatchItem]
    cancelled: bool = False
    completed_at: datetime | None = None

    @property
    def status(self) -> JobStatus:
        """Completed once every image has been made or has failed; failed if all of them did."""
        if all(item.is_made for item in self.items):
            failed = all(item.status is JobStatus.FAILED for item in self.items)
            return JobStatus.FAILED if failed else JobStatus.COMPLETED
        started = any(item.status is not JobStatus.PENDING for item in self.items)
        return JobStatus.PROCESSING if started else JobStatus.QUEUED

    @property
    def progress_percentage(self) -> int:
        """The share of images made or failed; 100 only when all are, 0 to 100."""
        made = sum(item.is_made for item in self.items)
        started = sum(item.status is not JobStatus.PENDING for item in self.items)
        return int(100 * (made + IN_FLIGHT_SHARE * (started - made)) / len(self.items))

    @property
    def is_settled(self) -> bool:
        """Whether every image is."""
        return all(item.is_settled for item in self.items)


class Relay(Model):
    """The batch's `approve` or `reject` for one image that has not started."""

    index: int
    approval: Approval | None = None
    rejection: Rejection | None = None


class BatchRequest(Model):
    """The input of `ImageBatchWorkflow`; the images are in the manifest."""

    total_images: int = Field(ge=1, le=1000)
    max_concurrency: int = Field(ge=1)
    created_at: datetime
    expected_seconds: float
    """Of one image, by the catalogue."""
    flow: BatchFlow = BatchFlow.DRAFT_THEN_FINAL
    tenant: str = "default"
    blog_id: str | None = None
    blog_job_id: str | None = None
    webhook_url: str | None = None
    webhook_events: list[WebhookEvent] | None = None
    tenant_webhooks: list[Subscription] | None = None
    base_url: str | None = None
    """These three as in a job's request."""
    state: BatchState | None = None
    """Carried over a continue-as-new."""
    relays: list[Relay] | None = None
    """Decisions on images that had not started yet, carried over likewise."""
    manifest: str | None = None
    """Which of the batch's manifests is its own, where the request may have been sent twice."""
    once: Once | None = None
    """Where sending its request again names this batch."""

    def receivers(self, event: WebhookEvent) -> list[Receiver]:
        """Who is told of an event of this batch."""
        url, events = self.webhook_url, self.webhook_events
        own = Subscription(url=url, events=events) if url is not None else None
        return receivers(own, self.tenant_webhooks, event)


class BatchApproval(Approval):
    """The batch's `approve` signal: the images named, else all that await review."""

    job_ids: list[str] | None = None


class BatchRejection(Rejection):
    """The batch's `reject` signal: the images named, else all that await review."""

    job_ids: list[str] | None = None


class BatchRecord(Model):
    """A batch in the archive, long after the engine forgot it."""

    batch_id: str
    request: BatchRequest
    state: BatchState


class Page(Model):
    """To `load_items`: a slice of the manifest."""

    batch_id: str
    manifest: str | None = None
    start: int
    count: int


class Items(Model):
    """From `load_items`."""

    requests: list[JobRequest]


class Inspection(Model):
    """To `inspect_jobs`: the jobs whose batch has not heard from them for long."""

    job_ids: list[str]


class Findings(Model):
    """From `inspect_jobs`: a milestone of each job that has one."""

    milestones: list[Milestone]
