"""Refuses bodies that are too large or not JSON before anything reads them. Pure ASGI."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import answer
from domain.errors import BodyTooLarge, UnsupportedMediaType


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
        if headers.get("content-length", "0").isdigit():
            declared = int(headers.get("content-length", "0"))
            if declared > self._max_bytes:
                await answer(self._too_large())(scope, receive, send)
                return
        if _has_body(headers) and not _is_json(headers):
            refused = UnsupportedMediaType("Send JSON, with 'Content-Type: application/json'.")
            await answer(refused)(scope, receive, send)
            return
        await self._app(scope, self._counted(receive), send)

    def _counted(self, receive: Receive) -> Receive:
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._max_bytes:
                raise self._too_large()
            return message

        return counted

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(f"The body is over {self._max_bytes} bytes; send fewer images.")


def _has_body(headers: Headers) -> bool:
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


def _is_json(headers: Headers) -> bool:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")
