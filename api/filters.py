"""From what callers filter jobs by to the engine's list filter, and what it cannot say exactly.

The engine takes no parameters, and embedded SQLite does not read back every escape that the
engine's parser writes. So only plain characters are ever put into a filter: a value with others is
asked for by its plain beginning, and compared when its job is at hand.
"""

from __future__ import annotations

import re
from datetime import datetime

from temporalio.common import SearchAttributeKey

from api.pages import JobQuery
from api.snapshots import JobSnapshot
from domain import names
from domain.jobs import JobStatus
from domain.reviews import ReviewState
from workflows.image_job import ImageJobWorkflow

_PLAIN = re.compile(r"[^\x00-\x1f\x7f'\"\\♡]*")
"""SQLite's index of lists joins their items with a heart."""
_RUNNING = "ExecutionStatus = 'Running'"
CLOSED = "ExecutionStatus != 'Running'"
_UNTOLD = f"{names.STATUS.name} IS NULL"

_BY_STATUS = {
    JobStatus.QUEUED: f"{_UNTOLD} AND {_RUNNING}",
    JobStatus.PROCESSING: f"{_UNTOLD} AND {_RUNNING}",
    JobStatus.COMPLETED: f"{names.STATUS.name} = '{JobStatus.COMPLETED}'",
    # Somebody stopped it in the engine before it could say how it ended.
    JobStatus.FAILED: f"({names.STATUS.name} = '{JobStatus.FAILED}' OR ({_UNTOLD} AND {CLOSED}))",
}
_AWAITING = f"{names.REVIEW.name} = '{ReviewState.AWAITING}'"
_BY_REVIEW = {
    ReviewState.AWAITING: f"{_AWAITING} AND {_RUNNING}",
    ReviewState.EXPIRED: (
        f"({names.REVIEW.name} = '{ReviewState.EXPIRED}' OR ({_AWAITING} AND {CLOSED}))"
    ),
}


def listing_filter(query: JobQuery, tenant: str) -> str:
    """The engine's list filter: it finds all jobs that are asked for, and possibly others."""
    parts = [f"WorkflowType = '{ImageJobWorkflow.__name__}'", _equals(names.TENANT, tenant)]
    wanted = {
        names.BLOG_ID: query.blog_id,
        names.BLOG_JOB_ID: query.blog_job_id,
        names.BATCH_ID: query.batch_id,
        names.PROVIDER: query.provider,
    }
    parts += [_equals(key, value) for key, value in wanted.items() if value is not None]
    if query.tag is not None:
        parts.append(_has_tag(query.tag))
    if query.status is not None:
        parts.append(_BY_STATUS[query.status])
    if query.review is not None:
        parts.append(_BY_REVIEW.get(query.review) or f"{names.REVIEW.name} = '{query.review}'")
    return " AND ".join([*parts, *started_between(query.created_after, query.created_before)])


def started_between(first: datetime | None, end: datetime | None) -> list[str]:
    """The parts of a filter that ask for a span of start times, its end not included."""
    after = [f"StartTime >= '{first.isoformat()}'"] if first is not None else []
    return after + ([f"StartTime < '{end.isoformat()}'"] if end is not None else [])


def is_asked_for(job: JobSnapshot, query: JobQuery, tenant: str) -> bool:
    """Whether a job that the engine found is one of those that were asked for."""
    card, state = job.card, job.state
    return (
        card.tenant == tenant
        and query.status in (None, state.status)
        and query.review in (None, state.review.state if state.review else None)
        and query.blog_id in (None, card.blog_id)
        and query.blog_job_id in (None, card.blog_job_id)
        and query.batch_id in (None, card.batch_id)
        and query.provider in (None, card.asked_provider)
        and (query.tag is None or query.tag in (card.tags or []))
    )


def _equals(key: SearchAttributeKey[str], value: str) -> str:
    plain = _plain_beginning(value)
    if plain == value:
        return f"{key.name} = '{value}'"
    return f"{key.name} STARTS_WITH '{plain}'" if plain else f"{key.name} IS NOT NULL"


def _has_tag(tag: str) -> str:
    """SQLite takes `A` and `a` for the same here."""
    if _plain_beginning(tag) == tag:
        return f"{names.TAGS.name} = '{tag}'"
    return f"{names.TAGS.name} IS NOT NULL"


def _plain_beginning(value: str) -> str:
    found = _PLAIN.match(value)
    return found.group() if found else ""
