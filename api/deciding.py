"""Approvals, rejections and cancellations: checked against the truth, then signalled durably."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pydantic import TypeAdapter

from api.auth import Caller
from api.budgets import BudgetDesk
from api.claims import Claims
from api.engine_room import EngineRoom, NotKnown
from api.once import Repeatable
from api.reading import Reader
from api.schemas import Decided, DecisionOutcome
from api.snapshots import BatchSnapshot, JobSnapshot
from domain.batches import BatchApproval, BatchRejection
from domain.errors import (
    AlreadyTerminal,
    EngineAway,
    InvalidRequest,
    JobNotFound,
    NotReviewable,
    StorageUnavailable,
)
from domain.ids import batch_item, final_id, item_id, new_asset_token, revision_id
from domain.jobs import JobRequest, JobStatus
from domain.renders import SuccessorOrder
from domain.reviews import Approval, Decision, FinalChoices, Rejection, ReviewState, Revision
from pipeline.planning import Planner
from storage.archive import Archive

_CANCEL_SECONDS = 2.0
_OUTCOMES = TypeAdapter(list[DecisionOutcome])


class Decisions:
    """What editors decide of drafts, and what callers cancel."""

    def __init__(
        self,
        engine: EngineRoom,
        reader: Reader,
        archive: Archive,
        planner: Planner,
        budgets: BudgetDesk,
        claims: Claims,
    ) -> None:
        self._engine = engine
        self._reader = reader
        self._archive = archive
        self._planner = planner
        self._budgets = budgets
        self._claims = claims

    async def approve(
        self, job_id: str, approval: Approval, caller: Caller, once: Repeatable | None = None
    ) -> str:
        """Approve a draft; returns the final's id, the same for every approval of it.

        Raises `NotReviewable`, `JobNotFound`, `EngineAway`, `BudgetExhausted`, and the planner's
        refusals.
        """
        await self._claims.kept(once, caller.tenant)
        snapshot = await self._reader.draft(job_id, caller.tenant)
        is_approved = _is_approved(snapshot)
        if not is_approved:
            _check_reviewable(snapshot)
            await self._check_plans([job_id], approval)
        await self._claims.keep(once, caller.tenant)
        if not is_approved:
            await self._decide(job_id, approval, caller, _is_approved)
        return final_id(job_id)

    async def reject(
        self, job_id: str, rejection: Rejection, caller: Caller, once: Repeatable | None = None
    ) -> str | None:
        """Reject a draft; returns the next round's id where there is one. Raises as `approve`."""
        next_round = revision_id(job_id) if rejection.revise else None

        def is_so(snapshot: JobSnapshot) -> bool:
            return (
                _state_of_review(snapshot) is ReviewState.REJECTED
                and snapshot.state.revision_job_id == next_round
            )

        await self._claims.kept(once, caller.tenant)
        snapshot = await self._reader.draft(job_id, caller.tenant)
        is_rejected = is_so(snapshot)
        if not is_rejected:
            _check_reviewable(snapshot)
            if rejection.revise:
                await self._check_plans([job_id], rejection)
        await self._claims.keep(once, caller.tenant)
        if not is_rejected:
            await self._decide(job_id, rejection, caller, is_so)
        return next_round

    async def decide_batch(
        self,
        batch_id: str,
        job_ids: list[str] | None,
        decision: Decision,
        caller: Caller,
        once: Repeatable | None = None,
    ) -> list[DecisionOutcome]:
        """Decide all drafts that await review, or those named; says what happened to each."""
        batch = await self._reader.batch(batch_id, caller.tenant, fresh=True)
        kept = await self._claims.kept(once, caller.tenant)
        if kept is None:
            outcomes = await self._outcomes(batch, job_ids, decision)
            told = await self._claims.keep(once, caller.tenant, _OUTCOMES.dump_python(outcomes))
        else:
            told = kept.answer
        outcomes = _OUTCOMES.validate_python(told)
        decided = [outcome.job_id for outcome in outcomes if outcome.is_decided]
        left = [job_id for job_id in decided if _outcome(batch, job_id, decision).is_decided]
        if left:
            await self._signal_batch(batch, left, _signed(decision, caller))
        return outcomes

    async def _outcomes(
        self, batch: BatchSnapshot, job_ids: list[str] | None, decision: Decision
    ) -> list[DecisionOutcome]:
        chosen = job_ids if job_ids is not None else _awaiting(batch)
        outcomes = [_outcome(batch, job_id, decision) for job_id in chosen]
        if isinstance(decision, Approval):
            is_wish = bool(decision.final or decision.image_index or self._budgets.is_open)
        else:
            is_wish = decision.revise is not None
        if is_wish:
            await self._check_plans([o.job_id for o in outcomes if o.is_decided], decision)
        return outcomes

    async def cancel(
        self, job_id: str, caller: Caller, once: Repeatable | None = None
    ) -> JobSnapshot:
        """Cancel a job that has not ended; raises `AlreadyTerminal`, `JobNotFound`."""
        snapshot = await self._reader.job(job_id, caller.tenant, fresh=True)
        # Asked after the look: whoever ended it with this key had claimed the key before.
        kept = await self._claims.kept(once, caller.tenant)
        if snapshot.state.status.is_terminal:
            if kept is not None:
                return snapshot
            raise AlreadyTerminal(f"The job '{job_id}' has ended: {snapshot.state.status}.")
        await self._claims.keep(once, caller.tenant)
        try:
            if snapshot.state.status is JobStatus.PENDING:
                place = batch_item(job_id)
                await self._engine.signal(place[0] if place else job_id, "withdraw", job_id)
            else:
                await self._engine.cancel(job_id, caller.key_name)
        except NotKnown as error:
            raise JobNotFound(f"There is no job '{job_id}' any more.") from error
        return await self._reader.finished_job(job_id, caller.tenant, _CANCEL_SECONDS)

    async def cancel_batch(self, batch_id: str, caller: Caller) -> BatchSnapshot:
        """Cancel what a batch has not finished; raises `AlreadyTerminal`, `BatchNotFound`."""
        batch = await self._reader.batch(batch_id, caller.tenant, fresh=True)
        if batch.is_final:
            raise AlreadyTerminal(f"The batch '{batch_id}' has ended: {batch.state.status}.")
        try:
            await self._engine.cancel(batch_id, caller.key_name)
        except NotKnown:
            return await self._reader.batch(batch_id, caller.tenant, fresh=True)
        return await self._reader.batch(batch_id, caller.tenant, fresh=True)

    async def _check_plans(self, job_ids: list[str], decision: Decision) -> None:
        """Refuse now what the workflows or the budgets would refuse."""
        planned = await asyncio.gather(*(self._plan(job_id, decision) for job_id in job_ids))
        await self._budgets.admit([request for request in planned if request is not None])

    async def _plan(self, job_id: str, decision: Decision) -> JobRequest | None:
        """What the workflow will plan, where the record is at hand."""
        try:
            record = await self._archive.read_job(job_id)
        except StorageUnavailable:
            return None
        if record is None or record.state.result is None:
            return None
        index = decision.image_index if isinstance(decision, Approval) else None
        draft = SuccessorOrder(
            job_id=job_id,
            asset_token=new_asset_token(),
            seed=record.request.spec.seed,
            request=record.request,
            provider=record.state.result.provider,
            model=record.state.result.model,
            drawn_seed=record.state.result.drawn_seed(index or 0),
            image_index=index,
        )
        if isinstance(decision, Rejection):
            return self._planner.revision(draft, decision.revise or Revision())
        return self._planner.final(draft, decision.final or FinalChoices())

    async def _decide(
        self,
        job_id: str,
        decision: Decision,
        caller: Caller,
        is_so: Callable[[JobSnapshot], bool],
    ) -> None:
        """Signal a decision, and see that no other came first where a worker can already tell."""
        try:
            await self._engine.signal(job_id, _verb(decision), _signed(decision, caller))
        except NotKnown:
            snapshot = await self._reader.draft(job_id, caller.tenant)
            if not is_so(snapshot):
                raise _not_reviewable(snapshot) from None
            return
        try:
            snapshot = await self._reader.draft(job_id, caller.tenant)
        except EngineAway:
            return
        review = snapshot.state.review
        if review is not None and review.problem:
            raise InvalidRequest(review.problem)
        if not is_so(snapshot) and not snapshot.state.awaits_review:
            raise _not_reviewable(snapshot)

    async def _signal_batch(
        self, batch: BatchSnapshot, job_ids: list[str], decision: Decision
    ) -> None:
        said = decision.model_dump(exclude={"job_ids"})
        signal = (
            BatchApproval(**said, job_ids=job_ids)
            if isinstance(decision, Approval)
            else BatchRejection(**said, job_ids=job_ids)
        )
        try:
            await self._engine.signal(batch.batch_id, _verb(decision), signal)
        except NotKnown:
            for job_id in job_ids:
                await self._engine.signal(job_id, _verb(decision), decision)


