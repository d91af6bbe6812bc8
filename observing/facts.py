"""What is known of the work at hand: every log line that is written meanwhile says it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from domain.ids import BATCH_ID_PATTERN, JOB_ID_PATTERN, batch_item

_JOB_ID = re.compile(JOB_ID_PATTERN)
_BATCH_ID = re.compile(BATCH_ID_PATTERN)

_facts: ContextVar[dict[str, str] | None] = ContextVar("facts", default=None)


@contextmanager
def gathering(facts: Mapping[str, str | None]) -> Iterator[Mapping[str, str]]:
    """Start over with these facts, for one request or one activity; nothing leaks out of it."""
    known = {name: fact for name, fact in facts.items() if fact}
    token = _facts.set(known)
    try:
        yield known
    finally:
        _facts.reset(token)


def tell(**facts: str) -> None:
    """Add to what is known; outside of any request and activity it is forgotten at once."""
    known = _facts.get()
    if known is not None:
        known.update(facts)


def told() -> Mapping[str, str]:
    """What is known now."""
    return _facts.get() or {}


def ids_of(workflow_id: str) -> dict[str, str]:
    """A workflow's id by the name of what it is: a job, and the batch it belongs to, or a batch."""
    if _JOB_ID.match(workflow_id):
        place = batch_item(workflow_id)
        return {"job_id": workflow_id, **({"batch_id": place[0]} if place else {})}
    if _BATCH_ID.match(workflow_id):
        return {"batch_id": workflow_id}
    return {"workflow_id": workflow_id}
