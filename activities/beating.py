"""Heartbeats of a long activity, with a progress that never goes down across its attempts."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

from temporalio import activity

from domain.jobs import Attempt, Progress
from domain.renders import RenderOrder

T = TypeVar("T")

BEAT_SECONDS = 0.5


class Beat:
    """The progress of one `render`, from the provider's word or from elapsed against expected."""

    def __init__(self, order: RenderOrder, earlier: Progress | None) -> None:
        self._from, self._to = order.progress_from, order.progress_to
        self._expected_seconds = order.target.expected_seconds
        self._floor = earlier.progress_percentage if earlier else order.progress_from
        self._started = time.monotonic()
        self._share = 0.0
        self.started_at = earlier.started_at if earlier else datetime.now(UTC)
        self.attempts: list[Attempt] = list(earlier.attempts) if earlier else []

    def report(self, share: float) -> None:
        """Take the provider's word, 0 to 1; from any thread."""
        self._share = max(self._share, min(share, 1.0))

    def progress(self) -> Progress:
        """What to heartbeat now."""
        share = self._share or self._elapsed_share()
        percentage = int(self._from + (self._to - self._from) * share)
        self._floor = max(self._floor, percentage)
        return Progress(
            progress_percentage=self._floor, started_at=self.started_at, attempts=self.attempts
        )

    def send(self) -> None:
        """Heartbeat the progress."""
        activity.heartbeat(self.progress())

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


async def to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Do work that a cancel comes too late for; only a worker's shutdown interrupts it."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if activity.is_worker_shutdown():
            task.cancel()
            raise
        return await task


@asynccontextmanager
async def beating(order: RenderOrder) -> AsyncIterator[Beat]:
    """Heartbeat the progress of a render for as long as the block runs."""
    beat = Beat(order, earlier_progress())
    async with alive(beat.send):
        yield beat
