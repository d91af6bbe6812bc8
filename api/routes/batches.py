"""Batches: look, approve, reject, cancel."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body

from api.answers import batch_answer
from api.problems import declare
from api.routes.images import REFUSALS
from api.schemas import (
    BatchApproveBody,
    BatchDecisionAnswer,
    BatchRejectBody,
    BatchStatusAnswer,
    DecisionOutcome,
)
from api.services import At, Served
from domain.errors import (
    AlreadyTerminal,
    BatchNotFound,
    BudgetExhausted,
    EngineAway,
    StorageUnavailable,
)

router = APIRouter(prefix="/batches", tags=["batches"])


@router.get(
    "/{batch_id}",
    response_model=BatchStatusAnswer,
    responses=declare(BatchNotFound, EngineAway, StorageUnavailable),
)
async def batch_status(batch_id: str, to: Served, at: At) -> BatchStatusAnswer:
    """Where a batch and each of its images stand."""
    return batch_answer(await to.reader.batch(batch_id), at)


@router.post(
    "/{batch_id}/approve",
    status_code=202,
    response_model=BatchDecisionAnswer,
    responses=declare(*REFUSALS, BudgetExhausted, BatchNotFound, EngineAway, StorageUnavailable),
)
async def approve_batch(
    batch_id: str,
    to: Served,
    body: Annotated[BatchApproveBody, Body(default_factory=BatchApproveBody)],
) -> BatchDecisionAnswer:
    """Approve the drafts named, else all that await review; says what happened to each."""
    return _decided(batch_id, await to.decisions.decide_batch(batch_id, body.job_ids, body))


@router.post(
    "/{batch_id}/reject",
    status_code=202,
    response_model=BatchDecisionAnswer,
    responses=declare(*REFUSALS, BudgetExhausted, BatchNotFound, EngineAway, StorageUnavailable),
)
async def reject_batch(
    batch_id: str,
    to: Served,
    body: Annotated[BatchRejectBody, Body(default_factory=BatchRejectBody)],
) -> BatchDecisionAnswer:
    """Reject the drafts named, else all that await review; says what happened to each."""
    return _decided(batch_id, await to.decisions.decide_batch(batch_id, body.job_ids, body))


@router.delete(
    "/{batch_id}",
    status_code=202,
    response_model=BatchStatusAnswer,
    responses=declare(BatchNotFound, AlreadyTerminal, EngineAway, StorageUnavailable),
)
async def cancel_batch(batch_id: str, to: Served, at: At) -> BatchStatusAnswer:
    """Cancel what the batch has not finished; images that are made stay."""
    return batch_answer(await to.decisions.cancel_batch(batch_id), at)


def _decided(batch_id: str, results: list[DecisionOutcome]) -> BatchDecisionAnswer:
    decided = sum(result.outcome in ("approved", "rejected") for result in results)
    return BatchDecisionAnswer(batch_id=batch_id, decided=decided, results=results)
