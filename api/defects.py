"""Answers a defect of ours with a problem. Pure ASGI.

The framework's own handler of last resort stands outside of every middleware, where an answer gets
no headers any more.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import defect


class Defects:
    """Wraps an app; what breaks after the answer has begun goes on to the server."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        has_begun = False

        async def noting(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception as error:
            if has_begun or scope["type"] != "http":
                raise
            await defect(scope["path"], error)(scope, receive, send)
