"""From snapshots to HTTP bodies: URLs for keys, links, estimates. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from api.estimates import Estimates
from api.pictures import image_answer
from api.schemas import (
    AttemptAnswer,
    BatchJobAnswer,
    BatchStatusAnswer,
    Cancellation,
    CostAnswer,
    ErrorAnswer,
    FinalAnswer,
    ImageGenerationJobResponse,
    ImageJobStatusResponse,
    LinksAnswer,
    ResultAnswer,
    ReviewAnswer,
)
from api.snapshots import BatchSnapshot, JobSnapshot
from domain.batches import BatchItem
from domain.errors import Billed
from domain.ids import item_id
from domain.jobs import (
    Attempt,
    CostBasis,
    JobCard,
    JobError,
    JobResult,
    JobState,
    JobStatus,
)
from domain.renders import total_usd
from domain.reviews import FinalOffer, Review
from settings import Settings
from storage.keys import ASSETS

API = "/api/v1/images"


@dataclass(frozen=True)
class Addresses:
    """Where this request's caller finds things: absolute, without a trailing slash."""

    api: str
    assets: str | None
    temporal_ui: str | None
    namespace: str

    def file(self, key: str) -> str:
        """The address of a stored object; it never expires."""
        if self.assets is not None:
            return f"{self.assets}/{key}"
        return f"{self.api}{API}/files/{key.removeprefix(ASSETS)}"

    def workflow(self, workflow_id: str) -> str | None:
        """The workflow's page in the Temporal Web UI."""
        if self.temporal_ui is None:
            return None
        return f"{self.temporal_ui}/namespaces/{self.namespace}/workflows/{workflow_id}"

    @classmethod
    def configured(cls, settings: Settings, api: str, namespace: str) -> Addresses:
        """As the operator says, `api` where nothing is said."""
        assets, temporal_ui = settings.asset_base_url, settings.temporal_ui_url
        return cls(
            api=str(settings.public_url or api).rstrip("/"),
            assets=str(assets).rstrip("/") if assets else None,
            temporal_ui=str(temporal_ui).rstrip("/") if temporal_ui else None,
            namespace=namespace,
        )

    def batch_links(self, batch_id: str) -> LinksAnswer:
        """What can be done with a batch."""
        here = f"{self.api}{API}/batches/{batch_id}"
        return LinksAnswer(
            self=here,
            events=f"{here}/events",
            temporal_ui=self.workflow(batch_id),
            rounds=None,
            source=None,
            approve=f"{here}/approve",
            reject=f"{here}/reject",
        )

    def job_links(
        self, job_id: str, state: JobState | None = None, source_job_id: str | None = None
    ) -> LinksAnswer:
        """What can be done with a job now."""
        jobs = f"{self.api}{API}/jobs"
        here = f"{jobs}/{job_id}"
        may_decide = state is not None and state.awaits_review
        return LinksAnswer(
            self=here,
            events=f"{here}/events",
            temporal_ui=self.workflow(job_id),
            rounds=f"{here}/rounds",
            source=f"{jobs}/{source_job_id}" if source_job_id else None,
            approve=f"{here}/approve" if may_decide else None,
            reject=f"{here}/reject" if may_decide else None,
        )


def job_answer(
    snapshot: JobSnapshot, at: Addresses, estimates: Estimates
) -> ImageJobStatusResponse:
    """The whole answer to a poll."""
    card, state = snapshot.card, snapshot.state
    return ImageJobStatusResponse(
        job_id=snapshot.job_id,
        status=state.status,
        progress_percentage=state.progress_percentage,
        current_stage=state.stage,
        created_at=card.created_at,
        started_at=state.started_at,
        completed_at=state.completed_at,
        result=(
            result_answer(snapshot.job_id, state.result, at, gone=state.gone_at is not None)
            if state.result
            else None
        ),
        gone_at=state.gone_at,
        error_message=state.error.message if state.error else None,
        estimated_time_remaining=estimates.remaining(card.recipe, card.expected_seconds, state),
        is_draft=card.is_draft,
        title=card.title,
        final_job_id=state.final_job_id,
        operation=card.operation,
        source_job_id=card.source_job_id,
        batch_id=card.batch_id,
        blog_id=card.blog_id,
        blog_job_id=card.blog_job_id,
        tags=card.tags or [],
        metadata=card.metadata or {},
        message=stand_in_message(card.stand_in_for),
        warnings=card.warnings,
        review=review_answer(state.review) if state.review else None,
        revision_of=card.revision_of,
        retry_of=card.retry_of,
        retry_job_id=snapshot.retry_job_id,
        revision_job_id=state.revision_job_id,
        draft_job_id=card.draft_job_id,
        attempts=[_attempt(attempt) for attempt in state.attempts],
        error=_error(state.error) if state.error else None,
        cancellation=Cancellation.TOO_LATE if state.cancel_too_late else None,
        cost=cost_answer(state),
        links=at.job_links(snapshot.job_id, state, card.source_job_id),
    )


