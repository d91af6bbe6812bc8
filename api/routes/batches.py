"""Batches: look, approve, reject, cancel."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Body, Request, Response

from api.answers import batch_answer
from api.auth import Generating, Reading, Reviewing
from api.once import REPEATS, OnlyOnce
from api.polling import POLLED, IfNoneMatch, Wait, polled, version_in
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
    InvalidRequest,
    StorageUnavailable,
)

router = APIRouter(prefix="/batches", tags=["batches"])


@router.get(
    "/{batch_id}",
    response_model=BatchStatusAnswer,
    responses={
        **POLLED,
        **declare(BatchNotFound, InvalidRequest, EngineAway, StorageUnavailable),
    },
)
async def batch_status(
    batch_id: str,
    caller: Reading,
    to: Served,
    at: At,
    request: Request,
    wait: Wait = 0,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Where a batch and each of its images stand."""
    look = partial(to.reader.batch, batch_id, caller.tenant)
    snapshot = await to.watchman.changed(
        look, version_in(if_none_match), wait, request.is_disconnected
    )
    return polled(to.bodies.batch(snapshot, at), if_none_match)


@router.post(
    "/{batch_id}/approve",
    status_code=202,
    response_model=BatchDecisionAnswer,
    responses=declare(
        *REFUSALS, *REPEATS, BudgetExhausted, BatchNotFound, EngineAway, StorageUnavailable
    ),
)
async def approve_batch(
    batch_id: str,
    caller: Reviewing,
    to: Served,
    once: OnlyOnce,
    body: Annotated[BatchApproveBody, Body(default_factory=BatchApproveBody)],
) -> BatchDecisionAnswer:
    """Approve the drafts named, else all that await review; says what happened to each."""
    outcomes = await to.decisions.decide_batch(batch_id, body.job_ids, body, caller, once)
    return _decided(batch_id, outcomes)


@router.post(
    "/{batch_id}/reject",
    status_code=202,
    response_model=BatchDecisionAnswer,
    responses=declare(
        *REFUSALS, *REPEATS, BudgetExhausted, BatchNotFound, EngineAway, StorageUnavailable
    ),
)
async def reject_batch(
    batch_id: str,
    caller: Reviewing,
    to: Served,
    once: OnlyOnce,
    body: Annotated[BatchRejectBody, Body(default_factory=BatchRejectBody)],
) -> BatchDecisionAnswer:
    """Reject the drafts named, else all that await review; says what happened to each."""
    outcomes = await to.decisions.decide_batch(batch_id, body.job_ids, body, caller, once)
    return _decided(batch_id, outcomes)


@router.delete(
    "/{batch_id}",
    status_code=202,
    response_model=BatchStatusAnswer,
    responses=declare(BatchNotFound, AlreadyTerminal, EngineAway, StorageUnavailable),
)
async def cancel_batch(batch_id: str, caller: Generating, to: Served, at: At) -> BatchStatusAnswer:
    """Cancel what the batch has not finished; images that are made stay."""
    return batch_answer(await to.decisions.cancel_batch(batch_id, caller), at)


def _decided(batch_id: str, results: list[DecisionOutcome]) -> BatchDecisionAnswer:
    decided = sum(result.is_decided for result in results)
    return BatchDecisionAnswer(batch_id=batch_id, decided=decided, results=results)
