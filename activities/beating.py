"""Heartbeats of a long activity, with a progress that never goes down across its attempts."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
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
_OURS_SECONDS = 4.0
"""How long after a heartbeat the engine, which allows five, has surely not given the attempt up."""
_TIMEOUT = timedelta(seconds=10)


class Pulse:
    """The heartbeats of one activity, each sent once the one before it has been answered.

    The SDK sends its own side by side, so that an older one may arrive last and be what a next
    attempt is told: a paid call forgotten. Only what the engine answers to them, a cancel or the
    end of the attempt, is left to the SDK, which passes it on to the activity.
    """

    def __init__(self, details: Callable[[], Progress], pause_seconds: float) -> None:
        self._details = details
        self._pause_seconds = pause_seconds
        self._is_wanted = asyncio.Event()
        self._waiting: list[asyncio.Future[None]] = []

    def quicken(self) -> None:
        """Send the next one now."""
        self._is_wanted.set()

    async def sent(self) -> None:
        """Return when the engine has taken one that was begun after this was asked for.

        Raises `RPCError`, or `AsyncActivityCancelledError` where it was taken of a job that is
        cancelled.
        """
        answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(answered)
        self.quicken()
        await answered

    async def beat(self) -> None:
        """Send one whenever it is wanted, or the pause is over, for ever."""
        handle = activity.client().get_async_activity_handle(task_token=activity.info().task_token)
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pause_seconds):
                    await self._is_wanted.wait()
            self._is_wanted.clear()
            waiting, self._waiting = self._waiting, []
            failure: Exception | None = None
            try:
                await handle.heartbeat(self._details(), rpc_timeout=_TIMEOUT)
            except Exception as error:  # whatever it is, who waits has to know
                failure = error
                if _is_for_the_worker(error):
                    activity.heartbeat(self._details())
            for answered in waiting:
                if not answered.cancelled():
                    answered.set_exception(failure) if failure else answered.set_result(None)


def _is_for_the_worker(error: Exception) -> bool:
    is_gone = isinstance(error, RPCError) and error.status is RPCStatusCode.NOT_FOUND
    return is_gone or isinstance(error, AsyncActivityCancelledError)


class Beat:
    """The progress of one `render`, from the provider's word or from elapsed against expected."""

    def __init__(
        self,
        order: RenderOrder,
        earlier: Progress | None,
        pause_seconds: float = BEAT_SECONDS,
        begun_at: datetime | None = None,
    ) -> None:
        self._pulse = Pulse(self.progress, pause_seconds)
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

    async def keep_on(self) -> None:
        """Heartbeat the progress, for ever."""
        await self._pulse.beat()

    async def leave(self) -> None:
        """Heartbeat what a next attempt has to know, as far as the engine takes it."""
        with suppress(RPCError, AsyncActivityCancelledError):
            await self._pulse.sent()

    def send(self) -> None:
        """Heartbeat the progress, without waiting for it."""
        self._pulse.quicken()

    async def put_down(self, call: PaidCall | None) -> None:
        """Heartbeat the call that is under way; on return the engine has it.

        What has happened is worth waiting for the engine, however long. Raises
        `StorageUnavailable` where it does not take a call that is sent next: then none may be.
        """
        earlier, self.call = self.call, call
        is_sent_next = call is not None and call.ticket is None
        try:
            if is_sent_next:
                await self._until_it_may_be_sent()
            else:
                await self._until_taken()
        except BaseException:
            if is_sent_next:
                # Nothing is sent, and no later heartbeat may say so.
                self.call = earlier
                self.send()
            raise

    async def take_over(self, call: PaidCall) -> None:
        """Heartbeat the ticket that was found of a call that an attempt before this one sent.

        Raises `CancelledError` where the engine has given this attempt up: the one after it may
        have sent another call by now, and that be the one found.
        """
        self.call = call
        await self._until_taken(is_ours=True)

    async def _until_it_may_be_sent(self) -> None:
        try:
            await self._until_taken_just_now()
        except AsyncActivityCancelledError:
            # Nobody wants it any more, as the worker is about to hear: it ends this wait.
            self.call = None
            await asyncio.Event().wait()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                # The job was terminated or this attempt timed out: begin nothing.
                raise asyncio.CancelledError from error
            raise StorageUnavailable(
                "The engine does not answer; nothing was sent.", context=error.message
            ) from error

    async def _until_taken_just_now(self) -> None:
        """A process that stood still meanwhile may have been taken for dead: it asks again."""
        while True:
            asked_at = time.monotonic()
            await self._pulse.sent()
            if time.monotonic() - asked_at < _OURS_SECONDS:
                return

    async def _until_taken(self, *, is_ours: bool = False) -> None:
        for pause in backoff(BEAT_SECONDS, _LONGEST_PAUSE_SECONDS):
            try:
                await self._pulse.sent()
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    await asyncio.sleep(pause)
                    continue
                if is_ours:
                    raise asyncio.CancelledError from error
            except AsyncActivityCancelledError:
                pass
            # Taken; or nobody asks this attempt any more, and it finishes what it began.
            return

    def _elapsed_share(self) -> float:
        """Rises with time and never arrives: two thirds at the expected end."""
        elapsed = time.monotonic() - self._started
        return 1 - math.exp(-1.1 * elapsed / max(self._expected_seconds, 0.1))


def earlier_progress() -> Progress | None:
    """What the attempt before this one heartbeat last."""
    details = activity.info().heartbeat_details
    return Progress.model_validate(details[0]) if details else None


@asynccontextmanager
async def alive() -> AsyncIterator[None]:
    """Heartbeat every half second for as long as the block runs; a shorter one sends none."""

    async def keep_beating() -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            activity.heartbeat()

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
async def beating(
    order: RenderOrder, pause_seconds: float, earlier: Progress | None = None
) -> AsyncIterator[Beat]:
    """Heartbeat the progress of a render for as long as the block runs, from the first pause on.

    `earlier` is what came before the activity's first attempt.
    """
    progress = earlier_progress() or earlier
    beat = Beat(order, progress, pause_seconds, activity.info().started_time)
    task = asyncio.create_task(beat.keep_on())
    try:
        yield beat
    except BaseException:
        await beat.leave()
        raise
    finally:
        task.cancel()
