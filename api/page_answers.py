"""From snapshots and records to the items of lists. Pure."""

from __future__ import annotations

from api.answers import (
    Addresses,
    cost_answer,
    image_cost_answer,
    result_answer,
    review_answer,
)
from api.pages import BlogImage, ListedJob
from api.snapshots import JobSnapshot
from domain.jobs import JobResult


def listed_job(snapshot: JobSnapshot, at: Addresses) -> ListedJob:
    """A job as a list tells it."""
    card, state = snapshot.card, snapshot.state
    result, error = state.result, state.error
    image = result.images[0] if result else None
    return ListedJob(
        job_id=snapshot.job_id,
        status=state.status,
        progress_percentage=state.progress_percentage,
        current_stage=state.stage,
        created_at=card.created_at,
        started_at=state.started_at,
        completed_at=state.completed_at,
        is_draft=card.is_draft,
        batch_id=card.batch_id,
        blog_id=card.blog_id,
        blog_job_id=card.blog_job_id,
        tags=card.tags or [],
        metadata=card.metadata or {},
        provider=result.provider if result else card.asked_provider,
        model=result.model if result else card.asked_model,
        review=review_answer(state.review) if state.review else None,
        final_job_id=state.final_job_id,
        draft_job_id=card.draft_job_id,
        revision_of=card.revision_of,
        revision_job_id=state.revision_job_id,
        retry_of=card.retry_of,
        title=card.title,
        url=at.file(result.key(result.images[0].variants[0])) if result else None,
        width=image.variants[0].width_px if image else None,
        height=image.variants[0].height_px if image else None,
        thumbnail_url=_thumbnail_url(result, at) if result else None,
        thumbhash=image.thumbhash if image else None,
        dominant_color=image.dominant_color if image else None,
        alt_text=image.alt_text if image else None,
        image_count=len(result.images) if result else None,
        error_code=error.code if error else None,
        error_message=error.message if error else None,
        cost=cost_answer(state),
        links=at.job_links(snapshot.job_id, state),
    )


def blog_images(snapshot: JobSnapshot, at: Addresses) -> list[BlogImage]:
    """The images that a job has made, each with what is to be known of the job."""
    card, state = snapshot.card, snapshot.state
    if state.result is None:
        return []
    told = result_answer(snapshot.job_id, state.result, at)
    of_job = {
        "job_id": snapshot.job_id,
        "is_draft": card.is_draft,
        "created_at": card.created_at,
        "completed_at": state.completed_at,
        "batch_id": card.batch_id,
        "blog_job_id": card.blog_job_id,
        "tags": card.tags or [],
        "metadata": card.metadata or {},
        "provider": told.provider,
        "model": told.model,
        "consistency": told.consistency,
        "review": review_answer(state.review) if state.review else None,
        "final_job_id": state.final_job_id,
        "draft_job_id": card.draft_job_id,
        "revision_of": card.revision_of,
        "revision_job_id": state.revision_job_id,
        "cost": image_cost_answer(state.result),
        "links": at.job_links(snapshot.job_id, state),
    }
    return [BlogImage.model_validate({**dict(image), **of_job}) for image in told.images]


def _thumbnail_url(result: JobResult, at: Addresses) -> str:
    smallest = min(result.images[0].variants, key=lambda variant: variant.width_px)
    return at.file(result.key(smallest))
