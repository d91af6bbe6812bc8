"""What files say of their making."""

from __future__ import annotations

from fastapi import APIRouter, Request

from api.auth import Reading
from api.marks import JobMarksAnswer, MarksAnswer
from api.problems import declare
from api.services import At, Served
from domain.errors import (
    BodyTooLarge,
    EngineAway,
    FileNotFound,
    JobNotFound,
    StorageUnavailable,
    UnsupportedMediaType,
)

router = APIRouter(tags=["provenance"])

_PICTURE = {"schema": {"type": "string", "format": "binary"}}
_KINDS = ("image/png", "image/jpeg", "image/webp", "image/avif", "application/octet-stream")


@router.post(
    "/provenance",
    response_model=MarksAnswer,
    responses=declare(BodyTooLarge, UnsupportedMediaType),
    openapi_extra={"requestBody": {"required": True, "content": dict.fromkeys(_KINDS, _PICTURE)}},
)
async def read_marks(request: Request, caller: Reading, to: Served) -> MarksAnswer:
    """The marks in the file that is sent as the body, whoever made it; nothing is kept of it."""
    return await to.marks.of_file(await request.body())


@router.get(
    "/jobs/{job_id}/provenance",
    response_model=JobMarksAnswer,
    responses=declare(JobNotFound, FileNotFound, EngineAway, StorageUnavailable),
)
async def job_marks(job_id: str, caller: Reading, to: Served, at: At) -> JobMarksAnswer:
    """The marks in a job's stored images, read from their bytes."""
    return await to.marks.of_job(job_id, caller, at)
