"""`render`: calls the provider and stores what it made."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import Literal

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.beating import Beat, beating
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
from domain.renders import Rendered, RenderOrder
from pipeline.rendering import Renderer, attempt_of

OnUnknownOutcome = Literal["retry", "fail"]

_PATIENCE_SECONDS = 15 * 60.0
_PATIENCE_WITH_FALLBACK_SECONDS = 60.0
_OUTCOMES = {Cancelled: Outcome.CANCELLED, OutcomeUnknown: Outcome.UNKNOWN}

logger = logging.getLogger("darkroom.worker")


class RenderActivities:
    """Registered on each provider's own task queue.

    `on_unknown_outcome` says whether a paid call whose answer was never seen is tried once more.
    """

    def __init__(self, renderer: Renderer, on_unknown_outcome: OnUnknownOutcome) -> None:
        self._renderer = renderer
        self._repeats_unknown = on_unknown_outcome == "retry"

    @activity.defn
    async def render(self, order: RenderOrder) -> Rendered:
        """Make and store the order's pictures; raises `ApplicationError` typed by error code."""
        async with beating(order) as beat:
            await tell_started(order)
            tried_at = datetime.now(UTC)
            try:
                rendered = await self._render(order, beat)
            except JobFailure as failure:
                logger.warning("render failed [job=%s]: %s", order.job_id, failure)
                raise self._failed(order, beat, tried_at, failure) from failure
            except Exception as error:
                logger.exception("render failed unexpectedly [job=%s]", order.job_id)
                defect = InternalFailure(
                    "the provider's adapter failed unexpectedly", provider=order.target.provider
                )
                raise self._failed(order, beat, tried_at, defect) from error
        return rendered.model_copy(
            update={"attempts": beat.attempts + rendered.attempts, "started_at": beat.started_at}
        )

    async def _render(self, order: RenderOrder, beat: Beat) -> Rendered:
        """Render until done; a cancel stops it, unless what it makes may be paid by now."""
        work = asyncio.create_task(self._renderer.render(order, beat))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            if activity.is_worker_shutdown() or not await self._renderer.call_off(order, beat):
                work.cancel()
            return await work

    def _failed(
        self, order: RenderOrder, beat: Beat, tried_at: datetime, failure: JobFailure
    ) -> ApplicationError:
        """Record the attempt where the next one finds it, and decide whether there is a next."""
        again = self._is_tried_again(order, beat, failure)
        outcome = _OUTCOMES.get(type(failure), Outcome.FAILED)
        beat.attempts.append(attempt_of(order, tried_at, outcome, failure))
        beat.send()
        return as_application_error(failure, beat.progress(), again=again)

    def _is_tried_again(self, order: RenderOrder, beat: Beat, failure: JobFailure) -> bool:
        """Whether there is a next attempt.

        An outage of the store, or of a vendor that is at work for us already, is waited out for as
        long as the job may take; another one's only for so long, counted from the first attempt,
        so that deploys and restarts do not use tries up.
        """
        if isinstance(failure, OutcomeUnknown):
            unseen = [a for a in beat.attempts if a.outcome is Outcome.UNKNOWN]
            return self._repeats_unknown and not unseen
        if not failure.retryable or beat.is_called_off:
            return False
        if isinstance(failure, StorageUnavailable) or beat.call is not None:
            return True
        patience = _PATIENCE_WITH_FALLBACK_SECONDS if order.has_fallback else _PATIENCE_SECONDS
        return (datetime.now(UTC) - beat.started_at).total_seconds() < patience
