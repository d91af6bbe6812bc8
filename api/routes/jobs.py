"""Jobs: poll, approve, reject, cancel."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Response

from api.answers import job_answer
from api.problems import declare
from api.routes.images import REFUSALS
from api.schemas import (
    ApprovalAnswer,
    ApproveBody,
    ImageJobStatusResponse,
    RejectBody,
    RejectionAnswer,
)
from api.services import At, Served
from domain.errors import (
    AlreadyTerminal,
    BudgetExhausted,
    EngineAway,
    JobNotFound,
    NotReviewable,
    StorageUnavailable,
)
from domain.jobs import JobStatus

router = APIRouter(prefix="/jobs", tags=["jobs"])

_ADDRESSES_KEPT = 4
"""A caller chooses the Host header; that must not fill the memory."""


@router.get(
    "/{job_id}",
    response_model=ImageJobStatusResponse,
    responses=declare(JobNotFound, EngineAway, StorageUnavailable),
)
async def job_status(job_id: str, to: Served, at: At) -> Response:
    """Where a job stands; once it is terminal, its result."""
    snapshot = await to.reader.job(job_id)
    body = snapshot.bodies.get(at.api)
    if body is None:
        body = job_answer(snapshot, at, to.estimates).model_dump_json().encode()
        if len(snapshot.bodies) < _ADDRESSES_KEPT:
            snapshot.bodies[at.api] = body
    return Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})


@router.post(
    "/{job_id}/approve",
    status_code=202,
    response_model=ApprovalAnswer,
    responses=declare(
        *REFUSALS, BudgetExhausted, JobNotFound, NotReviewable, EngineAway, StorageUnavailable
    ),
)
async def approve_job(
    job_id: str, to: Served, at: At, body: Annotated[ApproveBody, Body(default_factory=ApproveBody)]
) -> ApprovalAnswer:
    """Approve a draft: its final starts, bound to it. Approving again names the same final."""
    final_job_id = await to.decisions.approve(job_id, body)
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
        *REFUSALS, BudgetExhausted, JobNotFound, NotReviewable, EngineAway, StorageUnavailable
    ),
)
async def reject_job(
    job_id: str, to: Served, at: At, body: Annotated[RejectBody, Body(default_factory=RejectBody)]
) -> RejectionAnswer:
    """Reject a draft; with `revise` the next round starts as a job of its own."""
    revision_job_id = await to.decisions.reject(job_id, body)
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
    responses=declare(JobNotFound, AlreadyTerminal, EngineAway, StorageUnavailable),
)
@router.delete(
    "/{job_id}",
    status_code=202,
    response_model=ImageJobStatusResponse,
    responses=declare(JobNotFound, AlreadyTerminal, EngineAway, StorageUnavailable),
)
async def cancel_job(job_id: str, to: Served, at: At) -> ImageJobStatusResponse:
    """Cancel a job that has not ended; answers where it stands then."""
    return job_answer(await to.decisions.cancel(job_id), at, to.estimates)
