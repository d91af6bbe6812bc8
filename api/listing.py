"""Lists of jobs, newest first, served by the engine's visibility."""

from __future__ import annotations

import asyncio

from temporalio.client import WorkflowExecution

from api.answers import Addresses
from api.auth import Caller
from api.cursors import cursor_of, place_of
from api.engine_room import EngineRoom, NotKnown
from api.filters import is_asked_for, listing_filter
from api.newest import Finder, Place
from api.page_answers import listed_job
from api.pages import JobQuery, JobsAnswer
from api.reading import Reader
from api.records import Records
from api.snapshots import JobSnapshot, state_from_attributes
from domain.jobs import JobCard, JobRecord, JobState, JobStatus
from domain.reviews import Review
from workflows.options import MEMO_CARD

_GLANCES_AT_ONCE = 16
_RECORDS_SHARE = 0.5
_ROUNDS = 5
"""How often a page is filled up whose jobs turn out to be others than asked for."""


class Listing:
    """Pages of a tenant's jobs; raises `EngineAway`.

    What the engine's list knows is that a job has completed or failed, and its review. Of a job
    that has done neither one `describe` tells whether it is queued or processing, and how far it
    is; of one that has, its record tells the image, the cost and the reason, where the store
    answers in time.
    """

    def __init__(
        self, engine: EngineRoom, reader: Reader, records: Records, patience_seconds: float
    ) -> None:
        self._finder = Finder(engine.list_page)
        self._reader = reader
        self._records = records
        self._records_seconds = patience_seconds * _RECORDS_SHARE
        self._glances = asyncio.Semaphore(_GLANCES_AT_ONCE)

    async def jobs(self, query: JobQuery, caller: Caller, at: Addresses) -> JobsAnswer:
        """A page; raises `InvalidRequest` for a cursor of another question."""
        question = f"jobs {caller.tenant} {query.question}"
        place = place_of(query.cursor, question, Place) if query.cursor else None
        if query.status is JobStatus.PENDING:
            return JobsAnswer(jobs=[], next_cursor=None)
        found, last = await self._page(query, caller.tenant, place)
        return JobsAnswer(
            jobs=[listed_job(job, at) for job in found],
            next_cursor=cursor_of(last, question) if last else None,
        )

    async def _page(
        self, query: JobQuery, tenant: str, place: Place | None
    ) -> tuple[list[JobSnapshot], Place | None]:
        """The jobs of a page, and the last place looked at where the list goes on behind it."""
        where = listing_filter(query, tenant)
        found: list[JobSnapshot] = []
        for _ in range(_ROUNDS):
            missing = query.limit - len(found)
            executions, goes_on = await self._finder.newest(where, place, missing)
            jobs = await self._told(executions)
            found += [job for job in jobs if is_asked_for(job, query, tenant)]
            place = Place.of(executions[-1]) if executions else place
            if not goes_on:
                return found, None
            if len(found) == query.limit:
                break
        return found, place

    async def _told(self, executions: list[WorkflowExecution]) -> list[JobSnapshot]:
        """Where the jobs stand, less those that the engine has forgotten meanwhile."""
        states = await asyncio.gather(*(self._state(execution) for execution in executions))
        ended = [
            execution.id
            for execution, state in zip(executions, states, strict=True)
            if state is not None and state.status.is_terminal
        ]
        records = await self._records.ends(ended, self._records_seconds)
        return [
            JobSnapshot(
                execution.id,
                await execution.memo_value(MEMO_CARD, type_hint=JobCard),
                _with_record(state, records.get(execution.id)),
                is_final=False,
            )
            for execution, state in zip(executions, states, strict=True)
            if state is not None
        ]

    async def _state(self, execution: WorkflowExecution) -> JobState | None:
        state = state_from_attributes(execution)
        if state is not None:
            return state
        try:
            async with self._glances:
                return await self._reader.glance(execution.id)
        except NotKnown:
            return None


def _with_record(state: JobState, record: JobRecord | None) -> JobState:
    """The record's word, but for a review that was decided after it was read."""
    if record is None or not state.status.is_terminal or not record.state.status.is_terminal:
        return state
    if state.review is None or not record.state.awaits_review:
        return record.state
    review = (record.state.review or Review()).model_copy(update={"state": state.review.state})
    return record.state.model_copy(update={"review": review, "final_job_id": state.final_job_id})
