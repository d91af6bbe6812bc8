"""Keys for tests, and callers that send them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from api.keyring import digest_of
from domain.keys import ApiKey, Scope
from tests.api.conftest import Caller


def secret_of(name: str) -> str:
    """The key that goes by a name."""
    return f"dk_{name}-secret"


def key(name: str, *scopes: Scope, tenant: str = "default", **more: Any) -> ApiKey:
    """A key by that name with those scopes, with all of them where none is given."""
    return ApiKey(
        name=name,
        tenant=tenant,
        scopes=frozenset(scopes or {Scope.ADMIN}),
        sha256=digest_of(secret_of(name)),
        **more,
    )


def bearer(name: str) -> dict[str, str]:
    """The header that sends a key."""
    return {"Authorization": f"Bearer {secret_of(name)}"}


@asynccontextmanager
async def with_key(api: Caller, name: str) -> AsyncIterator[Caller]:
    """The same API for a caller who sends a key with all that they ask."""
    async with httpx.AsyncClient(
        base_url=api.http.base_url, trust_env=False, timeout=30, headers=bearer(name)
    ) as http:
        yield Caller(http, *api.apps)
