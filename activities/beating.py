"""Heartbeats of a long activity, with a progress that never goes down across its attempts."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from temporalio import activity
from temporalio.client import AsyncActivityCancelledError
from temporalio.service import RPCError, RPCStatusCode

from domain.errors import StorageUnavailable
from domain.jobs import Attempt, PaidCall, Progress
from domain.renders import RenderOrder
from domain.waiting import backoff

T = TypeVar("T")

BEAT_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 5.0


class Beat:
    """The progress of one `render`, from the provider's word or from elapsed against expected."""

    def __init__(
        self, order: RenderOrder, earlier: Progress | None, begun_at: datetime | None = None
    ) -> None:
        self._from, self._to = order.progress_from, order.progress_to
        self._expected_seconds = order.target.expected_seconds
        self._floor = earlier.progress_percentage if earlier else order.progress_from
        self._started = time.monotonic()
        self._begun_at = begun_at or datetime.now(UTC)
        self._share = 0.0
        self.started_at = earlier.started_at if earlier else self._begun_at
        self.attempts: list[Attempt] = list(earlier.attempts) if earlier else []
        self.call = earlier.call if earlier else None
        self.is_called_off = False
        self.cancel_too_late = earlier.cancel_too_late if earlier else None

    def now(self) -> datetime:
        """What time it is for the engine, however often this machine's clock is set meanwhile."""
        return self._begun_at + timedelta(seconds=time.monotonic() - self._started)

    def report(self, share: float) -> None:
        """Take the provider's word, 0 to 1; from any thread."""
        self._share = max(self._share, min(share, 1.0))

    def progress(self) -> Progress:
        """What to heartbeat now."""
        share = self._share or self._elapsed_share()
        percentage = int(self._from + (self._to - self._from) * share)
        self._floor = max(self._floor, percentage)
        return Progress(
            progress_percentage=self._floor,
            started_at=self.started_at,
            attempts=self.attempts,
            call=self.call,
            cancel_too_late=self.cancel_too_late,
        )

    def send(self) -> None:
        """Heartbeat the progress."""
        activity.heartbeat(self.progress())

    async def put_down(self, call: PaidCall | None) -> None:
        """Heartbeat the call that is under way; on return the engine has it.

        What has happened is worth waiting for the engine, however long. Raises
        `StorageUnavailable` where it does not take a call that is sent next: then none may be.
        """
        earlier, self.call = self.call, call
        is_sent_next = call is not None and call.ticket is None
        try:
            await self._until_acknowledged(may_wait=not is_sent_next)
        except BaseException:
            if is_sent_next:
                # Nothing is sent, and no later heartbeat may say so.
                self.call = earlier
                self.send()
            raise

    async def _until_acknowledged(self, *, may_wait: bool) -> None:
        # First, so that no older heartbeat is on its way when the acknowledged one is.
        self.send()
        for pause in backoff(BEAT_SECONDS, _LONGEST_PAUSE_SECONDS):
            if await self._acknowledged(may_wait):
                return
            await asyncio.sleep(pause)

    async def _acknowledged(self, may_wait: bool) -> bool:
        token = activity.info().task_token
        handle = activity.client().get_async_activity_handle(task_token=token)
        try:
            await handle.heartbeat(self.progress())
        except AsyncActivityCancelledError:
            # It was taken all the same; the worker hears of the cancel by itself.
            return True
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return self._is_too_late_to_put_down()
            if not may_wait:
                raise StorageUnavailable(
                    "The engine does not answer; nothing was sent.", context=error.message
                ) from error
            return False
        return True

    def _is_too_late_to_put_down(self) -> bool:
        """The job was terminated or this attempt timed out: begin nothing, finish the rest."""
        if self.call is not None and self.call.ticket is None:
            raise asyncio.CancelledError
        return True

    def _elapsed_share(self) -> float:
        """Rises with time and never arrives: two thirds at the expected end."""
        elapsed = time.monotonic() - self._started
        return 1 - math.exp(-1.1 * elapsed / max(self._expected_seconds, 0.1))


def earlier_progress() -> Progress | None:
    """What the attempt before this one heartbeat last."""
    details = activity.info().heartbeat_details
    return Progress.model_validate(details[0]) if details else None


@asynccontextmanager
async def alive(send: Callable[[], None] = activity.heartbeat) -> AsyncIterator[None]:
    """Heartbeat every half second for as long as the block runs; a shorter one sends none."""

    async def keep_beating() -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            send()

    task = asyncio.create_task(keep_beating())
    try:
        yield
    finally:
        task.cancel()


def is_cancel_requested() -> bool:
    """Whether the job is cancelled, not only this attempt at it: by its worker, by a timeout."""
    why = activity.cancellation_details()
    return why is not None and why.cancel_requested


async def to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Do work that a cancel comes too late for; only a worker's shutdown interrupts it."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if activity.is_worker_shutdown() and not is_cancel_requested():
            task.cancel()
            raise
        return await task


@asynccontextmanager
async def beating(order: RenderOrder) -> AsyncIterator[Beat]:
    """Heartbeat the progress of a render for as long as the block runs."""
    beat = Beat(order, earlier_progress(), activity.info().started_time)
    async with alive(beat.send):
        yield beat