def result_answer(
    job_id: str, result: JobResult, at: Addresses, *, gone: bool = False
) -> ResultAnswer:
    """The result, every key as an address, also where nothing is there any more."""
    return ResultAnswer(
        success=True,
        images=[
            image_answer(job_id, index, image, result, at.file, gone=gone)
            for index, image in enumerate(result.images)
        ],
        generation_time_seconds=result.generation_time_seconds,
        provider=result.provider,
        model=result.model,
        cost=result.cost_usd or 0.0,
        consistency=result.consistency,
        prompt=result.prompt,
        full_prompt=result.full_prompt,
    )


def batch_answer(snapshot: BatchSnapshot, at: Addresses) -> BatchStatusAnswer:
    """The whole answer about a batch."""
    state, request = snapshot.state, snapshot.request
    costs = [cost for item in state.items for cost in (item.costs_usd or {}).values()]
    return BatchStatusAnswer(
        batch_id=snapshot.batch_id,
        status=state.status,
        progress_percentage=state.progress_percentage,
        created_at=request.created_at,
        completed_at=state.completed_at,
        workflow=request.flow,
        total_images=request.total_images,
        counts=dict(Counter(item.status for item in state.items)),
        review_counts=dict(Counter(item.review for item in state.items if item.review)),
        cost=cost_sum_answer(total_usd(costs)),
        cancelled=state.cancelled,
        blog_id=request.blog_id,
        blog_job_id=request.blog_job_id,
        jobs=[
            _batch_job(item_id(snapshot.batch_id, index), item, at, snapshot.gone)
            for index, item in enumerate(state.items)
        ],
        links=at.batch_links(snapshot.batch_id),
    )


def stand_in_message(stand_in_for: str | None) -> str | None:
    """What a caller is told whose provider is not configured."""
    if stand_in_for is None:
        return None
    return f"'{stand_in_for}' is not configured here; the built-in studio renders in its place."


def accepted_message(card: JobCard) -> str:
    """What a caller is told whose job is accepted, with all that they should know of it."""
    accepted = stand_in_message(card.stand_in_for) or "The job is accepted."
    return " ".join([accepted, *(card.warnings or [])])


def accepted_answer(job_id: str, card: JobCard, seconds: int) -> ImageGenerationJobResponse:
    """The answer to who submits a job."""
    return ImageGenerationJobResponse(
        job_id=job_id,
        status=JobStatus.QUEUED,
        message=accepted_message(card),
        estimated_completion_time=seconds,
        is_draft=card.is_draft,
        warnings=card.warnings,
    )


def final_answer(offer: FinalOffer) -> FinalAnswer:
    """The final that a draft would get."""
    return FinalAnswer(
        provider=offer.provider,
        model=offer.model,
        quality=offer.quality,
        width=offer.width_px,
        height=offer.height_px,
        price_usd=offer.price_usd,
    )


def _batch_job(job_id: str, item: BatchItem, at: Addresses, gone: frozenset[str]) -> BatchJobAnswer:
    return BatchJobAnswer(
        job_id=job_id,
        status=item.status,
        review_state=item.review,
        final_job_id=item.final_job_id,
        final_status=item.final_status,
        revision_job_id=item.job_id,
        url=at.file(item.image_key) if item.image_key else None,
        gone=(item.job_id or job_id) in gone,
        final_url=at.file(item.final_image_key) if item.final_image_key else None,
        error_code=item.error_code,
    )


def _attempt(attempt: Attempt) -> AttemptAnswer:
    return AttemptAnswer(
        provider=attempt.provider,
        model=attempt.model,
        started_at=attempt.started_at,
        outcome=attempt.outcome,
        error=_error(attempt.error) if attempt.error else None,
    )


def _error(error: JobError) -> ErrorAnswer:
    return ErrorAnswer(
        code=error.code,
        message=error.message,
        retryable=error.retryable,
        provider=error.provider,
        billed=error.billed,
        flagged=error.flagged,
    )


def review_answer(review: Review) -> ReviewAnswer:
    """Where a draft's review stands."""
    return ReviewAnswer(
        state=review.state,
        reviewer=review.reviewer,
        comment=review.comment,
        decided_by=review.decided_by,
        decided_at=review.decided_at,
        expires_at=review.expires_at,
        problem=review.problem,
        image_index=review.image_index,
        final=final_answer(review.final) if review.final else None,
    )


def cost_answer(state: JobState) -> CostAnswer | None:
    """None where nothing was made and nothing may have been paid."""
    errors = (attempt.error for attempt in state.attempts)
    unknown = sum(error is not None and error.billed is Billed.UNKNOWN for error in errors)
    if state.result is not None:
        return _cost(state.result.cost_usd, state.result.cost_basis, unknown)
    return _cost(None, unknown_calls=unknown) if unknown else None


def image_cost_answer(result: JobResult) -> CostAnswer:
    """One image's share of what all of its job's cost."""
    if result.cost_usd is None:
        return _cost(None)
    return _cost(round(result.cost_usd / len(result.images), 6), result.cost_basis)


def cost_sum_answer(amount_usd: float | None) -> CostAnswer:
    """What several jobs cost together."""
    return _cost(amount_usd)


def _cost(
    amount_usd: float | None, basis: CostBasis | None = None, unknown_calls: int = 0
) -> CostAnswer:
    by_list = CostBasis.UNKNOWN if amount_usd is None else CostBasis.CATALOGUE
    return CostAnswer(amount_usd=amount_usd, basis=basis or by_list, unknown_calls=unknown_calls)