def _signed(decision: Decision, caller: Caller) -> Decision:
    return decision.model_copy(update={"decided_by": caller.key_name})


def _verb(decision: Decision) -> str:
    return "approve" if isinstance(decision, Approval) else "reject"


def _is_approved(snapshot: JobSnapshot) -> bool:
    return _state_of_review(snapshot) is ReviewState.APPROVED


def _state_of_review(snapshot: JobSnapshot) -> ReviewState | None:
    return snapshot.state.review.state if snapshot.state.review else None


def _check_reviewable(snapshot: JobSnapshot) -> None:
    if not snapshot.state.awaits_review:
        raise _not_reviewable(snapshot)


def _not_reviewable(snapshot: JobSnapshot) -> NotReviewable:
    review = _state_of_review(snapshot)
    if not snapshot.card.is_draft:
        reason = "it is not a draft"
    elif review is not None:
        gone = ", and its images are gone" if snapshot.state.gone_at else ""
        reason = f"its review is {review}{gone}"
    else:
        reason = f"it is {snapshot.state.status}"
    return NotReviewable(f"The job '{snapshot.job_id}' does not await review: {reason}.")


def _awaiting(batch: BatchSnapshot) -> list[str]:
    return [
        item.job_id or item_id(batch.batch_id, index)
        for index, item in enumerate(batch.state.items)
        if item.review is ReviewState.AWAITING
    ]


