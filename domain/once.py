"""What is kept of a request that its caller may send again, so that it is carried out once."""

from __future__ import annotations

from typing import Any

from domain.model import Model


class Once(Model):
    """Kept in the engine with what such a request has started."""

    fingerprint: str | None = None
    """Of the request; None where the id alone says which it was, as a retry's does."""
    promised_seconds: int | None = None
    """How long its caller was told that it takes; told again when it is sent again."""
    answer: Any = None
    """In full, where it could not be given again otherwise."""


class Held(Model):
    """What the memo of any holder of an `Idempotency-Key` says: a job's, a batch's, a claim's."""

    once: Once | None = None
