"""Reads our error tree back out of Temporal's failures."""

from __future__ import annotations

from typing import Any

from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.exceptions import TimeoutError as TemporalTimeoutError

from domain.errors import DarkroomError, DeadlineExceeded, InternalFailure, JobFailure, codes
from domain.jobs import JobError, Progress

_CODES = codes(DarkroomError)


def problem_of(failure: BaseException) -> JobError:
    """Why an activity failed, in our terms."""
    if isinstance(failure, JobFailure):
        return JobError.of(failure)
    cause = failure.cause if isinstance(failure, ActivityError) else failure
    if isinstance(cause, ApplicationError):
        if cause.details and isinstance(cause.details[0], dict):
            return JobError.model_validate(cause.details[0])
        if cause.type in _CODES:
            return JobError(code=cause.type, message=cause.message)
    if isinstance(cause, TemporalTimeoutError):
        return JobError.of(DeadlineExceeded("The job ran out of time."))
    return JobError.of(InternalFailure("The job failed unexpectedly."))


def is_timeout(failure: BaseException) -> bool:
    """Whether the engine gave an activity up, whose worker may never have heard of it."""
    return isinstance(failure, ActivityError) and isinstance(failure.cause, TemporalTimeoutError)


def progress_of(failure: BaseException) -> Progress | None:
    """How far a failed `render` had come, by its details or its last heartbeat."""
    cause = failure.cause if isinstance(failure, ActivityError) else None
    found: Any = None
    if isinstance(cause, ApplicationError) and len(cause.details) > 1:
        found = cause.details[1]
    if isinstance(cause, TemporalTimeoutError) and cause.last_heartbeat_details:
        found = cause.last_heartbeat_details[0]
    return Progress.model_validate(found) if found else None