def _outcome(batch: BatchSnapshot, job_id: str, decision: Decision) -> DecisionOutcome:
    place = batch_item(job_id)
    items = batch.state.items
    if place is None or place[0] != batch.batch_id or place[1] >= len(items):
        return _plain_outcome(job_id, Decided.NOT_FOUND, "no image of this batch")
    item = items[place[1]]
    current = item.job_id or item_id(*place)
    if job_id != current or item.review is not ReviewState.AWAITING:
        state = item.review or item.status if job_id == current else "replaced by a later round"
        return _plain_outcome(job_id, Decided.NOT_REVIEWABLE, f"it is {state}")
    if isinstance(decision, Approval):
        return DecisionOutcome(
            job_id=job_id,
            outcome=Decided.APPROVED,
            detail=None,
            final_job_id=final_id(job_id),
            revision_job_id=None,
        )
    return DecisionOutcome(
        job_id=job_id,
        outcome=Decided.REJECTED,
        detail=None,
        final_job_id=None,
        revision_job_id=revision_id(job_id) if decision.revise else None,
    )


def _plain_outcome(job_id: str, outcome: Decided, detail: str) -> DecisionOutcome:
    return DecisionOutcome(
        job_id=job_id, outcome=outcome, detail=detail, final_job_id=None, revision_job_id=None
    )
