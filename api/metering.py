"""Counts every request, measures it, and writes the log line of it. Pure ASGI."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from http import HTTPStatus
from urllib.parse import parse_qs

from opentelemetry import trace
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import context
from domain.errors import BudgetExhausted
from observing import facts
from observing.meters import OTHER, Meters

NO_ROUTE = "none"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_NAMED = re.compile(r"/(?:jobs|batches)/([^/]+)")
_STREAM = b"text/event-stream"
_HUNG_UP = 499
"""As nginx counts a caller who did not wait for the answer."""

_SUBMISSIONS = {
    "/generate": "generate",
    "/generate/stream": "stream",
    "/generate-async": "job",
    "/batch-generate": "batch",
    "/jobs/{job_id}/retry": "retry",
    "/jobs/{job_id}/approve": "final",
    "/batches/{batch_id}/approve": "finals",
    "/variations": "variation",
    "/upscale": "upscale",
    "/edit": "edit",
}
"""The routes whose POST asks for new work."""

logger = logging.getLogger("darkroom.api")


class Metering:
    """Wraps an app; what it starts and reads is known by id to all that logs inside of it."""

    def __init__(self, app: ASGIApp, meters: Meters) -> None:
        self._app = app
        self._meters = meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, self._meters)
        request_id = context.request_id.get() or ""
        trace.get_current_span().set_attribute("darkroom.request_id", request_id)

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.begins(message)
            await send(message)

        with facts.gathering(_ids_in(scope["path"])):
            try:
                await self._app(scope, receive, noting)
            except asyncio.CancelledError:
                exchange.breaks(_HUNG_UP)
                raise
            except Exception:
                exchange.breaks(HTTPStatus.INTERNAL_SERVER_ERROR)
                raise
            finally:
                exchange.ends()


class _Exchange:
    """One request and its answer."""

    def __init__(self, scope: Scope, meters: Meters) -> None:
        self._scope = scope
        self._meters = meters
        self._began = time.monotonic()
        self._status: int | None = None
        self._is_stream = False

    @property
    def _method(self) -> str:
        method = str(self._scope["method"])
        return method if method in _METHODS else OTHER

    @property
    def _route(self) -> str:
        """The template of the route, known once the request has been there."""
        return getattr(self._scope.get("route"), "path", NO_ROUTE)

    @property
    def _path(self) -> str:
        """As it was sent, so that nobody writes log lines of their own."""
        raw: bytes = self._scope.get("raw_path") or b""
        return raw.decode("latin-1")

    def begins(self, start: Message) -> None:
        """The answer's status and headers go out."""
        self._status = start["status"]
        kinds = (value for name, value in start["headers"] if name == b"content-type")
        self._is_stream = next(kinds, b"").startswith(_STREAM)
        if self._is_stream:
            self._meters.open_streams.labels(self._route).inc()

    def breaks(self, status: int) -> None:
        """It ended before an answer, unless one is on its way."""
        self._status = self._status or status

    def ends(self) -> None:
        """Count it."""
        status, seconds = self._status or _HUNG_UP, time.monotonic() - self._began
        method, route = self._method, self._route
        self._meters.requests.labels(method, route, status).inc()
        if self._is_stream:
            self._meters.open_streams.labels(route).dec()
        elif not self._is_long_poll:
            self._meters.request_seconds.labels(method, route).observe(seconds)
        if method == "POST" and route in _SUBMISSIONS:
            self._count_submission(_SUBMISSIONS[route], status)
        self._log(method, status, seconds)

    @property
    def _is_long_poll(self) -> bool:
        query = self._scope.get("query_string", b"")
        return b"wait" in query and b"wait" in parse_qs(query)

    def _count_submission(self, kind: str, status: int) -> None:
        code = facts.told().get("code", str(status))
        is_accepted = status < HTTPStatus.BAD_REQUEST
        self._meters.submissions.labels(kind, "accepted" if is_accepted else code).inc()
        if code == BudgetExhausted.code:
            self._meters.budget_refusals.labels("submission").inc()

    def _log(self, method: str, status: int, seconds: float) -> None:
        """What changes something is always told, what only reads when it goes wrong."""
        is_wrong = status >= HTTPStatus.INTERNAL_SERVER_ERROR
        level = logging.WARNING if is_wrong else logging.INFO
        if method in _READS and not is_wrong:
            level = logging.DEBUG
        logger.log(level, "%s %s %d in %.3f s", method, self._path, status, seconds)


def _ids_in(path: str) -> dict[str, str | None]:
    """The job or batch that a path names; callers may write anything there."""
    named = _NAMED.search(path)
    ids = facts.ids_of(named.group(1)) if named else {}
    return {name: found for name, found in ids.items() if name != "workflow_id"}
