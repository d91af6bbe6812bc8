from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from domain.costs import CostEntry, DayCosts
from domain.errors import Billed, StorageUnavailable
from domain.jobs import CostBasis
from storage import objects
from storage.keys import ASSETS, cost_entry_key, cost_summary_key
from storage.ledger import Ledger
from storage.objects import ObjectStore

DAY = date(2026, 11, 20)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


class Clock:
    """Today, as a test wants it."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def pass_days(self, days: int) -> None:
        self.now += timedelta(days=days)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(store: ObjectStore, clock: Clock) -> Ledger:
    return Ledger(store, clock)


def entry(key: str, at: datetime = NOON, amount_usd: float | None = 0.04) -> CostEntry:
    return CostEntry(
        key=key,
        at=at,
        job_id="img_1",
        tenant="default",
        blog_id="travel",
        provider="openai",
        model="gpt-image-2",
        images=1,
        amount_usd=amount_usd,
        basis=CostBasis.CATALOGUE,
        billed=Billed.YES,
    )


def amounts(days: list[DayCosts]) -> dict[date, int]:
    return {day.day: sum(row.micro_usd for row in day.rows) for day in days}


class TestEntries:
    async def test_they_are_added_up_by_day(self, ledger: Ledger) -> None:
        for key, days in (("a", 0), ("b", 0), ("c", 1), ("d", 9)):
            await ledger.write(entry(key, NOON + timedelta(days=days)))
        read = await ledger.read(DAY, DAY + timedelta(days=8))
        assert amounts(read) == {DAY: 80_000, DAY + timedelta(days=1): 40_000}

    async def test_one_that_is_written_again_is_the_same(self, ledger: Ledger) -> None:
        await ledger.write(entry("a"))
        await ledger.write(entry("a"))
        assert amounts(await ledger.read(DAY, DAY)) == {DAY: 40_000}

    async def test_their_keys_are_never_served_and_take_any_name(
        self, ledger: Ledger, store: ObjectStore
    ) -> None:
        await ledger.write(entry("a/b ü..c"))
        key = cost_entry_key(DAY, "a/b ü..c")
        assert not key.startswith(ASSETS)
        assert CostEntry.model_validate_json(await store.get(key)) == entry("a/b ü..c")
        assert amounts(await ledger.read(DAY, DAY)) == {DAY: 40_000}

    async def test_days_without_any_are_not_told(self, ledger: Ledger) -> None:
        assert await ledger.read(DAY, DAY + timedelta(days=365)) == []

    async def test_what_a_process_has_read_it_does_not_read_again(
        self, ledger: Ledger, store: ObjectStore, clock: Clock
    ) -> None:
        await ledger.write(entry("a"))
        await ledger.read(DAY, DAY)
        await store.put(cost_entry_key(DAY, "a"), b"not read", "application/json")
        assert amounts(await ledger.read(DAY, DAY)) == {DAY: 40_000}

    async def test_a_store_that_is_away_is_told(self) -> None:
        away = Ledger(objects.connect("http://127.0.0.1:9", "bucket"))
        with pytest.raises(StorageUnavailable):
            await away.write(entry("a"))
        with pytest.raises(StorageUnavailable):
            await away.read(DAY, DAY)


class TestDaysLongOver:
    async def test_they_are_read_in_one_piece_by_who_comes_later(
        self, ledger: Ledger, store: ObjectStore, clock: Clock
    ) -> None:
        await ledger.write(entry("a"))
        await ledger.write(entry("b"))
        clock.pass_days(3)
        first = await ledger.read(DAY, DAY)
        for key in "ab":
            await store.put(cost_entry_key(DAY, key), b"not read", "application/json")
        assert await Ledger(store, clock).read(DAY, DAY) == first
        assert amounts(first) == {DAY: 80_000}

    async def test_for_two_days_late_entries_are_waited_for(
        self, ledger: Ledger, store: ObjectStore, clock: Clock
    ) -> None:
        await ledger.write(entry("a"))
        clock.pass_days(2)
        await ledger.read(DAY, DAY)
        with pytest.raises(objects.ObjectMissing):
            await store.get(cost_summary_key(DAY))
        await ledger.write(entry("late"))
        assert amounts(await ledger.read(DAY, DAY)) == {DAY: 80_000}

    async def test_an_entry_that_comes_even_later_is_not_lost(
        self, ledger: Ledger, clock: Clock
    ) -> None:
        await ledger.write(entry("a"))
        clock.pass_days(30)
        assert amounts(await ledger.read(DAY, DAY)) == {DAY: 40_000}
        await ledger.write(entry("late"))
        assert amounts(await ledger.read(DAY, DAY)) == {DAY: 80_000}
