"""Whose an `Idempotency-Key` is, by the engine alone: no process remembers any.

A key is used up by the request that is accepted with it first. One workflow id is derived from it,
that of the job which it would start: the job holds the key by being there, every other request by
a claim that it leaves in the job's place. So the engine itself lets no second one have the key.
"""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

from api.engine_room import EngineRoom, NotKnown
from api.once import HEADER, Repeatable
from domain.batches import BatchRequest
from domain.errors import (
    EngineAway,
    IdempotencyInFlight,
    IdempotencyKeyReused,
    StorageUnavailable,
)
from domain.jobs import JobCard
from domain.model import Model
from domain.once import Held, Once
from storage.archive import Archive
from workflows.options import MEMO_CARD

M = TypeVar("M", bound=Model)


class Claims:
    """Looks keys up and claims them, each for one tenant.

    Raises `IdempotencyKeyReused` where another request holds the key, `IdempotencyInFlight` where
    one does of which nothing more can be learned now, and `EngineAway`.
    """

    def __init__(self, engine: EngineRoom, archive: Archive) -> None:
        self._engine = engine
        self._archive = archive

    async def job(self, request: Repeatable, tenant: str) -> JobCard | None:
        """The card of the job that the request has started before, as long as it is known at all.

        Longer than the engine remembers: else a new job would take the place of the old one.
        """
        job_id = request.job_id(tenant)
        card, _ = await asyncio.gather(
            self._known(request, job_id, JobCard),
            self._known(request, request.batch_id(tenant), Held),
        )
        return card or await self._archived_job(request, job_id)

    async def batch(self, request: Repeatable, tenant: str) -> BatchRequest | None:
        """The batch that the request has started before, as `job`."""
        batch_id = request.batch_id(tenant)
        batch, _ = await asyncio.gather(
            self._known(request, batch_id, BatchRequest),
            self._known(request, request.job_id(tenant), Held),
        )
        return batch or await self._archived_batch(request, batch_id)

    async def kept(self, request: Repeatable | None, tenant: str) -> Once | None:
        """What is kept of a request that starts neither, where it was accepted before."""
        if request is None:
            return None
        held, _ = await asyncio.gather(
            self._known(request, request.job_id(tenant), Held),
            self._known(request, request.batch_id(tenant), Held),
        )
        return held.once if held is not None else None

    async def keep(self, request: Repeatable | None, tenant: str, answer: Any = None) -> Any:
        """Claim the key for a request that starts no job of its own, and keep its answer.

        Gives the answer that was kept first. Call it before the request is carried out: whoever
        sends it again carries out what was left undone.
        """
        if request is None:
            return answer
        return await self._keep(request, request.job_id(tenant), tenant, answer)

    async def answer(self, request: Repeatable | None, tenant: str) -> Any:
        """What `keep_answer` was given for the request, where it was."""
        if request is None:
            return None
        held = await self._known(request, request.answer_id(tenant), Held)
        return held.once.answer if held is not None and held.once is not None else None

    async def keep_answer(self, request: Repeatable | None, tenant: str, answer: Any) -> Any:
        """Keep what only carrying out a request has told; gives the answer that was kept first."""
        if request is None:
            return answer
        return await self._keep(request, request.answer_id(tenant), tenant, answer)

    async def first_job(self, request: Repeatable, tenant: str) -> JobCard:
        """The card of the job that came first, when the key was just found to be held."""
        return await self._first(request, request.job_id(tenant), JobCard)

    async def first_batch(self, request: Repeatable, tenant: str) -> BatchRequest:
        """The batch that came first, when one was just found in the way."""
        return await self._first(request, request.batch_id(tenant), BatchRequest)

    async def _keep(self, request: Repeatable, claim_id: str, tenant: str, answer: Any) -> Any:
        if await self._engine.start_claim(claim_id, request.kept(answer=answer), tenant):
            return answer
        first = (await self._first(request, claim_id, Held)).once
        return first.answer if first is not None else None

    async def _first(self, request: Repeatable, workflow_id: str, kind: type[M]) -> M:
        try:
            card = await self._known(request, workflow_id, kind)
        except EngineAway:
            card = None
        if card is None:
            raise IdempotencyInFlight(
                f"The {HEADER} was sent before, and what became of it cannot be told now. "
                "Send the same request again soon."
            )
        return card

    async def _known(self, request: Repeatable, workflow_id: str, kind: type[M]) -> M | None:
        """What a workflow of that id says of itself, once it is seen to be the request's own."""
        try:
            description = await self._engine.describe(workflow_id)
        except NotKnown:
            return None
        held: Held = await description.memo_value(MEMO_CARD, type_hint=Held)
        _same(request, held.once)
        card: M = await description.memo_value(MEMO_CARD, type_hint=kind)
        return card

    async def _archived_job(self, request: Repeatable, job_id: str) -> JobCard | None:
        try:
            record = await self._archive.read_job(job_id)
        except StorageUnavailable:
            return None
        if record is None:
            return None
        _same(request, record.request.once)
        return record.request.card()

    async def _archived_batch(self, request: Repeatable, batch_id: str) -> BatchRequest | None:
        try:
            record = await self._archive.read_batch(batch_id)
        except StorageUnavailable:
            return None
        if record is None:
            return None
        _same(request, record.request.once)
        return record.request


def _same(request: Repeatable, first: Once | None) -> None:
    """Raise `IdempotencyKeyReused` if the first request was another."""
    if first is None or first.fingerprint != request.fingerprint:
        raise IdempotencyKeyReused(
            f"This {HEADER} was sent with another request before; a new request needs a new key."
        )
