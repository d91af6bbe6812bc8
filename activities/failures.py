"""Our errors as Temporal failures, and back: the error decides whether to retry."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.service import RPCError

from domain.errors import InternalFailure, JobFailure, Refusal
from domain.jobs import JobError, Progress

logger = logging.getLogger("darkroom.worker")


def as_application_error(
    failure: JobFailure, progress: Progress | None = None, *, again: bool | None = None
) -> ApplicationError:
    """A failure for Temporal; its details are a `JobError` and how far `render` had come.

    `again` says whether the activity is tried again, where that is not for the error to decide.
    """
    again = failure.retryable if again is None else again
    delay = failure.retry_after_seconds
    return ApplicationError(
        failure.message,
        JobError.of(failure),
        progress,
        type=failure.code,
        non_retryable=not again,
        next_retry_delay=timedelta(seconds=delay) if again and delay else None,
        category=(
            ApplicationErrorCategory.BENIGN if again else ApplicationErrorCategory.UNSPECIFIED
        ),
    )


@contextmanager
def translated() -> Iterator[None]:
    """Raise our errors as Temporal failures; a refusal or a defect is never retried."""
    try:
        yield
    except ApplicationError:
        raise
    except JobFailure as failure:
        logger.warning("%s", failure)
        raise as_application_error(failure) from failure
    except Refusal as refusal:
        raise ApplicationError(refusal.message, type=refusal.code, non_retryable=True) from refusal
    except (RPCError, OSError, MemoryError):
        raise
    except Exception as defect:
        logger.exception("an activity failed unexpectedly")
        raise as_application_error(InternalFailure("Something went wrong on our side.")) from defect
