"""Server-Sent Events: the changes of a job or a batch, and an image's making stage by stage.

Source: the HTML standard, 9.2 "Server-sent events".
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Protocol, TypeVar

import anyio
from fastapi import Response
from sse_starlette import EventSourceResponse, ServerSentEvent
from sse_starlette.sse import SendTimeoutError
from starlette.types import Receive, Scope, Send

from api.answers import Addresses
from api.snapshots import Body, JobSnapshot
from api.stages import Stages
from api.submitting import Begun
from api.versions import ENDED, Version
from api.watching import Look, Until, Watched, Watchman, has_nothing_for
from domain.errors import InternalFailure, JobFailure
from domain.jobs import PROGRESS_GENERATING, JobError, JobState, JobStatus, Stage

_SEND_SECONDS = 30.0
_FAREWELL_SECONDS = 1.0
_LINE_END = "\n"

logger = logging.getLogger("darkroom.api")


class _Subject(Watched, Protocol):
    @property
    def status(self) -> JobStatus: ...
    @property
    def has_review(self) -> bool: ...


S = TypeVar("S", bound=_Subject)


class Streams:
    """Makes the responses; each looks through the watchman, at the pace its client reads."""

    def __init__(self, watchman: Watchman, keep_alive_seconds: float) -> None:
        self._watchman = watchman
        self._keep_alive_seconds = keep_alive_seconds

    async def events(
        self, look: Look[S], body: Callable[[S], Body], last_event_id: str | None, until: Until
    ) -> Response:
        """The events that who saw `last_event_id` has not seen; 204 where there will be none.

        Raises as `look` does at the first time.
        """
        seen, first = Version.parse(last_event_id), await look()
        if has_nothing_for(seen, first, until):
            return Response(status_code=204)
        changes = self._watchman.changes(first, look, seen, until)
        return self._response(_events(changes, body, seen))

    def stages(self, begun: Begun, look: Look[JobSnapshot], at: Addresses) -> Response:
        """The stages of a job from its acceptance to its end."""
        first = JobSnapshot(begun.job_id, begun.card, JobState(), is_final=False)
        if begun.rendering is None:
            changes = self._watchman.changes(first, look, None, Until.COMPLETED)
        else:
            changes = _rendered_here(first, begun.rendering)
        return self._response(_stages(changes, Stages(begun.job_id, begun.card, at)))

    def _response(self, events: AsyncIterator[ServerSentEvent]) -> Response:
        return EventStream(events, self._keep_alive_seconds)


class EventStream(EventSourceResponse):
    """Ends with its events, its client or the server; comments keep it alive in between."""

    def __init__(self, events: AsyncIterator[ServerSentEvent], keep_alive_seconds: float) -> None:
        super().__init__(
            events,
            sep=_LINE_END,
            ping=keep_alive_seconds,
            ping_message_factory=lambda: ServerSentEvent(comment="keep-alive", sep=_LINE_END),
            send_timeout=_SEND_SECONDS,
            shutdown_event=anyio.Event(),
            shutdown_grace_period=_FAREWELL_SECONDS,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one client; one that reads nothing any more is given up."""
        try:
            await super().__call__(scope, receive, send)
        except SendTimeoutError:
            logger.info("a stream was given up: nobody reads it [path=%s]", scope["path"])


async def _events(
    changes: AsyncGenerator[S], body: Callable[[S], Body], seen: Version | None
) -> AsyncIterator[ServerSentEvent]:
    async with aclosing(changes):
        async for snapshot in changes:
            content = body(snapshot).content.decode()
            for name, version in _told(seen, snapshot):
                yield ServerSentEvent(content, event=name, id=str(version), sep=_LINE_END)
            seen = snapshot.version


def _told(seen: Version | None, snapshot: _Subject) -> list[tuple[str, Version]]:
    """The names and ids of what happened since: its end is told even if more followed at once."""
    version = snapshot.version
    if not version.has_ended:
        return [("status", version)]
    end = (str(snapshot.status), version._replace(rank=ENDED))
    if seen is None or not seen.has_ended:
        return [end] if version.rank == ENDED else [end, ("review", version)]
    return [("review" if snapshot.has_review else "status", version)]


async def _rendered_here(
    first: JobSnapshot, rendering: asyncio.Task[JobSnapshot]
) -> AsyncGenerator[JobSnapshot]:
    """What there is to see of a job that this process renders itself."""
    yield first
    begun = JobState(
        status=JobStatus.PROCESSING,
        stage=Stage.GENERATING,
        progress_percentage=PROGRESS_GENERATING,
    )
    yield replace(first, state=begun)
    try:
        yield await asyncio.shield(rendering)
    except Exception as error:
        failure = error if isinstance(error, JobFailure) else InternalFailure(InternalFailure.title)
        yield replace(first, state=begun.failed(JobError.of(failure), datetime.now(UTC)))


async def _stages(
    changes: AsyncGenerator[JobSnapshot], stages: Stages
) -> AsyncIterator[ServerSentEvent]:
    async with aclosing(changes):
        async for snapshot in changes:
            for update in stages.of(snapshot):
                yield ServerSentEvent(update.model_dump_json(), sep=_LINE_END)
