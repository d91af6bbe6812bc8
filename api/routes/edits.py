"""Making pictures from pictures: variations, edits, upscales. Jobs like any other."""

from __future__ import annotations

from fastapi import APIRouter

from api.answers import accepted_answer
from api.auth import Generating
from api.once import REPEATS, OnlyOnce
from api.problems import declare
from api.rework_bodies import EditBody, UpscaleBody, VariationsBody
from api.routes.images import REFUSALS, BlogId
from api.schemas import ImageGenerationJobResponse
from api.services import Served
from domain.errors import BudgetExhausted, JobNotFound, QueueUnavailable

router = APIRouter(tags=["images"])

_RESPONSES = declare(*REFUSALS, *REPEATS, JobNotFound, BudgetExhausted, QueueUnavailable)


@router.post(
    "/variations",
    status_code=202,
    response_model=ImageGenerationJobResponse,
    responses=_RESPONSES,
)
async def variations(
    body: VariationsBody,
    caller: Generating,
    to: Served,
    once: OnlyOnce,
    blog_id: BlogId = None,
    blog_job_id: BlogId = None,
) -> ImageGenerationJobResponse:
    """Start a job that makes other pictures like one; poll it at `/jobs/{job_id}`."""
    return accepted_answer(*await to.submissions.submit(body, blog_id, blog_job_id, caller, once))


@router.post(
    "/edit", status_code=202, response_model=ImageGenerationJobResponse, responses=_RESPONSES
)
async def edit(
    body: EditBody,
    caller: Generating,
    to: Served,
    once: OnlyOnce,
    blog_id: BlogId = None,
    blog_job_id: BlogId = None,
) -> ImageGenerationJobResponse:
    """Start a job that changes a picture, all of it or where a mask says so."""
    return accepted_answer(*await to.submissions.submit(body, blog_id, blog_job_id, caller, once))


@router.post(
    "/upscale", status_code=202, response_model=ImageGenerationJobResponse, responses=_RESPONSES
)
async def upscale(
    body: UpscaleBody,
    caller: Generating,
    to: Served,
    once: OnlyOnce,
    blog_id: BlogId = None,
    blog_job_id: BlogId = None,
) -> ImageGenerationJobResponse:
    """Start a job that makes a picture larger, by default here and for free."""
    return accepted_answer(*await to.submissions.submit(body, blog_id, blog_job_id, caller, once))
