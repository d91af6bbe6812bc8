"""Reads jobs and batches: one look at the engine serves all who ask within an interval.

A client that polls no faster than the interval never sees progress go down, even when its polls
reach different API processes: each answer is older than its request by less than the interval.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Generic, Protocol, TypeVar

from temporalio.client import WorkflowExecutionDescription, WorkflowExecutionStatus

from api.engine_room import EngineRoom, NoAnswer, NotKnown
from api.keeping import Keeping
from api.snapshots import (
    BatchSnapshot,
    JobSnapshot,
    state_from_attributes,
    state_from_description,
    stopped_state,
)
from domain.batches import BatchItem, BatchRequest, BatchState
from domain.errors import (
    BatchNotFound,
    Cancelled,
    EngineAway,
    JobNotFound,
    StorageUnavailable,
)
from domain.ids import (
    BATCH_ID_PATTERN,
    JOB_ID_PATTERN,
    batch_item,
    final_id,
    item_id,
    predecessor,
    retry_id,
    revision_id,
)
from domain.jobs import JobCard, JobError, JobRecord, JobState, JobStatus, Stage
from domain.reviews import ReviewState
from storage.archive import Archive
from workflows.options import MEMO_CARD


class _Snapshot(Protocol):
    @property
    def is_final(self) -> bool: ...
    @property
    def may_go(self) -> bool: ...


S = TypeVar("S", bound=_Snapshot)

_KEPT = 2_000
"""More jobs than one process can look at in an interval; with its answer each takes 14 KB."""
_MANIFESTS_KEPT = 50
_JOB_ID = re.compile(JOB_ID_PATTERN)
_BATCH_ID = re.compile(BATCH_ID_PATTERN)
_RUNNING = WorkflowExecutionStatus.RUNNING


@dataclass
class _Kept(Generic[S]):
    snapshot: S
    taken_at: float


class _Looks(Generic[S]):
    """Shares looks: one in flight for each id, kept for an interval.

    What is final is kept for good, or for longer where its images may be given up one day.
    """

    def __init__(
        self, look: Callable[[str], Awaitable[S]], interval_seconds: float, settled_seconds: float
    ) -> None:
        self._look = look
        self._interval = interval_seconds
        self._settled = settled_seconds
        self._kept: OrderedDict[str, _Kept[S]] = OrderedDict()
        self._flying: dict[str, asyncio.Task[S]] = {}

    def last(self, key: str) -> S | None:
        """The latest snapshot, however old."""
        kept = self._kept.get(key)
        return kept.snapshot if kept else None

    async def get(self, key: str) -> S:
        kept = self._kept.get(key)
        if kept and self._now() - kept.taken_at < self._seconds(kept.snapshot):
            self._kept.move_to_end(key)
            return kept.snapshot
        return await self.fresh(key, join=True)

    def _seconds(self, snapshot: S) -> float:
        if not snapshot.is_final:
            return self._interval
        return self._settled if snapshot.may_go else math.inf

    async def fresh(self, key: str, *, join: bool = False) -> S:
        """Look now; with `join` a look that is under way will do."""
        task = self._flying.get(key) if join else None
        if task is None:
            task = asyncio.create_task(self._take(key))
            self._flying[key] = task
            task.add_done_callback(lambda done: self._landed(key, done))
        return await asyncio.shield(task)

    async def _take(self, key: str) -> S:
        asked_at = self._now()
        snapshot = await self._look(key)
        self._kept[key] = _Kept(snapshot, asked_at)
        self._kept.move_to_end(key)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return snapshot

    def _landed(self, key: str, task: asyncio.Task[S]) -> None:
        if self._flying.get(key) is task:
            del self._flying[key]
        if not task.cancelled():
            task.exception()

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


class Reader:
    """Answers where a job or a batch stands, from the engine first and the archive else."""

    def __init__(
        self, engine: EngineRoom, archive: Archive, keeping: Keeping, interval_seconds: float
    ) -> None:
        self._engine = engine
        self._archive = archive
        self._keeping = keeping
        self.interval_seconds = interval_seconds
        times = interval_seconds, keeping.settled_seconds
        self._jobs: _Looks[JobSnapshot] = _Looks(self._look_at_job, *times)
        self._answers: OrderedDict[str, tuple[tuple[str, int], JobState]] = OrderedDict()
        self._manifests: OrderedDict[str, list[JobCard]] = OrderedDict()
        self._batches: _Looks[BatchSnapshot] = _Looks(self._look_at_batch, *times)

    async def job(self, job_id: str, tenant: str, *, fresh: bool = False) -> JobSnapshot:
        """A job's snapshot; raises `JobNotFound`, also for another tenant's, and `EngineAway`."""
        return _of(await self._job(job_id, fresh=fresh), tenant)

    async def draft(self, job_id: str, tenant: str) -> JobSnapshot:
        """A job's snapshot to decide by, of this moment; raises as `job`."""
        return _of(await self._draft(job_id), tenant)

    async def batch(self, batch_id: str, tenant: str, *, fresh: bool = False) -> BatchSnapshot:
        """A batch's snapshot; raises `BatchNotFound`, also for another tenant's, `EngineAway`."""
        snapshot = await self._batch(batch_id, fresh=fresh)
        if snapshot.request.tenant != tenant:
            raise _no_batch(batch_id)
        return snapshot

    async def finished_job(self, job_id: str, tenant: str, timeout_seconds: float) -> JobSnapshot:
        """The job's snapshot once its status is terminal, or as it is when the time is up."""
        deadline = asyncio.get_running_loop().time() + timeout_seconds
        while True:
            snapshot = await self.job(job_id, tenant)
            left = deadline - asyncio.get_running_loop().time()
            if snapshot.state.status.is_terminal or left <= 0:
                return snapshot
            await asyncio.sleep(min(self.interval_seconds, left))

    async def _job(self, job_id: str, *, fresh: bool = False) -> JobSnapshot:
        """Anybody's job, for what one look needs to know of another."""
        if not _JOB_ID.match(job_id):
            raise _no_job(job_id)
        return await (self._jobs.fresh(job_id) if fresh else self._jobs.get(job_id))

    async def _draft(self, job_id: str) -> JobSnapshot:
        """Where a job stands now, by its record where that is ahead.

        A worker writes the record before it tells the engine, and may die in between; a poller can
        have been answered from it already. Where neither a worker nor the store answers, the engine
        still knows what followed from a rejection: it is begun before that is told.
        """
        snapshot = await self._job(job_id, fresh=True)
        state = snapshot.state
        if state.stage is Stage.UPLOADING:
            record = await self._archived_job(job_id)
            state = record.state if record is not None else state
        elif state.result is None and state.review and state.review.state is ReviewState.REJECTED:
            state = state.model_copy(update={"revision_job_id": await self._next_round(job_id)})
        return replace(snapshot, state=state)

    async def _next_round(self, job_id: str) -> str | None:
        """What followed from a rejection, where anything did; raises `EngineAway`."""
        again = revision_id(job_id)
        try:
            await self._engine.describe(again)
        except NotKnown:
            return None
        return again

    async def _batch(self, batch_id: str, *, fresh: bool = False) -> BatchSnapshot:
        """Anybody's batch, for what one look needs to know of another."""
        if not _BATCH_ID.match(batch_id):
            raise _no_batch(batch_id)
        return await (self._batches.fresh(batch_id) if fresh else self._batches.get(batch_id))

    async def glance(self, job_id: str) -> JobState:
        """Where a job stands by one `describe` alone; raises `NotKnown`, `EngineAway`."""
        description = await self._engine.describe(job_id)
        state = state_from_attributes(description) or await state_from_description(description)
        return self._not_less(job_id, state)

    async def _look_at_job(self, job_id: str) -> JobSnapshot:
        unstarted = await self._unstarted(job_id)
        if unstarted is not None:
            return unstarted
        try:
            description = await self._engine.describe_job(job_id)
        except NotKnown:
            return await self._unknown_job(job_id)
        except EngineAway:
            last = self._jobs.last(job_id)
            if last is not None:
                return last
            record = await self._archived_job(job_id)
            if record is None:
                raise
            return snapshot_of_record(record, is_final=False)
        card: JobCard = await description.memo_value(MEMO_CARD, type_hint=JobCard)
        if description.status is _RUNNING:
            state = await self._running(job_id, description)
            return JobSnapshot(job_id, card, self._not_less(job_id, state), is_final=False)
        self._answers.pop(job_id, None)
        state = await self._closed(job_id, description)
        ended = JobSnapshot(job_id, card, self._not_less(job_id, state), is_final=True)
        return await self._with_retry(await self._keeping.of_job(ended))

    async def _running(self, job_id: str, description: WorkflowExecutionDescription) -> JobState:
        told = await state_from_description(description)
        try:
            state = await self._queried(job_id, description)
        except NoAnswer:
            return await self._with_record(job_id, told)
        if state.status is JobStatus.QUEUED and not told.status.is_terminal:
            return told
        return state

    async def _queried(self, job_id: str, description: WorkflowExecutionDescription) -> JobState:
        """The workflow's own word, asked for again only when its history has grown."""
        seen = (description.run_id, description.history_length)
        known = self._answers.get(job_id)
        if known is not None and known[0] == seen:
            self._answers.move_to_end(job_id)
            return known[1]
        state = await self._engine.query(job_id, JobState)
        self._answers[job_id] = (seen, state)
        while len(self._answers) > _KEPT:
            self._answers.popitem(last=False)
        return state

    async def _with_record(self, job_id: str, told: JobState) -> JobState:
        """Without a worker: the record knows the result that the engine's summary lacks.

        A decision shows in the record all at once, a moment after the summary has it.
        """
        if not told.status.is_terminal:
            return told
        record = await self._archived_job(job_id)
        return record.state if record is not None else told

    async def _closed(self, job_id: str, description: WorkflowExecutionDescription) -> JobState:
        if description.status is WorkflowExecutionStatus.COMPLETED:
            return await self._engine.result(job_id, JobState)
        if description.status is WorkflowExecutionStatus.FAILED:
            state = await self._engine.failed_state(job_id)
            if state is not None:
                return state
        record = await self._archived_job(job_id)
        if record is not None and record.state.status.is_terminal:
            return _without_review(record.state)
        return stopped_state(description)

    async def _unknown_job(self, job_id: str) -> JobSnapshot:
        """Past the engine's retention, or an image of a batch that has not started."""
        record = await self._archived_job(job_id)
        if record is not None:
            return await self._with_retry(snapshot_of_record(record, is_final=True))
        draft_id = predecessor(job_id)
        if draft_id is not None:
            return await self._promised(job_id, draft_id)
        return await self._not_started(job_id)

    async def _with_retry(self, ended: JobSnapshot) -> JobSnapshot:
        """A failed job may be tried again at any time; only then nothing can change any more."""
        if ended.state.status is not JobStatus.FAILED:
            return ended
        again = retry_id(ended.job_id)
        is_retried = await self._is_known(again)
        return replace(ended, retry_job_id=again if is_retried else None, is_final=is_retried)

    async def _is_known(self, job_id: str) -> bool:
        try:
            await self._engine.describe(job_id)
        except NotKnown:
            return await self._archived_job(job_id) is not None
        except EngineAway:
            return False
        return True

    async def _unstarted(self, job_id: str) -> JobSnapshot | None:
        """An image of a batch that has not started, by the batch alone: there may be hundreds."""
        place, last = batch_item(job_id), self._jobs.last(job_id)
        is_started = last is not None and last.state.status is not JobStatus.PENDING
        if place is None or is_started or predecessor(job_id) is not None:
            return None
        try:
            batch = await self._batch(place[0])
        except (BatchNotFound, EngineAway):
            return last
        if place[1] >= len(batch.state.items):
            raise _no_job(job_id)
        if batch.state.items[place[1]].status is not JobStatus.PENDING:
            return None
        card = (await self._cards(batch))[place[1]]
        return JobSnapshot(job_id, card, JobState(status=JobStatus.PENDING), is_final=False)

    async def _not_started(self, job_id: str) -> JobSnapshot:
        """An image of a batch that is just being started, or was cancelled before it could be."""
        place = batch_item(job_id)
        if place is None:
            raise _no_job(job_id)
        try:
            batch = await self._batch(place[0])
        except BatchNotFound:
            raise _no_job(job_id) from None
        state = JobState(status=JobStatus.PENDING)
        if batch.state.items[place[1]].status is JobStatus.FAILED:
            error = JobError.of(Cancelled("The job was cancelled before it started."))
            state = state.failed(error, batch.state.completed_at or batch.request.created_at)
        card = (await self._cards(batch))[place[1]]
        return await self._with_retry(JobSnapshot(job_id, card, state, is_final=False))

    async def _cards(self, batch: BatchSnapshot) -> list[JobCard]:
        """The cards of a batch's images, from its manifest, kept for the batches asked of last."""
        cards = self._manifests.get(batch.batch_id)
        if cards is None:
            requests = await self._archive.read_manifest(batch.batch_id, batch.request.manifest)
            if requests is None:
                raise _no_batch(batch.batch_id)
            cards = [request.card() for request in requests]
            self._manifests[batch.batch_id] = cards
            while len(self._manifests) > _MANIFESTS_KEPT:
                self._manifests.popitem(last=False)
        return cards

    async def _promised(self, job_id: str, draft_id: str) -> JobSnapshot:
        """A final or next round that was named to its caller and is not started yet.

        That is seen by the decision waiting for a worker at the draft, or at the draft's batch, and
        then by what the draft does to carry it out.
        """
        try:
            description = await self._engine.describe_job(draft_id)
        except NotKnown:
            raise _no_job(job_id) from None
        draft = await self._draft(draft_id)
        is_named = job_id in (draft.state.final_job_id, draft.state.revision_job_id)
        is_coming = draft.state.awaits_review and (
            _has_news(description)
            or _is_starting(description, job_id)
            or await self._is_decided_by_batch(draft_id)
        )
        if not is_named and not is_coming:
            return await self._begun_meanwhile(job_id)
        is_final_image = job_id == final_id(draft_id)
        follows = {"draft_job_id" if is_final_image else "revision_of": draft_id}
        card = draft.card.model_copy(
            update={"is_draft": not is_final_image, "retry_of": None, **follows}
        )
        return JobSnapshot(job_id, card, JobState(status=JobStatus.PENDING), is_final=False)

    async def _begun_meanwhile(self, job_id: str) -> JobSnapshot:
        """A job that was not known when it was looked for; what promised it may not tell any more.

        To learn where its draft stands takes seconds where neither a worker nor the store answers.
        """
        try:
            await self._engine.describe_job(job_id)
        except NotKnown:
            raise _no_job(job_id) from None
        return await self._look_at_job(job_id)

    async def _is_decided_by_batch(self, job_id: str) -> bool:
        """Whether the job's batch has a decision on it that may be on its way.

        Where nobody can tell it has: what follows from a decision is named by nothing else.
        """
        place = batch_item(job_id)
        if place is None:
            return False
        try:
            description = await self._engine.describe(place[0])
            if description.status is not _RUNNING:
                return False
            if _has_news(description):
                return True
            batch = await self._engine.query(place[0], BatchState)
        except NotKnown:
            return False
        except NoAnswer:
            return True
        return bool(batch.items[place[1]].is_decided)

    async def _archived_job(self, job_id: str) -> JobRecord | None:
        try:
            return await self._archive.read_job(job_id)
        except StorageUnavailable:
            return None

    def _not_less(self, job_id: str, state: JobState) -> JobState:
        """Progress never goes down, whatever a look happened to see."""
        last = self._jobs.last(job_id)
        if last is None or last.state.progress_percentage <= state.progress_percentage:
            return state
        if last.state.status.is_terminal and not state.status.is_terminal:
            return last.state
        kept: dict[str, Any] = {"progress_percentage": last.state.progress_percentage}
        if not state.status.is_terminal:
            kept |= {"status": last.state.status, "stage": last.state.stage}
        return state.model_copy(update=kept)

    async def _look_at_batch(self, batch_id: str) -> BatchSnapshot:
        try:
            description = await self._engine.describe(batch_id)
        except NotKnown:
            return await self._archived_batch(batch_id)
        except EngineAway:
            last = self._batches.last(batch_id)
            if last is None:
                raise
            return last
        request: BatchRequest = await description.memo_value(MEMO_CARD, type_hint=BatchRequest)
        is_running = description.status is _RUNNING
        state = await (
            self._running_batch(batch_id, request, description)
            if is_running
            else self._closed_batch(batch_id, request, description)
        )
        gone = await self._keeping.of_batch(batch_id, request.created_at)
        return BatchSnapshot(batch_id, request, state, not is_running, gone)

    async def _running_batch(
        self, batch_id: str, request: BatchRequest, description: WorkflowExecutionDescription
    ) -> BatchState:
        try:
            return await self._engine.query(batch_id, BatchState)
        except NoAnswer:
            last = self._batches.last(batch_id)
            if last is None:
                return await self._listed_batch(batch_id, request)
            return await self._caught_up(batch_id, last.state)

    async def _caught_up(self, batch_id: str, last: BatchState) -> BatchState:
        """What was known last, and what the engine's list tells since: an editor may decide it."""
        state = last.model_copy(deep=True)
        try:
            listed = await self._engine.listed_milestones(batch_id)
        except EngineAway:
            return last
        told = {milestone.job_id: milestone for milestone in listed}
        for index, item in enumerate(state.items):
            news = told.get(item.job_id or item_id(batch_id, index))
            if news is not None and (news.status, news.review) != (item.status, item.review):
                item.learn(news)
        return state

    async def _listed_batch(self, batch_id: str, request: BatchRequest) -> BatchState:
        """Without a worker: what the engine's list of the batch's jobs tells."""
        items = [BatchItem() for _ in range(request.total_images)]
        for milestone in await self._engine.listed_milestones(batch_id):
            place = batch_item(milestone.job_id)
            if place is not None and place[1] < len(items):
                items[place[1]].learn(milestone)
        return BatchState(items=items)

    async def _closed_batch(
        self, batch_id: str, request: BatchRequest, description: WorkflowExecutionDescription
    ) -> BatchState:
        if description.status is WorkflowExecutionStatus.COMPLETED:
            return await self._engine.result(batch_id, BatchState)
        return await self._listed_batch(batch_id, request)

    async def _archived_batch(self, batch_id: str) -> BatchSnapshot:
        record = await self._archive.read_batch(batch_id)
        if record is None:
            raise _no_batch(batch_id)
        gone = await self._archive.gone_of_batch(batch_id)
        return BatchSnapshot(batch_id, record.request, record.state, True, gone)


