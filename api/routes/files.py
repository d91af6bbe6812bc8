"""The stored images, as a browser's `<img>` wants them."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import StreamingResponse

from api.polling import matches
from api.problems import answer, declare
from api.services import Served
from domain.errors import FileGone, FileNotFound, RangeNotSatisfiable, StorageUnavailable
from imaging.encode import CONTENT_TYPES
from storage.keys import asset_key
from storage.objects import InvalidRange, ObjectMissing

router = APIRouter(prefix="/files", tags=["files"])

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_FOR_EVER = "public, max-age=31536000, immutable"
_FOR_A_DAY = "public, max-age=86400"
_ANYWHERE = {"X-Content-Type-Options": "nosniff", "Access-Control-Allow-Origin": "*"}
_SHOWN = frozenset(CONTENT_TYPES.values())
_CONTENT = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in sorted(_SHOWN)}


@router.head("/{key:path}", include_in_schema=False)
@router.get(
    "/{key:path}",
    response_class=Response,
    responses={
        200: {"content": _CONTENT, "description": "The image"},
        206: {"content": _CONTENT, "description": "A part of it"},
        304: {"description": "As the caller has it"},
        **declare(FileNotFound, FileGone, RangeNotSatisfiable, StorageUnavailable),
    },
)
async def file(
    key: str,
    request: Request,
    to: Served,
    range_: Annotated[str | None, Header(alias="Range")] = None,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """One stored file; its key is unguessable and its bytes never change."""
    stored = asset_key(key)
    if stored is None:
        raise FileNotFound("There is no such file.")
    asked = range_ if range_ is not None and _is_one_range(range_) else None
    try:
        found = await to.store.open(stored, asked)
    except ObjectMissing:
        missing = answer(await to.keeping.why_missing(key))
        missing.headers.update(_ANYWHERE)
        if missing.status_code == HTTPStatus.GONE:
            missing.headers["Cache-Control"] = _FOR_A_DAY
        return missing
    except InvalidRange:
        refused = answer(RangeNotSatisfiable("The range lies outside the file."))
        refused.headers["Content-Range"] = f"bytes */{await to.store.size(stored)}"
        return refused
    headers = {
        "ETag": found.etag,
        "Cache-Control": _FOR_EVER,
        "Accept-Ranges": "bytes",
        **_ANYWHERE,
    }
    if matches(found.etag, if_none_match):
        await found.close()
        return Response(status_code=304, headers=headers)
    headers["Content-Length"] = str(found.content_length)
    if found.content_range is not None:
        headers["Content-Range"] = found.content_range
    if found.content_type not in _SHOWN:
        headers["Content-Disposition"] = "attachment"
    status = 206 if found.content_range is not None else 200
    if request.method == "HEAD":
        await found.close()
        return Response(status_code=status, headers=headers, media_type=found.content_type)
    return StreamingResponse(
        found.chunks, status_code=status, headers=headers, media_type=found.content_type
    )


def _is_one_range(header: str) -> bool:
    """Whether this is a range we serve; any other is ignored, as RFC 9110 14.2 asks."""
    found = _RANGE.fullmatch(header.replace(" ", ""))
    if found is None:
        return False
    first, last = found.groups()
    return bool(first or last) and not (first and last and int(first) > int(last))
