"""Creating images: the seed contract's three POSTs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from api.answers import accepted_answer, result_answer, stand_in_message
from api.auth import Generating
from api.once import REPEATS, OnlyOnce
from api.problems import declare
from api.schemas import (
    BatchImageGenerationResponse,
    BatchRequestBody,
    GenerateAnswer,
    ImageGenerationJobResponse,
    ImageRequest,
    IndexedName,
)
from api.services import At, Served
from api.submitting import batch_job_ids
from domain.errors import (
    BodyTooLarge,
    BudgetExhausted,
    CapabilityMissing,
    EngineAway,
    InvalidRequest,
    JobFailure,
    ModelShutDown,
    ProviderNotConfigured,
    QueueUnavailable,
    UnsupportedMediaType,
)
from domain.jobs import JobStatus

router = APIRouter(tags=["images"])

REFUSALS = (
    InvalidRequest,
    CapabilityMissing,
    ModelShutDown,
    ProviderNotConfigured,
    BodyTooLarge,
    UnsupportedMediaType,
)

BlogId = Annotated[IndexedName | None, Query(description="As in the body, which wins")]


@router.post(
    "/generate-async",
    status_code=202,
    response_model=ImageGenerationJobResponse,
    responses=declare(*REFUSALS, *REPEATS, BudgetExhausted, QueueUnavailable),
)
async def generate_async(
    body: ImageRequest,
    caller: Generating,
    to: Served,
    once: OnlyOnce,
    blog_id: BlogId = None,
    blog_job_id: BlogId = None,
) -> ImageGenerationJobResponse:
    """Start a job and answer at once; poll it at `/jobs/{job_id}`."""
    return accepted_answer(*await to.submissions.submit(body, blog_id, blog_job_id, caller, once))


@router.post(
    "/batch-generate",
    status_code=202,
    response_model=BatchImageGenerationResponse,
    responses=declare(*REFUSALS, *REPEATS, BudgetExhausted, QueueUnavailable),
)
async def batch_generate(
    body: BatchRequestBody,
    caller: Generating,
    to: Served,
    once: OnlyOnce,
    blog_id: BlogId = None,
    blog_job_id: BlogId = None,
) -> BatchImageGenerationResponse:
    """Start a batch and answer at once; each of `job_ids` can be polled from now on."""
    batch_id, request, seconds = await to.submissions.submit_batch(
        body, blog_id, blog_job_id, caller, once
    )
    return BatchImageGenerationResponse(
        batch_id=batch_id,
        job_ids=batch_job_ids(batch_id, request.total_images),
        status=JobStatus.QUEUED,
        total_images=request.total_images,
        estimated_completion_time=seconds,
    )


@router.post(
    "/generate",
    response_model=GenerateAnswer,
    responses=declare(
        *REFUSALS, *REPEATS, *JobFailure.__subclasses__(), QueueUnavailable, EngineAway
    ),
)
async def generate(
    body: ImageRequest,
    caller: Generating,
    to: Served,
    at: At,
    once: OnlyOnce,
    blog_id: BlogId = None,
    blog_job_id: BlogId = None,
) -> GenerateAnswer:
    """Make an image and answer with it; without an `Idempotency-Key` also while the queue is away.

    The same request with the same key waits for the same image.
    """
    snapshot = await to.submissions.generate(body, blog_id, blog_job_id, caller, once)
    result, is_gone = snapshot.state.result, snapshot.state.gone_at is not None
    if result is None:
        raise AssertionError("a completed job has a result")
    return GenerateAnswer(
        **result_answer(snapshot.job_id, result, at, gone=is_gone).model_dump(),
        job_id=snapshot.job_id,
        message=stand_in_message(snapshot.card.stand_in_for),
        warnings=snapshot.card.warnings,
    )
