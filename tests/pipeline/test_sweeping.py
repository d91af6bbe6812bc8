from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.errors import StorageUnavailable
from domain.ids import final_id
from domain.jobs import (
    ImageAsset,
    ImageSpec,
    JobError,
    JobRecord,
    JobRequest,
    JobResult,
    JobState,
    JobStatus,
    Target,
)
from domain.retention import Keeping, Policy, Report, RetentionClass, Step, SweepOrder, Tally
from domain.reviews import Review, ReviewState
from domain.sizes import Quality
from domain.variants import Variant
from pipeline.sweeping import Sweeper
from storage.archive import Archive
from storage.keys import asset_prefix, condemned_key, job_files, note_key, original_key
from storage.objects import ObjectStore

THEN = datetime.now(UTC)
LATER = THEN + timedelta(days=100)
TOKEN = "token"
FILES = 3
SIZE = 5 * FILES
AT_ONCE = Keeping(rejected=0, expired=0, unreviewed=0, failed=0)


def review(state: ReviewState) -> Review:
    decided_at = None if state is ReviewState.AWAITING else THEN
    return Review(state=state, decided_at=decided_at, expires_at=THEN)


class House:
    """A store with jobs in it, and an engine that knows what it is told."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store
        self.archive = Archive(store)
        self.open: set[str] = set()
        self.used: set[str] = set()

    async def is_open(self, job_id: str) -> bool:
        return job_id in self.open

    async def in_use(self) -> set[str]:
        return self.used

    def sweeper(self, keeping: Keeping = AT_ONCE, **tenants: Keeping) -> Sweeper:
        return Sweeper(self.store, Policy(keeping, tenants), self.is_open, self.in_use)

    async def job(
        self,
        job_id: str,
        state: ReviewState | None = None,
        *,
        failed: bool = False,
        quality: Quality = Quality.DRAFT,
        files: bool = True,
        **request: Any,
    ) -> JobRecord:
        prefix = asset_prefix(job_id, TOKEN)
        asset = ImageAsset(
            variants=[Variant(name="0.png", width_px=64, height_px=64, format="png")],
            size_bytes=5,
            sha256="0",
            alt_text="sea",
            thumbhash="0",
            dominant_color="#008080",
            digital_source_type="trainedAlgorithmicMedia",
        )
        result = JobResult(
            asset_prefix=prefix,
            images=[asset],
            generation_time_seconds=1,
            provider="studio",
            model="studio-1",
        )
        record = JobRecord(
            job_id=job_id,
            request=JobRequest(
                spec=ImageSpec(prompt="sea", quality=quality, width_px=64, height_px=64, seed=1),
                targets=[Target(provider="studio", model="studio-1", expected_seconds=2)],
                asset_token=TOKEN,
                created_at=THEN,
                **request,
            ),
            state=JobState(
                status=JobStatus.FAILED if failed else JobStatus.COMPLETED,
                completed_at=THEN,
                result=None if failed else result,
                review=review(state) if state else None,
                error=JobError(code="internal", message="no") if failed else None,
            ),
        )
        await self.archive.write_job(record)
        if files:
            await self.files(job_id)
        return record

    async def files(self, job_id: str) -> None:
        prefix = asset_prefix(job_id, TOKEN)
        for key in (original_key(job_id, TOKEN, 0), f"{prefix}/0.png", f"{prefix}/0.webp"):
            await self.store.put(key, b"bytes", "image/png")
        await self.store.put(note_key(job_id, 0), b"{}", "application/json")

    async def sweep(
        self, sweeper: Sweeper, at: datetime = LATER, *, dry_run: bool = False, grace: float = 0
    ) -> Report:
        """A whole sweep, as the workflow does it."""
        report: Report = {}
        for step in (Step.CONDEMN, Step.LEFTOVERS, Step.DELETE):
            order = SweepOrder(step=step, at=at, grace_seconds=grace, dry_run=dry_run)
            if step is not Step.DELETE or not dry_run:
                report |= (await sweeper.sweep(order)).report
        return report

    async def has_files(self, job_id: str) -> bool:
        found = await self.store.keys(job_files(job_id))
        assert len(found) in (0, FILES)
        return bool(found)

    async def record(self, job_id: str) -> JobRecord:
        record = await self.archive.read_job(job_id)
        assert record is not None
        return record


@pytest.fixture
def house(store: ObjectStore) -> House:
    return House(store)


KINDS: dict[RetentionClass, dict[str, Any]] = {
    RetentionClass.REJECTED: {"state": ReviewState.REJECTED},
    RetentionClass.EXPIRED: {"state": ReviewState.EXPIRED},
    RetentionClass.UNREVIEWED: {"quality": Quality.HIGH},
    RetentionClass.FAILED: {"failed": True},
}


class TestClasses:
    @pytest.mark.parametrize("kind", RetentionClass)
    async def test_each_goes_when_it_is_due_and_no_other_with_it(
        self, house: House, kind: RetentionClass
    ) -> None:
        jobs = {each: f"img_{number}" for number, each in enumerate(KINDS)}
        for each, job_id in jobs.items():
            await house.job(job_id, **KINDS[each])
        sweeper = house.sweeper(Keeping.model_validate({kind: 10}))
        assert await house.sweep(sweeper, THEN + timedelta(days=9)) == {}
        report = await house.sweep(sweeper, THEN + timedelta(days=11))
        assert report == {kind: Tally(jobs=1, objects=FILES, size_bytes=SIZE)}
        gone = [each for each, job_id in jobs.items() if not await house.has_files(job_id)]
        assert gone == [kind]

    async def test_a_draft_that_nobody_can_decide_any_more_has_expired(self, house: House) -> None:
        await house.job("img_1", ReviewState.AWAITING)
        await house.sweep(house.sweeper())
        assert not await house.has_files("img_1")

    async def test_what_is_set_to_for_ever_stays(self, house: House) -> None:
        for number, kind in enumerate(KINDS):
            await house.job(f"img_{number}", **KINDS[kind])
        assert await house.sweep(house.sweeper(Keeping())) == {}

    async def test_a_tenant_has_its_own_days(self, house: House) -> None:
        await house.job("img_1", ReviewState.REJECTED, tenant="acme")
        await house.job("img_2", ReviewState.REJECTED)
        await house.sweep(house.sweeper(Keeping(), acme=Keeping(rejected=1)))
        assert not await house.has_files("img_1")
        assert await house.has_files("img_2")


class TestWhatIsNeverSwept:
    async def test_an_approved_draft_and_its_final_stay_whatever_is_set(self, house: House) -> None:
        draft = await house.job("img_1", ReviewState.APPROVED)
        await house.job(final_id("img_1"), quality=Quality.HIGH, draft_job_id="img_1")
        assert await house.sweep(house.sweeper()) == {}
        assert await house.record("img_1") == draft

    async def test_a_draft_stays_whose_final_is_there_though_its_record_missed_the_approval(
        self, house: House
    ) -> None:
        await house.job("img_1", ReviewState.AWAITING)
        await house.job(final_id("img_1"), quality=Quality.HIGH, draft_job_id="img_1")
        assert await house.sweep(house.sweeper()) == {}

    async def test_what_the_engine_may_still_change_stays(self, house: House) -> None:
        await house.job("img_1", ReviewState.AWAITING)
        await house.files("img_2")
        house.open = {"img_1", "img_2"}
        assert await house.sweep(house.sweeper()) == {}
        assert (await house.record("img_1")).state.gone_at is None

    async def test_what_an_open_job_is_made_from_stays(self, house: House) -> None:
        await house.job("img_1", ReviewState.REJECTED)
        house.used = {"img_1"}
        assert await house.sweep(house.sweeper()) == {}
        house.used = set()
        assert await house.sweep(house.sweeper()) != {}

    async def test_who_began_with_an_image_in_the_last_moment_finds_it(self, house: House) -> None:
        """Accepted by a process that had not heard of it: the files outlive that job."""
        await house.job("img_1", ReviewState.REJECTED)
        sweeper = house.sweeper()
        await sweeper.sweep(SweepOrder(step=Step.CONDEMN, at=LATER, grace_seconds=0))
        house.used = {"img_1"}
        await house.sweep(sweeper)
        assert (await house.record("img_1")).state.gone_at == LATER
        assert await house.has_files("img_1")
        house.used = set()
        await house.sweep(sweeper)
        assert not await house.has_files("img_1")

    async def test_a_record_that_cannot_be_read_holds_up_no_other(self, house: House) -> None:
        await house.store.put("records/jobs/img_0.json", b"{", "application/json")
        await house.job("img_1", ReviewState.REJECTED)
        await house.sweep(house.sweeper())
        assert not await house.has_files("img_1")


class TestAfterwards:
    async def test_the_record_says_so_and_keeps_what_it_was(self, house: House) -> None:
        before = await house.job("img_1", ReviewState.REJECTED)
        await house.sweep(house.sweeper())
        after = await house.record("img_1")
        assert (after.state.gone_at, after.swept_at) == (LATER, LATER)
        state = before.state.model_copy(update={"gone_at": LATER})
        assert after.state == state
        assert await house.store.keys("records/originals/") == []
        assert await house.store.keys("records/condemned/") == []

    async def test_of_a_failed_job_no_images_are_said_to_be_gone(self, house: House) -> None:
        await house.job("img_1", failed=True)
        await house.sweep(house.sweeper())
        after = await house.record("img_1")
        assert (after.state.gone_at, after.swept_at) == (None, LATER)

    async def test_a_failed_job_that_left_nothing_is_not_counted(self, house: House) -> None:
        await house.job("img_1", failed=True, files=False)
        assert await house.sweep(house.sweeper()) == {}
        assert (await house.record("img_1")).swept_at == LATER

    async def test_the_blog_and_the_batch_know(self, house: House) -> None:
        await house.job("bat_1-0", ReviewState.REJECTED, blog_id="travel", batch_id="bat_1")
        await house.job("bat_1-1", ReviewState.APPROVED, blog_id="travel", batch_id="bat_1")
        await house.sweep(house.sweeper())
        entries = await house.archive.list_blog("default", "travel", "", 10)
        assert [job_id for _, job_id in entries] == ["bat_1-1"]
        assert await house.archive.gone_of_batch("bat_1") == {"bat_1-0"}

    async def test_a_second_sweep_does_nothing(self, house: House) -> None:
        await house.job("img_1", ReviewState.REJECTED)
        await house.sweep(house.sweeper())
        after = await house.record("img_1")
        assert await house.sweep(house.sweeper(), LATER + timedelta(days=100)) == {}
        assert await house.record("img_1") == after

    async def test_files_outlive_the_word_that_they_are_gone(self, house: House) -> None:
        await house.job("img_1", ReviewState.REJECTED)
        assert await house.sweep(house.sweeper(), grace=60) == {}
        assert await house.has_files("img_1")
        late = LATER + timedelta(seconds=60)
        assert await house.sweep(house.sweeper(), late, grace=60) != {}


class TestLeftovers:
    async def test_files_that_no_record_tells_of_go(self, house: House) -> None:
        await house.files("img_0")
        await house.job("img_1", ReviewState.APPROVED)
        await house.files("img_1-final")
        await house.files("img_2")
        await house.store.put("assets/readme.txt", b"not ours", "text/plain")
        await house.store.put("assets/not-a-job/a", b"not ours", "text/plain")
        report = await house.sweep(house.sweeper())
        assert report == {
            RetentionClass.FAILED: Tally(jobs=3, objects=3 * FILES, size_bytes=3 * SIZE)
        }
        assert await house.has_files("img_1")
        assert len(await house.store.keys("assets/")) == FILES + 2

    async def test_a_job_that_is_about_to_write_its_record_is_waited_for(
        self, house: House
    ) -> None:
        await house.files("img_1")
        assert await house.sweep(house.sweeper(), THEN + timedelta(days=1)) == {}


class TestDryRun:
    async def test_it_tells_what_would_go_and_touches_nothing(self, house: House) -> None:
        before = await house.job("img_1", ReviewState.REJECTED)
        await house.job("img_2", ReviewState.APPROVED)
        await house.files("img_3")
        would = await house.sweep(house.sweeper(), dry_run=True)
        assert await house.record("img_1") == before
        assert await house.has_files("img_1")
        assert await house.has_files("img_3")
        assert await house.sweep(house.sweeper()) == would


class TestBrokenOff:
    """A sweep may be killed after any request to the store; the next one finishes what it began."""

    async def test_after_any_request_to_the_store(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await house.job("bat_1-0", ReviewState.REJECTED, blog_id="travel")
        left = 0

        def dying(method: str) -> None:
            real = getattr(ObjectStore, method)

            async def call(self: ObjectStore, key: str, *rest: Any, **more: Any) -> Any:
                nonlocal left
                left -= 1
                if left < 0:
                    raise StorageUnavailable("killed")
                return await real(self, key, *rest, **more)

            monkeypatch.setattr(ObjectStore, method, call)

        for method in ("put", "delete"):
            dying(method)
        for lives in range(50):
            left = lives
            try:
                await house.sweep(house.sweeper(), LATER + timedelta(days=lives))
            except StorageUnavailable:
                record = await house.record("bat_1-0")
                assert record.state.gone_at is not None or await house.has_files("bat_1-0")
                continue
            break
        assert lives > 3
        after = await house.record("bat_1-0")
        assert after.state.gone_at is not None
        assert after.swept_at is not None
        assert await house.store.keys("assets/") == []
        assert await house.store.keys("records/condemned/") == []
        assert await house.archive.list_blog("default", "travel", "", 10) == []
        assert await house.archive.gone_of_batch("bat_1") == {"bat_1-0"}

    async def test_condemned_but_not_told_is_told_first(self, house: House) -> None:
        await house.job("img_1", ReviewState.REJECTED)
        await house.store.put(condemned_key("img_1"), b"", "text/plain")
        order = SweepOrder(step=Step.DELETE, at=LATER, grace_seconds=60)
        await house.sweeper().sweep(order)
        assert (await house.record("img_1")).state.gone_at == LATER
        assert await house.has_files("img_1")


class TestPages:
    async def test_however_many_there_are_all_are_seen(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("pipeline.sweeping._PAGE", 3)
        monkeypatch.setattr("pipeline.sweeping._DELETED_PAGE", 2)
        names = ["img_1", "img_1-r2", "img_10", "img_1a-r2-final", "bat_1-0", "bat_1-10", "img_b"]
        await asyncio.gather(*(house.job(name, ReviewState.REJECTED) for name in names))
        await asyncio.gather(*(house.files(f"img_c{number}") for number in range(4)))
        sweeper = house.sweeper()
        for step in (Step.CONDEMN, Step.LEFTOVERS, Step.DELETE):
            after: str | None = ""
            while after is not None:
                order = SweepOrder(step=step, at=LATER, after=after, grace_seconds=0)
                after = (await sweeper.sweep(order)).after
        assert await house.store.keys("assets/") == []

    async def test_a_young_record_is_not_even_read(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await house.job("img_1", ReviewState.REJECTED)

        async def read(self: Archive, job_id: str) -> None:
            raise AssertionError(job_id)

        monkeypatch.setattr(Archive, "read_job", read)
        sweeper = house.sweeper(Keeping(rejected=10, expired=20))
        await house.sweep(sweeper, THEN + timedelta(days=9))
