from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from api.records import Records
from domain.errors import StorageUnavailable
from domain.jobs import ImageSpec, JobRecord, JobRequest, JobState, JobStatus, Target
from domain.reviews import Review, ReviewState
from domain.sizes import Quality


class Shelf:
    """An archive of records that are put there; what is not there is away or never comes."""

    def __init__(self) -> None:
        self.records: dict[str, JobRecord | None] = {}
        self.reads: Counter[str] = Counter()

    async def read_job(self, job_id: str) -> JobRecord | None:
        self.reads[job_id] += 1
        if job_id == "away":
            raise StorageUnavailable("The image store does not answer.")
        if job_id == "slow":
            await asyncio.Event().wait()
        return self.records.get(job_id)


def record(job_id: str, review: ReviewState | None = None) -> JobRecord:
    return JobRecord(
        job_id=job_id,
        request=JobRequest(
            spec=ImageSpec(prompt="sea", quality=Quality.DRAFT, width_px=64, height_px=64, seed=1),
            targets=[Target(provider="studio", model="studio-1", expected_seconds=2)],
            asset_token="token",
            created_at=datetime(2026, 11, 23, tzinfo=UTC),
        ),
        state=JobState(status=JobStatus.COMPLETED, review=Review(state=review) if review else None),
    )


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def records(shelf: Shelf) -> Records:
    return Records(cast(Any, shelf))


async def test_what_cannot_change_is_read_once(shelf: Shelf, records: Records) -> None:
    shelf.records = {"a": record("a"), "b": record("b", ReviewState.REJECTED)}
    for _ in range(2):
        assert await records.read(["a", "b", "none"]) == [*shelf.records.values(), None]
    assert shelf.reads == {"a": 1, "b": 1, "none": 2}


async def test_a_review_that_is_open_is_read_again_but_its_image_is_known(
    shelf: Shelf, records: Records
) -> None:
    shelf.records = {"a": record("a", ReviewState.AWAITING)}
    await records.read(["a"])
    assert set(await records.ends(["a"], 10)) == {"a"}
    assert shelf.reads["a"] == 1
    shelf.records = {"a": record("a", ReviewState.APPROVED)}
    assert await records.read(["a"]) == [shelf.records["a"]]


async def test_ends_leave_out_what_the_store_does_not_give_in_time(
    shelf: Shelf, records: Records
) -> None:
    shelf.records = {"a": record("a")}
    assert set(await records.ends(["slow", "away", "a", "none"], 0.05)) == {"a"}


async def test_all_or_nothing_is_read_of_a_store_that_is_away(records: Records) -> None:
    with pytest.raises(StorageUnavailable):
        await records.read(["a", "away"])
