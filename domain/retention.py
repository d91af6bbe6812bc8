"""What is deleted after a while: classes of images, how long each is kept, a sweep's report."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from domain.jobs import JobRecord, JobStatus
from domain.model import Model
from domain.reviews import ReviewState

FOREVER = "forever"


def _none_for_ever(written: Any) -> Any:
    return None if written == FOREVER else written


Days = Annotated[
    Annotated[float, Field(ge=0, le=36500, allow_inf_nan=False)] | None,
    BeforeValidator(_none_for_ever),
]
"""How long something is kept; `forever` is written for None."""


class RetentionClass(StrEnum):
    """What may be swept. Approved drafts and their finals are in none: no setting reaches them."""

    REJECTED = "rejected"
    """Drafts that an editor rejected."""
    EXPIRED = "expired"
    """Drafts that nobody decided."""
    UNREVIEWED = "unreviewed"
    """Images that were made without a review."""
    FAILED = "failed"
    """What jobs without a result left behind."""


class Keeping(Model):
    """How many days each class is kept; None for ever."""

    rejected: float | None = None
    expired: float | None = None
    unreviewed: float | None = None
    failed: float | None = None

    def days(self, kind: RetentionClass) -> float | None:
        """Of one class."""
        return {
            RetentionClass.REJECTED: self.rejected,
            RetentionClass.EXPIRED: self.expired,
            RetentionClass.UNREVIEWED: self.unreviewed,
            RetentionClass.FAILED: self.failed,
        }[kind]


class Policy:
    """How long the images of each tenant are kept."""

    def __init__(self, common: Keeping, tenants: dict[str, Keeping] | None = None) -> None:
        self._common = common
        self._tenants = tenants or {}

    def age(self, tenant: str, kind: RetentionClass) -> timedelta | None:
        """How old a class of a tenant's gets; None for ever."""
        return _age(self._tenants.get(tenant, self._common), kind)

    @property
    def youngest(self) -> timedelta | None:
        """The age below which nothing is swept; None where nothing ever is."""
        keepings = [self._common, *self._tenants.values()]
        ages = [_age(keeping, kind) for keeping in keepings for kind in RetentionClass]
        return min((age for age in ages if age is not None), default=None)

    @property
    def leftovers_age(self) -> timedelta | None:
        """How old what no record tells of gets: nobody knows whose it was."""
        return _age(self._common, RetentionClass.FAILED)


def _age(keeping: Keeping, kind: RetentionClass) -> timedelta | None:
    days = keeping.days(kind)
    return timedelta(days=days) if days is not None else None


def class_of(record: JobRecord) -> RetentionClass | None:
    """The class of a job that has ended; None for what is kept for ever.

    A review that is awaiting counts as expired: whether it can still be decided, the engine knows.
    """
    state = record.state
    if state.status is JobStatus.FAILED:
        return RetentionClass.FAILED
    if not state.status.is_terminal or state.result is None:
        return None
    if record.request.draft_job_id is not None or state.final_job_id is not None:
        return None
    if state.review is None:
        return None if record.request.is_draft else RetentionClass.UNREVIEWED
    return _OF_REVIEW[state.review.state]


_OF_REVIEW = {
    ReviewState.AWAITING: RetentionClass.EXPIRED,
    ReviewState.APPROVED: None,
    ReviewState.REJECTED: RetentionClass.REJECTED,
    ReviewState.EXPIRED: RetentionClass.EXPIRED,
}


def ended_at(record: JobRecord) -> datetime | None:
    """When a job's class was settled: the decision, or where there is none the end."""
    review = record.state.review
    if review is not None:
        return review.decided_at or review.expires_at
    return record.state.completed_at


class Step(StrEnum):
    """The steps of a sweep, in order."""

    CONDEMN = "condemn"
    """Jobs that are due say that their images are gone."""
    LEFTOVERS = "leftovers"
    """Files that no record tells of are deleted."""
    WAIT = "wait"
    """Whoever was told otherwise begins nothing new with the images after this."""
    DELETE = "delete"
    """The images of condemned jobs are deleted."""
    DONE = "done"

    def following(self, *, dry_run: bool) -> Step:
        """The next one; only to report what would be done takes no more than to look."""
        if dry_run and self is Step.LEFTOVERS:
            return Step.DONE
        steps = list(Step)
        return steps[steps.index(self) + 1]


class Tally(Model):
    """What was swept, or would be."""

    jobs: int = 0
    objects: int = 0
    size_bytes: int = 0

    def plus(self, other: Tally) -> Tally:
        """Both together."""
        return Tally(
            jobs=self.jobs + other.jobs,
            objects=self.objects + other.objects,
            size_bytes=self.size_bytes + other.size_bytes,
        )


Report = dict[RetentionClass, Tally]


def together(one: Report, other: Report) -> Report:
    """The sum of two reports."""
    return {
        kind: one.get(kind, Tally()).plus(other.get(kind, Tally()))
        for kind in RetentionClass
        if kind in one or kind in other
    }


class SweepOrder(Model):
    """To `sweep`: one page of one step."""

    step: Step
    at: datetime
    after: str = ""
    """The last name that was looked at."""
    grace_seconds: float
    dry_run: bool = False


class Swept(Model):
    """From `sweep`."""

    report: Report = Field(default_factory=dict)
    after: str | None = None
    """Where the step goes on; None where it is done."""


class RetentionRequest(Model):
    """The input of `RetentionWorkflow`; a schedule gives it anew each time."""

    dry_run: bool = False
    """Only report what would be swept."""
    grace_seconds: float = 300.0
    """Between a job's word that its images are gone and their end."""
    step: Step = Step.CONDEMN
    after: str = ""
    report: Report = Field(default_factory=dict)
    """These three are carried over a continue-as-new."""

    def order(self, at: datetime) -> SweepOrder:
        """What is to be done next."""
        return SweepOrder(
            step=self.step,
            at=at,
            after=self.after,
            grace_seconds=self.grace_seconds,
            dry_run=self.dry_run,
        )

    def following(self, swept: Swept) -> RetentionRequest:
        """What is left to do after a page."""
        is_read = swept.after is None
        step = self.step.following(dry_run=self.dry_run) if is_read else self.step
        report = together(self.report, swept.report)
        return self.model_copy(update={"step": step, "after": swept.after or "", "report": report})
