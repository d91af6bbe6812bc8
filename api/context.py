"""What is known of the request that is being served, for whoever logs meanwhile."""

from __future__ import annotations

from contextvars import ContextVar

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""As answered in `X-Request-ID`; None outside a request."""

base_url: ContextVar[str | None] = ContextVar("base_url", default=None)
"""Where its caller reaches the API, without a trailing slash; webhooks link there."""

tenant: ContextVar[str | None] = ContextVar("tenant", default=None)
"""Whose request it is, once its key is known."""


def facts() -> dict[str, str | None]:
    """Both, for every log line of the request."""
    return {"request_id": request_id.get(), "tenant": tenant.get()}
