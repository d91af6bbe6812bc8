"""The answers about jobs and batches as JSON, made once for each snapshot and address."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable

from pydantic import BaseModel

from api.answers import Addresses, batch_answer, job_answer
from api.estimates import Estimates
from api.snapshots import BatchSnapshot, Body, JobSnapshot
from api.versions import Version

_ADDRESSES_KEPT = 4
"""A caller chooses the Host header; that must not fill the memory."""
_MAX_RETRY_SECONDS = 10


class Bodies:
    """Bodies with their entity tags: the version of the state, and a digest of the bytes."""

    def __init__(self, estimates: Estimates) -> None:
        self._estimates = estimates

    def job(self, snapshot: JobSnapshot, at: Addresses) -> Body:
        """The answer about a job."""
        return _kept(snapshot, at, lambda: self._of_job(snapshot, at))

    def batch(self, snapshot: BatchSnapshot, at: Addresses) -> Body:
        """The answer about a batch."""
        return _kept(snapshot, at, lambda: self._of_batch(snapshot, at))

    def _of_job(self, snapshot: JobSnapshot, at: Addresses) -> Body:
        answer = job_answer(snapshot, at, self._estimates)
        return _body(answer, snapshot.version, answer.estimated_time_remaining)

    def _of_batch(self, snapshot: BatchSnapshot, at: Addresses) -> Body:
        return _body(batch_answer(snapshot, at), snapshot.version, _seconds_left(snapshot))


def _kept(snapshot: JobSnapshot | BatchSnapshot, at: Addresses, make: Callable[[], Body]) -> Body:
    body = snapshot.bodies.get(at.api)
    if body is None:
        body = make()
        if len(snapshot.bodies) < _ADDRESSES_KEPT:
            snapshot.bodies[at.api] = body
    return body


def _body(answer: BaseModel, version: Version, seconds_left: int | None) -> Body:
    content = answer.model_dump_json().encode()
    etag = f'"{version}.{hashlib.sha256(content).hexdigest()[:16]}"'
    if seconds_left is None:
        return Body(content, etag, None)
    return Body(content, etag, min(max(seconds_left, 1), _MAX_RETRY_SECONDS))


def _seconds_left(snapshot: BatchSnapshot) -> int | None:
    """Whole seconds, by the catalogue's word; None once the batch is terminal."""
    if snapshot.status.is_terminal:
        return None
    request = snapshot.request
    left = sum(not item.is_made for item in snapshot.state.items)
    return math.ceil(math.ceil(left / request.max_concurrency) * request.expected_seconds)
