from __future__ import annotations

from datetime import UTC, datetime

import pytest

from domain.batches import BatchItem, BatchRecord, BatchRequest, BatchState
from domain.errors import StorageUnavailable
from domain.jobs import ImageSpec, JobRecord, JobRequest, JobState, JobStatus, Target
from domain.sizes import Quality
from storage import objects
from storage.archive import Archive
from storage.keys import ASSETS, batch_record_key, job_record_key, manifest_key

NOW = datetime(2026, 11, 23, 4, 5, 6, 789, tzinfo=UTC)


def request(prompt: str = "sea") -> JobRequest:
    return JobRequest(
        spec=ImageSpec(prompt=prompt, quality=Quality.DRAFT, width_px=64, height_px=64, seed=1),
        targets=[Target(provider="studio", model="studio-1", expected_seconds=2)],
        asset_token="token",
        created_at=NOW,
        metadata={"slot": "hero", "rank": 1, "paid": True},
    )


class TestJobs:
    async def test_a_record_is_read_as_it_was_written(self, archive: Archive) -> None:
        record = JobRecord(job_id="img_1", request=request("🌊 sea"), state=JobState())
        await archive.write_job(record)
        assert await archive.read_job("img_1") == record

    async def test_a_later_record_replaces_an_earlier(self, archive: Archive) -> None:
        record = JobRecord(job_id="img_1", request=request(), state=JobState())
        done = record.model_copy(update={"state": JobState(status=JobStatus.COMPLETED)})
        await archive.write_job(record)
        await archive.write_job(done)
        assert await archive.read_job("img_1") == done

    async def test_there_is_none_of_a_job_that_never_was(self, archive: Archive) -> None:
        assert await archive.read_job("img_0") is None


class TestBatches:
    async def test_a_record_is_read_as_it_was_written(self, archive: Archive) -> None:
        record = BatchRecord(
            batch_id="bat_1",
            request=BatchRequest(
                total_images=1, max_concurrency=1, expected_seconds=1, created_at=NOW
            ),
            state=BatchState(items=[BatchItem(costs_usd={"bat_1-0": None})], completed_at=NOW),
        )
        await archive.write_batch(record)
        assert await archive.read_batch("bat_1") == record
        assert await archive.read_batch("bat_2") is None

    async def test_a_manifest_keeps_its_order(self, archive: Archive) -> None:
        requests = [request(f"picture {number}") for number in range(100)]
        await archive.write_manifest("bat_1", requests)
        assert await archive.read_manifest("bat_1") == requests
        assert await archive.read_manifest("bat_2") is None

    async def test_a_named_manifest_is_not_written_over(self, archive: Archive) -> None:
        await archive.write_manifest("bat_3", [request("one")], "a")
        await archive.write_manifest("bat_3", [request("two")], "b")
        await archive.delete_manifest("bat_3", "b")
        assert await archive.read_manifest("bat_3", "a") == [request("one")]
        assert await archive.read_manifest("bat_3", "b") is None
        assert await archive.read_manifest("bat_3") is None


class TestOutage:
    async def test_it_is_never_taken_for_no_record(self) -> None:
        archive = Archive(objects.connect("http://127.0.0.1:9", "bucket"))
        for read in (archive.read_job, archive.read_batch, archive.read_manifest):
            with pytest.raises(StorageUnavailable):
                await read("img_1")


def test_no_record_lies_where_browsers_are_served() -> None:
    for key in (job_record_key("img_1"), batch_record_key("bat_1"), manifest_key("bat_1")):
        assert not key.startswith(ASSETS)
