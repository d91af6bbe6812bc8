"""Lets requests in: who has a key, or is on this machine where there are no keys. Pure ASGI.

It stands before anything reads a body. What is open to everybody is listed here; all else is
closed, also a route that nobody has thought of.
"""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from api import context
from api.answers import API
from api.auth import KEYLESS, STATE, Caller
from api.keyring import KeyRing
from api.loopback import host_of, is_loopback
from api.problems import answer
from api.rates import RateLimits
from domain.errors import Forbidden, Refusal, Unauthenticated

_OPEN = frozenset(
    {
        *("/health", "/health/live", "/health/ready"),
        "/",
        *("/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json"),
    }
)
_FILES = (f"{API}/files/", "/desk/")


class Doorkeeper:
    """Wraps an app; leaves the `Caller` in the request's state."""

    def __init__(self, app: ASGIApp, keys: KeyRing, *, insecure: bool) -> None:
        self._app = app
        self._keys = keys
        self._rates = RateLimits()
        self._insecure = insecure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and not is_open(scope["path"]):
            try:
                caller = self._admit(scope)
            except Refusal as refused:
                await answer(refused)(scope, receive, send)
                return
            scope.setdefault("state", {})[STATE] = caller
            context.tenant.set(caller.tenant)
        await self._app(scope, receive, send)

    def _admit(self, scope: Scope) -> Caller:
        headers = Headers(scope=scope)
        if not self._keys.is_locked:
            if self._insecure or _is_from_here(scope, headers):
                return KEYLESS
            raise Forbidden(
                "There are no API keys, so only this machine itself is served: create one with"
                " `darkroom keys create`, or set DARKROOM_INSECURE=true."
            )
        sent = _sent(headers)
        if sent is None:
            raise Unauthenticated("Send an API key, as 'Authorization: Bearer …' or 'X-API-Key'.")
        key = self._keys.find(sent)
        if key is None:
            raise Unauthenticated("This API key is not known, or was revoked.")
        self._rates.take(key)
        return Caller(key.tenant, key.name, key.scopes)


def is_open(path: str) -> bool:
    """Whether a path is for everybody.

    The keys of stored files cannot be guessed, and a browser's `<img>` sends no header. The review
    desk's own files are no secret; what it shows is.
    """
    return path in _OPEN or path.startswith(_FILES)


def _sent(headers: Headers) -> str | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return headers.get("x-api-key")


def _is_from_here(scope: Scope, headers: Headers) -> bool:
    """Whether it came to a loopback address, from one, and under such a name.

    The first is not enough: a proxy on this machine passes on what came from elsewhere, and a page
    can have its own name resolve to this machine (DNS rebinding).
    """
    ends = (scope.get("server"), scope.get("client"))
    at_home = all(end is not None and is_loopback(end[0]) for end in ends)
    return at_home and is_loopback(host_of(headers.get("host", "")))
