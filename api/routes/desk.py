"""The review desk: one page at `/`, and the files it loads."""

from __future__ import annotations

import hashlib
from typing import Annotated

from fastapi import APIRouter, Header, Response

from api.desk_files import DeskFiles
from api.polling import matches
from api.services import Served
from domain.errors import FileNotFound

router = APIRouter(include_in_schema=False)

_ASK_EACH_TIME = "no-cache"
_FOR_EVER = "public, max-age=31536000, immutable"
_DESK = DeskFiles()

IfNoneMatch = Annotated[str | None, Header()]


@router.api_route("/", methods=["GET", "HEAD"])
async def page(to: Served, if_none_match: IfNoneMatch = None) -> Response:
    """The page; who calls is asked by its scripts."""
    headers = {
        "Content-Security-Policy": _policy(to.settings.image_origins),
        "Cross-Origin-Opener-Policy": "same-origin",
    }
    return _answer(_DESK.page, "text/html; charset=utf-8", _ASK_EACH_TIME, if_none_match, headers)


@router.api_route("/desk/{name}/{path:path}", methods=["GET", "HEAD"])
async def file(name: str, path: str, if_none_match: IfNoneMatch = None) -> Response:
    """A file of the desk; under an older name it is the one of now, and is not kept."""
    body = _DESK.files.get(path)
    if body is None:
        raise FileNotFound("There is no such file.")
    kept = _FOR_EVER if name == _DESK.name else _ASK_EACH_TIME
    return _answer(body, _DESK.type_of(path), kept, if_none_match)


def _answer(
    body: bytes,
    content_type: str,
    kept: str,
    if_none_match: str | None,
    more: dict[str, str] | None = None,
) -> Response:
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": kept, **(more or {})}
    if matches(etag, if_none_match):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=content_type)


def _policy(image_origins: list[str]) -> str:
    """Nothing inline, nothing from elsewhere but images, and no HTML made of strings."""
    return "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            " ".join(["img-src 'self' data:", *image_origins]),
            "connect-src 'self'",
            "form-action 'none'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        ]
    )
