"""Whether each part the service needs does its work."""

from __future__ import annotations

import asyncio
from typing import Literal

from api.engine_room import EngineRoom
from api.schemas import Health, PartHealth
from domain.errors import EngineAway, StorageUnavailable
from storage.objects import ObjectStore
from version import VERSION


class HealthCheck:
    """Looks at engine, store and workers."""

    def __init__(self, engine: EngineRoom, store: ObjectStore, patience_seconds: float) -> None:
        self._engine = engine
        self._store = store
        self._patience_seconds = patience_seconds

    async def look(self) -> Health:
        """The health of each part; never raises, and takes no longer than the patience."""
        engine, store = await asyncio.gather(self._engine_and_workers(), self._store_part())
        parts = [*engine, store]
        is_whole = all(part.state == "ok" for part in parts)
        return Health(status="healthy" if is_whole else "degraded", version=VERSION, parts=parts)

    async def _engine_and_workers(self) -> list[PartHealth]:
        try:
            workers = await self._engine.count_workers()
        except EngineAway:
            return [_part("engine", "does not answer"), _part("worker", "not known")]
        return [_part("engine"), _part("worker", None if workers else "no worker is polling")]

    async def _store_part(self) -> PartHealth:
        try:
            await asyncio.wait_for(self._store.check(), self._patience_seconds)
        except (StorageUnavailable, TimeoutError):
            return _part("store", "does not answer")
        return _part("store")


def _part(name: Literal["engine", "worker", "store"], wrong: str | None = None) -> PartHealth:
    return PartHealth(name=name, state="down" if wrong else "ok", detail=wrong)
