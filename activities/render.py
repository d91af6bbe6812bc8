"""`render` calls the provider and stores what it made; `take_up` goes on where it was left."""

from __future__ import annotations

import asyncio
import logging
from typing import Literal

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.beating import BEAT_SECONDS, Beat, beating, is_cancel_requested
from activities.failures import as_application_error
from activities.starting import tell_started
from domain.errors import (
    Cancelled,
    InternalFailure,
    JobFailure,
    OutcomeUnknown,
    StorageUnavailable,
)
from domain.jobs import Outcome
from domain.renders import Rendered, RenderOrder, TakeUpOrder
from domain.waiting import backoff
from pipeline.rendering import Renderer, attempt_of

OnUnknownOutcome = Literal["retry", "fail"]

_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0
_PATIENCE_SECONDS = 15 * 60.0
_PATIENCE_WITH_FALLBACK_SECONDS = 60.0

logger = logging.getLogger("darkroom.worker")


class RenderActivities:
    """Registered on each provider's own task queue.

    `on_unknown_outcome` says whether a paid call whose answer was never seen is tried once more,
    `heartbeat_seconds` how often the engine is told the progress.
    """

    def __init__(
        self,
        renderer: Renderer,
        on_unknown_outcome: OnUnknownOutcome,
        heartbeat_seconds: float = BEAT_SECONDS,
    ) -> None:
        self._renderer = renderer
        self._heartbeat_seconds = heartbeat_seconds
        self._repeats_unknown = on_unknown_outcome == "retry"

    @activity.defn
    async def render(self, order: RenderOrder) -> Rendered:
        """Make and store the order's pictures; raises `ApplicationError` typed by error code."""
        async with beating(order, self._heartbeat_seconds) as beat:
            await tell_started(order)
            return await self._rendered(order, beat)

    @activity.defn
    async def take_up(self, left: TakeUpOrder) -> Rendered:
        """`render` from the paid call on that the one before left under way; raises as it does.

        Of a job that was called off only that call is seen to its end, and accounted for.
        """
        async with beating(left.order, self._heartbeat_seconds, left.earlier) as beat:
            if left.is_called_off:
                await self._renderer.call_off(left.order, beat)
            return await self._rendered(left.order, beat)

    async def _rendered(self, order: RenderOrder, beat: Beat) -> Rendered:
        try:
            rendered = await self._render(order, beat)
        except JobFailure as failure:
            # Not chained: what an SDK or a transport says of a failure may show the key.
            raise self._failed(order, beat, failure) from None
        return rendered.model_copy(
            update={"attempts": beat.attempts + rendered.attempts, "started_at": beat.started_at}
        )

    async def _render(self, order: RenderOrder, beat: Beat) -> Rendered:
        """Render until done; a cancel stops it, unless what it makes may be paid by now."""
        work = asyncio.create_task(self._until_over(order, beat))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            if not await self._is_waited_for(order, beat):
                work.cancel()
            elif not is_cancel_requested():
                await _over_or_shut_down(work)
            return await work

    async def _is_waited_for(self, order: RenderOrder, beat: Beat) -> bool:
        """Whether a call that may be paid is under way, and is followed to its end here.

        At the vendor only what a cancelled job began is called off: what an attempt began that the
        engine or its worker gave up, the next one takes up.
        """
        if is_cancel_requested():
            return await self._renderer.call_off(order, beat)
        return beat.call is not None and not activity.is_worker_shutdown()

    async def _until_over(self, order: RenderOrder, beat: Beat) -> Rendered:
        """Render, again and again where a vendor is at work for us and only looking at it failed.

        The engine's retries are not for that: between two of them nobody hears of a cancel, and
        after a cancel there is none.
        """
        pauses = backoff(_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS)
        while True:
            tried_at, known = beat.now(), len(beat.attempts)
            try:
                return await self._try(order, beat)
            except JobFailure as failure:
                if len(beat.attempts) == known:
                    beat.attempts.append(attempt_of(order, tried_at, failure))
                beat.send()
                if beat.call is None or not failure.retryable:
                    raise
                pause = failure.retry_after_seconds or next(pauses)
                await asyncio.sleep(min(pause, _PATIENCE_SECONDS))

    async def _try(self, order: RenderOrder, beat: Beat) -> Rendered:
        try:
            return await self._renderer.render(order, beat)
        except JobFailure as failure:
            is_defect = isinstance(failure, InternalFailure)
            logger.warning("render failed [job=%s]: %s", order.job_id, failure, exc_info=is_defect)
            raise
        except Exception as error:
            logger.exception("render failed unexpectedly [job=%s]", order.job_id)
            raise InternalFailure(
                "The provider's adapter failed unexpectedly.", provider=order.target.provider
            ) from error

    def _failed(self, order: RenderOrder, beat: Beat, failure: JobFailure) -> ApplicationError:
        """How the attempt ends: with or without a next one, and a job called off as cancelled."""
        again = self._is_tried_again(order, beat, failure)
        if beat.is_called_off:
            # Nothing is kept; and nobody wants another provider to try.
            beat.cancel_too_late = None
            failure = Cancelled(
                "The job was cancelled.", provider=failure.provider, billed=failure.billed
            )
        return as_application_error(failure, beat.progress(), again=again)

    def _is_tried_again(self, order: RenderOrder, beat: Beat, failure: JobFailure) -> bool:
        """Whether there is a next attempt.

        An outage of the store is waited out for as long as the job may take; a provider's only for
        so long, counted from the first attempt, so that deploys and restarts do not use tries up.
        """
        if beat.is_called_off:
            return False
        if isinstance(failure, OutcomeUnknown):
            unseen = [a for a in beat.attempts if a.outcome is Outcome.UNKNOWN]
            return self._repeats_unknown and len(unseen) == 1
        if not failure.retryable or isinstance(failure, StorageUnavailable):
            return failure.retryable
        patience = _PATIENCE_WITH_FALLBACK_SECONDS if order.has_fallback else _PATIENCE_SECONDS
        waited = (beat.now() - beat.started_at).total_seconds()
        return waited + (failure.retry_after_seconds or 0.0) < patience


async def _over_or_shut_down(work: asyncio.Task[Rendered]) -> None:
    """Wait for work that the next attempt takes up too, but never longer than the worker stays.

    An activity is cancelled once: of a shutdown after that it hears by asking only.
    """
    shutdown = asyncio.create_task(activity.wait_for_worker_shutdown())
    await asyncio.wait((work, shutdown), return_when=asyncio.FIRST_COMPLETED)
    shutdown.cancel()
    work.cancel()
