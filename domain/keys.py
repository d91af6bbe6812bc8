"""API keys: whom each speaks for and what it may do; of the key itself only the hash is kept."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

DEFAULT_TENANT = "default"
"""Whose everything is where no keys are set up."""


class Scope(StrEnum):
    """What a key may do."""

    GENERATE = "generate"
    """Start images, cancel and retry them, and have webhooks delivered again."""
    REVIEW = "review"
    """Approve and reject."""
    READ = "read"
    DECODE = "decode"
    """Read payloads of the engine that are encrypted, of all tenants."""
    ADMIN = "admin"
    """All of these, the metrics, and the budgets that tenants share."""


Tenant = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
"""Short enough for the engine's fairness key, which takes 64 bytes."""
KeyName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._@-]{0,99}$")]
Sha256 = Annotated[str, StringConstraints(to_lower=True, pattern=r"^[0-9a-f]{64}$")]


class ApiKey(BaseModel):
    """One `[[keys]]` table."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: KeyName
    tenant: Tenant = DEFAULT_TENANT
    scopes: frozenset[Scope] = Field(min_length=1)
    sha256: Sha256
    """Of the whole key, `dk_` included, in hexadecimal."""
    requests_per_minute: int | None = Field(default=None, ge=1, strict=True)
    """Counted in each API process by itself; None for no limit."""
    created_at: datetime | None = None
