"""Polls over HTTP: how long one may wait, and what it is answered when nothing has changed."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import Header, Query, Response

from api.snapshots import Body
from api.versions import Version

MAX_WAIT_SECONDS = 60
_VERSION = re.compile(r'"(\d+-[0-9a-f]+)\.[0-9a-f]+"')

Wait = Annotated[
    float,
    Query(
        ge=0,
        le=MAX_WAIT_SECONDS,
        allow_inf_nan=False,
        description="Seconds to wait for a change, or for the end; the estimate's ticking is none. "
        "With `If-None-Match` a change since that answer counts, so that none is missed.",
    ),
]
IfNoneMatch = Annotated[str | None, Header(description="An `ETag` that was answered before")]

_TAG = {"description": "Of this answer, byte for byte", "schema": {"type": "string"}}
_RETRY = {
    "description": "Whole seconds, 1 to 10; left out once polling again is of no use",
    "schema": {"type": "integer"},
}
POLLED: dict[int | str, dict[str, Any]] = {
    200: {"headers": {"ETag": _TAG, "Retry-After": _RETRY}},
    304: {"description": "As the caller has it", "headers": {"ETag": _TAG, "Retry-After": _RETRY}},
}
"""The `responses` of a route that `polled` answers, besides its errors."""


def polled(body: Body, if_none_match: str | None) -> Response:
    """The response to a poll; 304 where the caller has the body already."""
    headers = {"ETag": body.etag, "Cache-Control": "private, no-cache"}
    if body.retry_after_seconds is not None:
        headers["Retry-After"] = str(body.retry_after_seconds)
    if matches(body.etag, if_none_match):
        return Response(status_code=304, headers=headers)
    return Response(body.content, media_type="application/json", headers=headers)


def matches(etag: str, if_none_match: str | None) -> bool:
    """Whether the caller has it already, by RFC 9110 13.1.2."""
    listed = [tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")]
    return "*" in listed or etag in listed


def version_in(if_none_match: str | None) -> Version | None:
    """The version of the state that the caller has seen."""
    found = _VERSION.search(if_none_match or "")
    return Version.parse(found[1]) if found else None
