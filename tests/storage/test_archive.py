from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.batches import BatchItem, BatchRecord, BatchRequest, BatchState
from domain.errors import StorageUnavailable
from domain.jobs import (
    ImageAsset,
    ImageSpec,
    JobRecord,
    JobRequest,
    JobResult,
    JobState,
    JobStatus,
    Target,
)
from domain.sizes import Quality
from domain.variants import Variant
from storage import objects
from storage.archive import Archive
from storage.keys import ASSETS, batch_record_key, job_record_key, manifest_key

NOW = datetime(2026, 11, 23, 4, 5, 6, 789, tzinfo=UTC)
RESULT = JobResult(
    asset_prefix="assets/img_0/token",
    images=[
        ImageAsset(
            variants=[Variant(name="0.png", width_px=64, height_px=64, format="png")],
            size_bytes=1,
            sha256="0",
            alt_text="sea",
            thumbhash="0",
            dominant_color="#008080",
            digital_source_type="trainedAlgorithmicMedia",
        )
    ],
    generation_time_seconds=1,
    provider="studio",
    model="studio-1",
)


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


class TestBlogs:
    @staticmethod
    def record(job_id: str, minutes: int, **more: Any) -> JobRecord:
        asked = request().model_copy(
            update={"blog_id": "post-1", "created_at": NOW + timedelta(minutes=minutes), **more}
        )
        return JobRecord(job_id=job_id, request=asked, state=JobState(result=RESULT))

    async def test_jobs_are_listed_newest_first_and_page_by_page(self, archive: Archive) -> None:
        for number in (2, 0, 3, 1):
            await archive.write_job(self.record(f"img_{number}", number))
        first = await archive.list_blog("default", "post-1", "", 3)
        assert [job_id for _, job_id in first] == ["img_3", "img_2", "img_1"]
        rest = await archive.list_blog("default", "post-1", first[-1][0], 3)
        assert [job_id for _, job_id in rest] == ["img_0"]

    async def test_a_record_that_is_written_again_is_listed_once(self, archive: Archive) -> None:
        for _ in range(2):
            await archive.write_job(self.record("img_0", 0))
        assert len(await archive.list_blog("default", "post-1", "", 10)) == 1

    async def test_a_blog_of_another_tenant_is_another_blog(self, archive: Archive) -> None:
        await archive.write_job(self.record("img_0", 0, tenant="ours"))
        assert await archive.list_blog("theirs", "post-1", "", 10) == []
        assert await archive.list_blog("ours", "Post-1", "", 10) == []

    async def test_what_has_no_image_or_no_blog_has_no_entry(
        self, archive: Archive, store: objects.ObjectStore
    ) -> None:
        failed = self.record("img_0", 0)
        await archive.write_job(failed.model_copy(update={"state": JobState()}))
        await archive.write_job(self.record("img_1", 0, blog_id=None))
        assert await store.keys("records/blogs/") == []


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
