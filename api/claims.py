"""Whose an `Idempotency-Key` is, by the engine alone: no process remembers any.

A key is used up by the request that is accepted with it first. What that one started is named by
the key, so that the engine itself lets no second one start; everything else leaves a claim that
is named by it. Requests of the two kinds that come with one key in the same instant may both be
accepted; the same request never is.
"""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

from api.engine_room import EngineRoom
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
            self._engine.card(job_id, JobCard),
            self._check(request, request.batch_id(tenant), request.claim_id(tenant)),
        )
        card = card or await self._archived_job(job_id)
        if card is not None:
            _same(request, card.once)
        return card

    async def batch(self, request: Repeatable, tenant: str) -> BatchRequest | None:
        """The batch that the request has started before, as `job`."""
        batch_id = request.batch_id(tenant)
        batch, _ = await asyncio.gather(
            self._engine.card(batch_id, BatchRequest),
            self._check(request, request.job_id(tenant), request.claim_id(tenant)),
        )
        batch = batch or await self._archived_batch(batch_id)
        if batch is not None:
            _same(request, batch.once)
        return batch

    async def kept(self, request: Repeatable | None, tenant: str) -> Once | None:
        """What is kept of a request that starts neither, where it was accepted before."""
        if request is None:
            return None
        held, _ = await asyncio.gather(
            self._engine.card(request.claim_id(tenant), Held),
            self._check(request, request.job_id(tenant), request.batch_id(tenant)),
        )
        return _same(request, held.once) if held is not None else None

    async def keep(self, request: Repeatable | None, tenant: str, answer: Any = None) -> Any:
        """Claim the key for a request that starts neither, and keep its answer.

        Gives the answer that was kept first. Call it before the request is carried out: whoever
        sends it again carries out what was left undone.
        """
        if request is None:
            return answer
        claim_id = request.claim_id(tenant)
        if await self._engine.start_claim(claim_id, request.kept(answer=answer), tenant):
            return answer
        held = await self._first(claim_id, Held)
        return _same(request, held.once).answer

    async def first_job(self, request: Repeatable, tenant: str) -> JobCard:
        """The card of the job that came first, when one was just found in the way."""
        card = await self._first(request.job_id(tenant), JobCard)
        _same(request, card.once)
        return card

    async def first_batch(self, request: Repeatable, tenant: str) -> BatchRequest:
        """The batch that came first, when one was just found in the way."""
        batch = await self._first(request.batch_id(tenant), BatchRequest)
        _same(request, batch.once)
        return batch

    async def _first(self, workflow_id: str, kind: type[M]) -> M:
        try:
            card = await self._engine.card(workflow_id, kind)
        except EngineAway:
            card = None
        if card is None:
            raise IdempotencyInFlight(
                f"The {HEADER} was sent before, and what became of it cannot be told now. "
                "Send the same request again soon."
            )
        return card

    async def _check(self, request: Repeatable, *others: str) -> None:
        """See that no request of another kind holds the key."""
        held = await asyncio.gather(*(self._engine.card(other, Held) for other in others))
        for each in held:
            if each is not None:
                _same(request, each.once)

    async def _archived_job(self, job_id: str) -> JobCard | None:
        try:
            record = await self._archive.read_job(job_id)
        except StorageUnavailable:
            return None
        return record.request.card() if record is not None else None

    async def _archived_batch(self, batch_id: str) -> BatchRequest | None:
        try:
            record = await self._archive.read_batch(batch_id)
        except StorageUnavailable:
            return None
        return record.request if record is not None else None


def _same(request: Repeatable, first: Once | None) -> Once:
    """What is kept of the first request; raises `IdempotencyKeyReused` if that was another."""
    if first is None or first.fingerprint != request.fingerprint:
        raise IdempotencyKeyReused(
            f"This {HEADER} was sent with another request before; a new request needs a new key."
        )
    return first
