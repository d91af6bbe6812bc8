"""What every answer is sent in: its request id, and headers that browsers obey. Pure ASGI."""

from __future__ import annotations

import re
import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import context

REQUEST_ID = "X-Request-ID"
_SANE = re.compile(r"[A-Za-z0-9._:+/=-]{1,128}")
_NO_PAGE = "default-src 'none'; frame-ancestors 'none'"
_PAGE = "frame-ancestors 'none'; base-uri 'none'; object-src 'none'"
_CDN = "https://cdn.jsdelivr.net"
_DOCS = "; ".join(
    [
        "default-src 'none'",
        f"script-src 'unsafe-inline' {_CDN}",
        f"style-src 'unsafe-inline' {_CDN}",
        "img-src 'self' data: https://fastapi.tiangolo.com",
        "connect-src 'self'",
        _PAGE,
    ]
)
"""As FastAPI's pages need it, which load Swagger UI and ReDoc from a CDN."""
_DOCS_PAGES = frozenset({"/docs", "/docs/oauth2-redirect", "/redoc"})


class Envelope:
    """Wraps an app, outside of all that may answer; a header that a route has set stays."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(Headers(scope=scope))
        context.request_id.set(request_id)

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID] = request_id
                headers.setdefault("X-Content-Type-Options", "nosniff")
                headers.setdefault("Referrer-Policy", "no-referrer")
                headers.setdefault("Content-Security-Policy", _policy(scope["path"], headers))
            await send(message)

        await self._app(scope, receive, sealed)


def _request_id(headers: Headers) -> str:
    """The caller's own where it is sane, so that both logs tell of the same request."""
    sent = headers.get(REQUEST_ID, "")
    return sent if _SANE.fullmatch(sent) else secrets.token_hex(16)


def _policy(path: str, headers: Headers) -> str:
    if not headers.get("content-type", "").startswith("text/html"):
        return _NO_PAGE
    return _DOCS if path in _DOCS_PAGES else _PAGE
