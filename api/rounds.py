"""The rounds of an image: every draft and final that followed one another, from any of them."""

from __future__ import annotations

from collections import deque

from api.answers import Addresses
from api.auth import Caller
from api.engine_room import EngineRoom
from api.page_answers import Link, rounds_answer
from api.pages import RoundsAnswer
from api.reading import Reader
from api.records import Records
from api.snapshots import JobSnapshot
from domain.errors import EngineAway, JobNotFound, StorageUnavailable
from domain.jobs import JobRequest

_MOST = 200


class Rounds:
    """Follows the links that jobs have to one another; pollers share the looks."""

    def __init__(self, engine: EngineRoom, reader: Reader, records: Records) -> None:
        self._engine = engine
        self._reader = reader
        self._records = records

    async def of(self, job_id: str, caller: Caller, at: Addresses) -> RoundsAnswer:
        """The whole chain that a job is part of, the first round first, at most 200 jobs.

        What was deleted meanwhile is left out, and what led to it. Raises `JobNotFound`,
        `EngineAway`.
        """
        first = await self._first(await self._reader.job(job_id, caller.tenant))
        chain = await self._chain(first)
        requests = await self._requests([link.snapshot.job_id for link in chain])
        return rounds_answer(chain, requests, at)

    async def _first(self, snapshot: JobSnapshot) -> JobSnapshot:
        for _ in range(_MOST):
            card = snapshot.card
            before = card.retry_of or card.draft_job_id or card.revision_of
            found = await self._look(before, card.tenant)
            if found is None:
                break
            snapshot = found
        return snapshot

    async def _chain(self, first: JobSnapshot) -> list[Link]:
        chain: list[Link] = []
        left = deque([Link(first, 1, None)])
        while left and len(chain) < _MOST:
            link = left.popleft()
            chain.append(link)
            state, job_id = link.snapshot.state, link.snapshot.job_id
            for follower, number in (
                (state.final_job_id, link.round),
                (link.snapshot.retry_job_id, link.round),
                (state.revision_job_id, link.round + 1),
            ):
                found = await self._look(follower, link.snapshot.card.tenant)
                if found is not None:
                    left.append(Link(found, number, job_id))
        return chain

    async def _look(self, job_id: str | None, tenant: str) -> JobSnapshot | None:
        if job_id is None:
            return None
        try:
            return await self._reader.job(job_id, tenant)
        except JobNotFound:
            return None

    async def _requests(self, job_ids: list[str]) -> dict[str, JobRequest]:
        """What the jobs were to make: by their records, by the engine where it has none yet."""
        try:
            records = await self._records.read(job_ids)
        except StorageUnavailable:
            records = [None] * len(job_ids)
        found = {record.job_id: record.request for record in records if record is not None}
        for job_id in job_ids:
            request = None if job_id in found else await self._request_of(job_id)
            if request is not None:
                found[job_id] = request
        return found

    async def _request_of(self, job_id: str) -> JobRequest | None:
        try:
            return await self._engine.request_of(job_id)
        except EngineAway:
            return None
