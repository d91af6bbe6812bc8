"""Renders an order's pictures and stores them untouched, paying for none twice."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

from domain.errors import InvalidOutput, JobFailure, StorageUnavailable
from domain.jobs import Attempt, JobError, Outcome
from domain.renders import Original, Rendered, RenderOrder
from imaging.decode import decode
from providers.base import Order, Picture, Provider, Report
from storage.keys import note_key, original_key
from storage.objects import ObjectMissing, ObjectStore

_OCTETS = "application/octet-stream"
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 10.0


class Renderer:
    """Calls providers and keeps what they made."""

    def __init__(self, providers: dict[str, Provider], store: ObjectStore) -> None:
        self._providers = providers
        self._store = store

    async def render(self, order: RenderOrder, report: Report) -> Rendered:
        """Make the pictures that are not in the store yet, and store them.

        Raises `JobFailure`s. A picture that was paid for and stored by an earlier try is taken
        from the store; what costs nothing is simply made again.
        """
        provider = self._providers[order.target.provider]
        started_at, clock = datetime.now(UTC), time.monotonic()
        kept = await self._kept(order) if provider.is_paid else {}
        missing = tuple(i for i in range(order.spec.num_images) if i not in kept)
        if missing:
            wanted = Order(spec=order.spec, model=order.target.model, indices=missing)
            pictures = await provider.generate(wanted, report)
            for index, picture in zip(missing, pictures, strict=True):
                kept[index] = await self._keep(order, index, picture, provider.is_paid)
                if provider.is_paid:
                    await self._note(order, index, kept[index])
        return Rendered(
            provider=order.target.provider,
            model=order.target.model,
            originals=[kept[index] for index in sorted(kept)],
            started_at=started_at,
            generation_time_seconds=round(time.monotonic() - clock, 3),
            attempts=[attempt_of(order, started_at, Outcome.COMPLETED)],
        )

    async def _keep(
        self, order: RenderOrder, index: int, picture: Picture, is_paid: bool
    ) -> Original:
        size = (await asyncio.to_thread(decode, picture.data)).image.size
        original = Original(
            key=original_key(order.job_id, order.asset_token, index),
            width_px=size[0],
            height_px=size[1],
            seed=picture.seed,
            cost_usd=picture.cost_usd,
        )
        await self._put(original.key, picture.data, is_paid)
        return original

    async def _put(self, key: str, data: bytes, is_paid: bool) -> None:
        """Store an original; one that was paid for is held until the store takes it."""
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                return await self._store.put(key, data, _OCTETS, remember=True)
            except StorageUnavailable:
                if not is_paid:
                    raise
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    async def _note(self, order: RenderOrder, index: int, original: Original) -> None:
        """Put down what the picture cost: not every store keeps an object's metadata."""
        note = original.model_dump_json().encode()
        await self._store.put(note_key(order.job_id, index), note, "application/json")

    async def _kept(self, order: RenderOrder) -> dict[int, Original]:
        kept = {}
        for index in range(order.spec.num_images):
            original = await self._kept_original(order, index)
            if original is not None:
                kept[index] = original
        return kept

    async def _kept_original(self, order: RenderOrder, index: int) -> Original | None:
        """A whole picture that an earlier try stored, its cost unknown where no note was left."""
        key = original_key(order.job_id, order.asset_token, index)
        try:
            size = (await asyncio.to_thread(decode, await self._store.get(key))).image.size
        except (ObjectMissing, InvalidOutput):
            return None
        try:
            note = await self._store.get(note_key(order.job_id, index))
        except ObjectMissing:
            return Original(key=key, width_px=size[0], height_px=size[1])
        return Original.model_validate_json(note)


def attempt_of(
    order: RenderOrder, started_at: datetime, outcome: Outcome, failure: JobFailure | None = None
) -> Attempt:
    """How a try at an order's provider ended."""
    return Attempt(
        provider=order.target.provider,
        model=order.target.model,
        started_at=started_at,
        outcome=outcome,
        error=JobError.of(failure) if failure else None,
    )
