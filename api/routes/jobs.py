"""Jobs: list, poll, approve, reject, cancel, retry."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Body, Query, Request, Response

from api.answers import accepted_message, job_answer
from api.auth import Generating, Reading, Reviewing
from api.once import REPEATS, OnlyOnce
from api.pages import JobQuery, JobsAnswer, RoundsAnswer
from api.polling import POLLED, IfNoneMatch, Wait, polled, version_in
from api.problems import declare
from api.routes.images import REFUSALS
from api.schemas import (
    ApprovalAnswer,
    ApproveBody,
    ImageJobStatusResponse,
    RejectBody,
    RejectionAnswer,
    RetryAnswer,
)
from api.services import At, Served
from domain.errors import (
    AlreadyTerminal,
    BudgetExhausted,
    EngineAway,
    InvalidRequest,
    JobNotFound,
    NotRetryable,
    NotReviewable,
    QueueUnavailable,
    StorageUnavailable,
)
from domain.jobs import JobStatus

router = APIRouter(prefix="/jobs", tags=["jobs"])


@router.get("", response_model=JobsAnswer, responses=declare(InvalidRequest, EngineAway))
async def list_jobs(
    query: Annotated[JobQuery, Query()], caller: Reading, to: Served, at: At
) -> JobsAnswer:
    """The jobs that the engine knows of, newest first: those of its retention.

    Paging is stable: what starts or ends meanwhile moves no other job to another page.
    """
    return await to.listing.jobs(query, caller, at)


@router.get(
    "/{job_id}",
    response_model=ImageJobStatusResponse,
    responses={
        **POLLED,
        **declare(JobNotFound, InvalidRequest, EngineAway, StorageUnavailable),
    },
)
async def job_status(
    job_id: str,
    caller: Reading,
    to: Served,
    at: At,
    request: Request,
    wait: Wait = 0,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Where a job stands; once it is terminal, its result."""
    look = partial(to.reader.job, job_id, caller.tenant)
    snapshot = await to.watchman.changed(
        look, version_in(if_none_match), wait, request.is_disconnected
    )
    return polled(to.bodies.job(snapshot, at), if_none_match)


@router.get(
    "/{job_id}/rounds",
    response_model=RoundsAnswer,
    responses=declare(JobNotFound, EngineAway, StorageUnavailable),
)
async def job_rounds(job_id: str, caller: Reading, to: Served, at: At) -> RoundsAnswer:
    """Every round and final of the image that a job is part of, from any of its jobs."""
    return await to.rounds.of(job_id, caller, at)


@router.post(
    "/{job_id}/approve",
    status_code=202,
    response_model=ApprovalAnswer,
    responses=declare(
        *REFUSALS,
        *REPEATS,
        BudgetExhausted,
        JobNotFound,
        NotReviewable,
        EngineAway,
        StorageUnavailable,
    ),
)
async def approve_job(
    job_id: str,
    caller: Reviewing,
    to: Served,
    at: At,
    once: OnlyOnce,
    body: Annotated[ApproveBody, Body(default_factory=ApproveBody)],
) -> ApprovalAnswer:
    """Approve a draft: its final starts, bound to it. Approving again names the same final."""
    final_job_id = await to.decisions.approve(job_id, body, caller, once)
    return ApprovalAnswer(
        job_id=job_id,
        final_job_id=final_job_id,
        status=JobStatus.QUEUED,
        message="The draft is approved; poll the final at links.self.",
        links=at.job_links(final_job_id),
    )


@router.post(
    "/{job_id}/reject",
    status_code=202,
    response_model=RejectionAnswer,
    responses=declare(
        *REFUSALS,
        *REPEATS,
        BudgetExhausted,
        JobNotFound,
        NotReviewable,
        EngineAway,
        StorageUnavailable,
    ),
)
async def reject_job(
    job_id: str,
    caller: Reviewing,
    to: Served,
    at: At,
    once: OnlyOnce,
    body: Annotated[RejectBody, Body(default_factory=RejectBody)],
) -> RejectionAnswer:
    """Reject a draft; with `revise` the next round starts as a job of its own."""
    revision_job_id = await to.decisions.reject(job_id, body, caller, once)
    again = "the next round is started." if revision_job_id else "nothing follows."
    return RejectionAnswer(
        job_id=job_id,
        revision_job_id=revision_job_id,
        message=f"The draft is rejected; {again}",
        links=at.job_links(revision_job_id or job_id),
    )


@router.post(
    "/{job_id}/cancel",
    status_code=202,
    response_model=ImageJobStatusResponse,
    responses=declare(
        JobNotFound, AlreadyTerminal, InvalidRequest, *REPEATS, EngineAway, StorageUnavailable
    ),
)
async def cancel_job(
    job_id: str, caller: Generating, to: Served, at: At, once: OnlyOnce
) -> ImageJobStatusResponse:
    """Cancel a job that has not ended; answers where it stands then."""
    return job_answer(await to.decisions.cancel(job_id, caller, once), at, to.estimates)


@router.delete(
    "/{job_id}",
    status_code=202,
    response_model=ImageJobStatusResponse,
    responses=declare(JobNotFound, AlreadyTerminal, EngineAway, StorageUnavailable),
)
async def delete_job(job_id: str, caller: Generating, to: Served, at: At) -> ImageJobStatusResponse:
    """Cancel a job, as `POST …/cancel` does."""
    return job_answer(await to.decisions.cancel(job_id, caller), at, to.estimates)


@router.post(
    "/{job_id}/retry",
    status_code=202,
    response_model=RetryAnswer,
    responses=declare(
        *REFUSALS,
        *REPEATS,
        BudgetExhausted,
        JobNotFound,
        NotRetryable,
        QueueUnavailable,
        EngineAway,
        StorageUnavailable,
    ),
)
async def retry_job(
    job_id: str, caller: Generating, to: Served, at: At, once: OnlyOnce
) -> RetryAnswer:
    """Start a failed job's request again, with the same seed, as a job of its own.

    Retrying the same job again names the same new job; where that fails too, retry that one.
    """
    retried_id, card, seconds = await to.retries.retry(job_id, caller, once)
    return RetryAnswer(
        job_id=retried_id,
        status=JobStatus.QUEUED,
        message=accepted_message(card),
        estimated_completion_time=seconds,
        is_draft=card.is_draft,
        warnings=card.warnings,
        retry_of=job_id,
        links=at.job_links(retried_id),
    )
