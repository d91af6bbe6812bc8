"""Refuses bodies that are too large or not JSON before anything reads them. Pure ASGI."""

from __future__ import annotations

from collections import deque

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.answers import API
from api.problems import answer
from domain.errors import BodyTooLarge, UnsupportedMediaType

TAKES_FILES = frozenset({f"{API}/provenance"})
"""The paths whose body is a file, of which the bytes decide; every other's is JSON."""


class BodyLimits:
    """Wraps an app; `max_bytes` counts what arrives, whatever `Content-Length` says."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] not in ("POST", "PUT", "PATCH"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if int(headers.get("content-length", "0")) > self._max_bytes:
            await answer(self._too_large())(scope, receive, send)
            return
        takes_files = scope["path"] in TAKES_FILES
        if _has_body(headers) and not takes_files and not _is_json(headers):
            refused = UnsupportedMediaType("Send JSON, with 'Content-Type: application/json'.")
            await answer(refused)(scope, receive, send)
            return
        read = await self._read(receive)
        if read is None:
            await answer(self._too_large())(scope, receive, send)
            return
        await self._app(scope, _again(read, receive), send)

    async def _read(self, receive: Receive) -> list[Message] | None:
        """The request's messages, or None as soon as they are too many bytes."""
        messages, seen = [], 0
        while True:
            message = await receive()
            messages.append(message)
            seen += len(message.get("body", b""))
            if seen > self._max_bytes:
                return None
            if not message.get("more_body", False):
                return messages

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(f"The body is over {self._max_bytes} bytes; send fewer images.")


def _again(messages: list[Message], receive: Receive) -> Receive:
    waiting = deque(messages)

    async def replay() -> Message:
        return waiting.popleft() if waiting else await receive()

    return replay


def _has_body(headers: Headers) -> bool:
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


def _is_json(headers: Headers) -> bool:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")
