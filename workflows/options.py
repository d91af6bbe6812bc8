"""How a workflow is started: the same from the API, a batch, or a draft that was approved."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, TypedDict

from temporalio.common import (
    Priority,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDReusePolicy,
)

from domain import names
from domain.batches import BatchRequest
from domain.jobs import JobRequest
from domain.once import Held

MEMO_CARD = names.MEMO_CARD
_SUMMARY_CHARACTERS = 80


class Urgency(IntEnum):
    """Temporal priority keys: interactive before finals before bulk."""

    INTERACTIVE = 2
    FINAL = 3
    BULK = 4


class StartOptions(TypedDict):
    """What `Client.start_workflow` and `workflow.start_child_workflow` both take."""

    task_queue: str
    id_reuse_policy: WorkflowIDReusePolicy
    memo: dict[str, Any]
    search_attributes: TypedSearchAttributes
    static_summary: str
    priority: Priority


def job_options(request: JobRequest) -> StartOptions:
    """Options for `ImageJobWorkflow`; the workflow id is the job id."""
    spec = request.spec
    optional = [
        (names.BLOG_ID, request.blog_id),
        (names.BLOG_JOB_ID, request.blog_job_id),
        (names.BATCH_ID, request.batch_id),
    ]
    tags = [SearchAttributePair(names.TAGS, request.tags)] if request.tags else []
    return StartOptions(
        task_queue=names.TASK_QUEUE,
        id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        memo={MEMO_CARD: request.card()},
        search_attributes=TypedSearchAttributes(
            [
                SearchAttributePair(names.TENANT, request.tenant),
                SearchAttributePair(names.PROVIDER, request.targets[0].provider),
                SearchAttributePair(names.RECIPE, request.recipe),
                *(SearchAttributePair(key, value) for key, value in optional if value),
                *tags,
            ]
        ),
        static_summary=f"{request.operation or spec.quality}: {_shortened(spec.prompt)}",
        priority=Priority(priority_key=_urgency(request), fairness_key=request.tenant),
    )


def batch_options(request: BatchRequest) -> StartOptions:
    """Options for `ImageBatchWorkflow`; the workflow id is the batch id."""
    optional = [(names.BLOG_ID, request.blog_id), (names.BLOG_JOB_ID, request.blog_job_id)]
    return StartOptions(
        task_queue=names.TASK_QUEUE,
        id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        memo={MEMO_CARD: request},
        search_attributes=TypedSearchAttributes(
            [
                SearchAttributePair(names.TENANT, request.tenant),
                *(SearchAttributePair(key, value) for key, value in optional if value),
            ]
        ),
        static_summary=f"{request.total_images} images, {request.flow}",
        priority=Priority(priority_key=Urgency.BULK, fairness_key=request.tenant),
    )


def claim_options(held: Held, tenant: str) -> StartOptions:
    """Options for `ClaimWorkflow`; lists that filter by tenant do not show it."""
    return StartOptions(
        task_queue=names.TASK_QUEUE,
        id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        memo={MEMO_CARD: held},
        search_attributes=TypedSearchAttributes([]),
        static_summary="an Idempotency-Key that was used",
        priority=Priority(priority_key=Urgency.INTERACTIVE, fairness_key=tenant),
    )


def _urgency(request: JobRequest) -> Urgency:
    if request.draft_job_id is not None:
        return Urgency.FINAL
    if request.batch_id is not None and request.revision_of is None:
        return Urgency.BULK
    return Urgency.INTERACTIVE


def _shortened(text: str) -> str:
    if len(text) <= _SUMMARY_CHARACTERS:
        return text
    return text[: _SUMMARY_CHARACTERS - 1] + "…"
