"""Server-Sent Events: what becomes of a job or a batch, and making an image stage by stage."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel

from api.auth import Generating, Reading
from api.once import REPEATS, OnlyOnce
from api.problems import Responses, declare, schema_of
from api.routes.images import REFUSALS, BlogId
from api.schemas import BatchStatusAnswer, ImageJobStatusResponse, ImageRequest, StageUpdate
from api.services import At, Served
from api.watching import Until
from domain.errors import (
    BatchNotFound,
    BudgetExhausted,
    EngineAway,
    InvalidRequest,
    JobNotFound,
    QueueUnavailable,
    StorageUnavailable,
)

router = APIRouter(tags=["streams"])

LastEventId = Annotated[
    str | None, Header(alias="Last-Event-ID", description="Goes on behind the event with this id")
]
UntilQuery = Annotated[
    Until,
    Query(
        description="What ends the stream: `completed`, that the image is there or never will be; "
        "`decided`, that the reviews of drafts are over as well, which may take days"
    ),
]

_EVENT = 'id: 147-5f1c0a9be4d27730\nevent: status\ndata: {"job_id": "img_…", …}\n\n'
_STAGE = (
    'data: {"stage": "generating", "progress": 47, "message": "The image is being made.", '
    '"job_id": "img_…", "status": "processing", "data": {}}\n\n'
)


def _stream(description: str, example: str, data: type[BaseModel], **fields: Any) -> Responses:
    told = {
        "type": "string",
        "contentMediaType": "application/json",
        "contentSchema": schema_of(data),
    }
    event = {
        "type": "object",
        "required": ["data", *fields],
        "properties": {"data": told, **fields},
    }
    content = {"text/event-stream": {"itemSchema": event, "example": example}}
    return {200: {"description": description, "content": content}}


def _events(data: type[BaseModel]) -> Responses:
    names = ["status", "completed", "failed", "review"]
    return {
        **_stream(
            "Events by these names, each with the whole answer",
            _EVENT,
            data,
            id={"type": "string"},
            event={"type": "string", "enum": names},
        ),
        204: {"description": "There is nothing to add to what was seen; do not reconnect"},
    }


@router.get(
    "/jobs/{job_id}/events",
    response_class=Response,
    responses={
        **_events(ImageJobStatusResponse),
        **declare(JobNotFound, InvalidRequest, EngineAway, StorageUnavailable),
    },
)
async def job_events(
    job_id: str,
    caller: Reading,
    to: Served,
    at: At,
    until: UntilQuery = Until.DECIDED,
    last_event_id: LastEventId = None,
) -> Response:
    """The job's answer, again at each change of it, as Server-Sent Events.

    `completed` or `failed` is sent once; for a draft the stream goes on with `review` events until
    its review is decided or expires, unless `until=completed` ends it before.
    """
    look = partial(to.reader.job, job_id, caller.tenant)
    return await to.streams.events(look, partial(to.bodies.job, at=at), last_event_id, until)


@router.get(
    "/batches/{batch_id}/events",
    response_class=Response,
    responses={
        **_events(BatchStatusAnswer),
        **declare(BatchNotFound, InvalidRequest, EngineAway, StorageUnavailable),
    },
)
async def batch_events(
    batch_id: str,
    caller: Reading,
    to: Served,
    at: At,
    until: UntilQuery = Until.DECIDED,
    last_event_id: LastEventId = None,
) -> Response:
    """The batch's answer, again at each change of it, as Server-Sent Events.

    `completed` or `failed` is sent once, when every image is made or has failed; drafts and their
    finals go on as `review` events until all of them are decided and made.
    """
    look = partial(to.reader.batch, batch_id, caller.tenant)
    return await to.streams.events(look, partial(to.bodies.batch, at=at), last_event_id, until)


@router.post(
    "/generate/stream",
    response_class=Response,
    responses={
        **_stream("Updates; the last one's `stage` is `completed` or `error`", _STAGE, StageUpdate),
        **declare(*REFUSALS, *REPEATS, BudgetExhausted, QueueUnavailable),
    },
)
async def generate_stream(
    body: ImageRequest,
    caller: Generating,
    to: Served,
    at: At,
    once: OnlyOnce,
    blog_id: BlogId = None,
    blog_job_id: BlogId = None,
) -> Response:
    """Make an image and tell of it as it is made, also while the job queue is away.

    Stages are `queued`, `processing`, `generating`, `uploading`, then `completed` with
    `data.result`, or `error` with `data.error`. The job goes on when the stream is left, and
    when it ends before either; poll it by its `job_id` then.
    """
    begun = await to.submissions.begin(body, blog_id, blog_job_id, caller, once)
    return to.streams.stages(begun, partial(to.reader.job, begun.job_id, caller.tenant), at)