def _has_news(description: WorkflowExecutionDescription) -> bool:
    """Whether something waits for a worker to take it in, as a signal does."""
    return description.raw_description.HasField("pending_workflow_task")


def _is_starting(description: WorkflowExecutionDescription, job_id: str) -> bool:
    """Whether a draft that awaits review plans or starts that job just now."""
    raw = description.raw_description
    children = (child.workflow_id for child in raw.pending_children)
    return bool(raw.pending_activities) or job_id in children


def snapshot_of_record(record: JobRecord, *, is_final: bool) -> JobSnapshot:
    """A job as its record tells it; `is_final` where the engine has forgotten it."""
    review = record.state.review
    has_expired = review and review.expires_at and review.expires_at <= datetime.now(UTC)
    state = _without_review(record.state) if is_final or has_expired else record.state
    return JobSnapshot(record.job_id, record.request.card(), state, is_final)


def _without_review(state: JobState) -> JobState:
    """A review that nobody can decide any more has expired."""
    if state.review is None or not state.awaits_review:
        return state
    review = state.review.model_copy(update={"state": ReviewState.EXPIRED})
    return state.model_copy(update={"review": review})


def _of(snapshot: JobSnapshot, tenant: str) -> JobSnapshot:
    if snapshot.card.tenant != tenant:
        raise _no_job(snapshot.job_id)
    return snapshot


def _no_job(job_id: str) -> JobNotFound:
    return JobNotFound(f"There is no job '{job_id[:80]}'.")


def _no_batch(batch_id: str) -> BatchNotFound:
    return BatchNotFound(f"There is no batch '{batch_id[:80]}'.")
