"""`render`: calls the provider and stores what it made."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.beating import Beat, beating
from activities.failures import as_application_error
from domain.errors import InternalFailure, JobFailure, StorageUnavailable
from domain.jobs import Outcome
from domain.renders import Rendered, RenderOrder
from pipeline.rendering import Renderer, attempt_of

_PATIENCE_SECONDS = 15 * 60.0
_PATIENCE_WITH_FALLBACK_SECONDS = 60.0

logger = logging.getLogger("darkroom.worker")


class RenderActivities:
    """Registered on each provider's own task queue."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    @activity.defn
    async def render(self, order: RenderOrder) -> Rendered:
        """Make and store the order's pictures; raises `ApplicationError` typed by error code."""
        async with beating(order) as beat:
            tried_at = datetime.now(UTC)
            try:
                rendered = await self._renderer.render(order, beat.report)
            except JobFailure as failure:
                logger.warning("render failed [job=%s]: %s", order.job_id, failure)
                raise _failed(order, beat, tried_at, failure) from failure
            except Exception as error:
                logger.exception("render failed unexpectedly [job=%s]", order.job_id)
                defect = InternalFailure(
                    "the provider's adapter failed unexpectedly", provider=order.target.provider
                )
                raise _failed(order, beat, tried_at, defect) from error
        return rendered.model_copy(
            update={"attempts": beat.attempts + rendered.attempts, "started_at": beat.started_at}
        )


def _failed(
    order: RenderOrder, beat: Beat, tried_at: datetime, failure: JobFailure
) -> ApplicationError:
    """Record the attempt where the next one finds it, and decide whether there is a next one.

    An outage of the store is waited out for as long as the job may take; a provider's only for so
    long, counted from the first attempt, so that deploys and restarts do not use tries up.
    """
    beat.attempts.append(attempt_of(order, tried_at, Outcome.FAILED, failure))
    beat.send()
    patience = _PATIENCE_WITH_FALLBACK_SECONDS if order.has_fallback else _PATIENCE_SECONDS
    waited = (datetime.now(UTC) - beat.started_at).total_seconds()
    patient = isinstance(failure, StorageUnavailable) or waited < patience
    return as_application_error(failure, beat.progress(), retryable=patient)
