"""From snapshots and records to the items of lists. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from api.answers import (
    Addresses,
    cost_answer,
    cost_sum_answer,
    image_cost_answer,
    result_answer,
    review_answer,
)
from api.pages import BlogImage, ListedJob, Parameters, RoundJob, RoundsAnswer, Thumbnail
from api.pictures import thumbnail_url
from api.snapshots import JobSnapshot
from domain.jobs import JobRequest, JobResult
from domain.renders import total_usd


class Link(NamedTuple):
    """A job in an image's chain, and the one that it follows."""

    snapshot: JobSnapshot
    round: int
    before: str | None


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
        operation=card.operation,
        source_job_id=card.source_job_id,
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
        gone=state.gone_at is not None,
        thumbnail_url=thumbnail_url(image, result, at.file) if result and image else None,
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
        "operation": card.operation,
        "source_job_id": card.source_job_id,
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


def rounds_answer(
    chain: list[Link], requests: Mapping[str, JobRequest], at: Addresses
) -> RoundsAnswer:
    """A chain as it is told; `requests` are those of its jobs that are known."""
    told = {job_id: _parameters(request) for job_id, request in requests.items()}
    results = [link.snapshot.state.result for link in chain]
    return RoundsAnswer(
        jobs=[_round(link, told, at) for link in chain],
        cost=cost_sum_answer(total_usd(result.cost_usd for result in results if result)),
    )


def _round(link: Link, told: Mapping[str, Parameters], at: Addresses) -> RoundJob:
    snapshot, result = link.snapshot, link.snapshot.state.result
    own, before = told.get(snapshot.job_id), told.get(link.before or "")
    return RoundJob.model_validate(
        {
            **dict(listed_job(snapshot, at)),
            "round": link.round,
            "retry_job_id": snapshot.retry_job_id,
            "thumbnails": _thumbnails(result, at) if result else [],
            "parameters": own,
            "changed": _changed(before, own) if before and own else [],
        }
    )


def _changed(before: Parameters, after: Parameters) -> list[str]:
    was = dict(before)
    return [name for name, value in dict(after).items() if value != was[name]]


def _parameters(request: JobRequest) -> Parameters:
    spec, words, first = request.spec, request.spec.words, request.targets[0]
    return Parameters(
        prompt=words.prompt,
        full_prompt=spec.prompt if spec.asked else None,
        negative_prompt=words.negative_prompt,
        style=words.style,
        placement=words.placement,
        quality=spec.quality,
        aspect_ratio=spec.aspect_ratio,
        width=first.width_px or spec.width_px,
        height=first.height_px or spec.height_px,
        seed=spec.seed,
        num_images=spec.num_images,
        reference_image_url=spec.reference_image_url,
        provider=first.provider,
        model=first.model,
    )


def _thumbnails(result: JobResult, at: Addresses) -> list[Thumbnail]:
    return [
        Thumbnail(
            image_index=index,
            url=at.file(result.key(image.variants[0])),
            thumbnail_url=thumbnail_url(image, result, at.file),
            width=image.variants[0].width_px,
            height=image.variants[0].height_px,
        )
        for index, image in enumerate(result.images)
    ]
