"""The bill in the object store: an entry for each paid call, and the sums of days long over."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from domain.costs import CostEntry, DayCosts
from storage.keys import COSTS, cost_day_prefix, cost_entry_key, cost_summary_key
from storage.objects import ObjectMissing, ObjectStore

_JSON = "application/json"
_SETTLES_AFTER = timedelta(days=2)
"""Entries of a day may come late for so long, after an outage of the store."""
_ENTRIES_KEPT = 20_000
_READS_AT_ONCE = 16


def _now() -> datetime:
    return datetime.now(UTC)


class Ledger:
    """Writes entries and reads days; every method raises `StorageUnavailable`.

    Entries never change. The sums of a day that is over for two days are kept as one object; an
    entry that comes even later removes them, so that they are made again.
    """

    def __init__(self, store: ObjectStore, now: Callable[[], datetime] = _now) -> None:
        self._store = store
        self._now = now
        self._entries: OrderedDict[str, CostEntry] = OrderedDict()
        self._places = asyncio.Semaphore(_READS_AT_ONCE)

    async def write(self, entry: CostEntry) -> None:
        """Store an entry; the same key on the same day is the same entry.

        What is known already does not become unknown again.
        """
        key = cost_entry_key(entry.day, entry.key)
        if entry.amount_usd is None and await self._is_there(key):
            return
        await self._store.put(key, entry.model_dump_json().encode(), _JSON)
        if self._is_settled(entry.day):
            await self._store.delete(cost_summary_key(entry.day))

    async def read(self, first: date, last: date) -> list[DayCosts]:
        """The days from `first` to `last`, both included, that have entries, in order."""
        folders = await self._store.folders(COSTS)
        known = sorted(date.fromisoformat(folder) for folder in folders)
        wanted = [day for day in known if first <= day <= last]
        return list(await asyncio.gather(*(self._day(day) for day in wanted)))

    async def _day(self, day: date) -> DayCosts:
        if not self._is_settled(day):
            return await self._added_up(day)
        try:
            async with self._places:
                summary = await self._store.get(cost_summary_key(day))
        except ObjectMissing:
            costs = await self._added_up(day)
            body = costs.model_dump_json().encode()
            await self._store.put(cost_summary_key(day), body, _JSON)
            return costs
        return DayCosts.model_validate_json(summary)

    async def _added_up(self, day: date) -> DayCosts:
        async with self._places:
            keys = await self._store.keys(cost_day_prefix(day))
        return DayCosts.of(day, await asyncio.gather(*(self._entry(key) for key in keys)))

    async def _entry(self, key: str) -> CostEntry:
        known = self._entries.get(key)
        if known is None:
            async with self._places:
                known = CostEntry.model_validate_json(await self._store.get(key))
        self._entries[key] = known
        self._entries.move_to_end(key)
        while len(self._entries) > _ENTRIES_KEPT:
            self._entries.popitem(last=False)
        return known

    async def _is_there(self, key: str) -> bool:
        try:
            await self._store.get(key)
        except ObjectMissing:
            return False
        return True

    def _is_settled(self, day: date) -> bool:
        return day + _SETTLES_AFTER < self._now().astimezone(UTC).date()
