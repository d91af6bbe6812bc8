from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from datetime import UTC, datetime

import pytest

from api.closing import Closing
from api.snapshots import JobSnapshot
from api.versions import Version
from api.watching import Until, Watchman, has_nothing_for
from domain.errors import EngineAway, JobNotFound
from domain.jobs import ImageAsset, JobCard, JobResult, JobState, JobStatus, Stage
from domain.reviews import Review, ReviewState
from domain.variants import Variant

CARD = JobCard(
    created_at=datetime(2026, 11, 23, tzinfo=UTC),
    is_draft=True,
    recipe="studio/studio-1/draft",
    expected_seconds=1,
)
RESULT = JobResult(
    asset_prefix="assets/x",
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

Look = Callable[[], Awaitable[JobSnapshot]]


def of(state: JobState) -> JobSnapshot:
    return JobSnapshot("img_1", CARD, state, is_final=False)


def at(progress: int) -> JobSnapshot:
    return of(
        JobState(status=JobStatus.PROCESSING, stage=Stage.GENERATING, progress_percentage=progress)
    )


def drafted(review: ReviewState, result: JobResult | None = RESULT) -> JobSnapshot:
    return of(
        JobState(
            status=JobStatus.COMPLETED,
            progress_percentage=100,
            result=result,
            review=Review(state=review),
        )
    )


QUEUED = of(JobState())
AWAITING, APPROVED = drafted(ReviewState.AWAITING), drafted(ReviewState.APPROVED)


def story(*looks: JobSnapshot | Exception) -> Look:
    """Looks that find this, one after the other; there is no look after the last."""
    left = list(looks)

    async def look() -> JobSnapshot:
        found = left.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    return look


def going_on(*looks: JobSnapshot) -> Look:
    """Looks of which the last goes on being found."""
    left = list(looks)

    async def look() -> JobSnapshot:
        return left.pop(0) if len(left) > 1 else left[0]

    return look


async def present() -> bool:
    return False


async def gone() -> bool:
    return True


@pytest.fixture
def closing() -> Closing:
    return Closing()


@pytest.fixture
def watchman(closing: Closing) -> Watchman:
    return Watchman(closing, interval_seconds=0.001)


async def seen_by(
    watchman: Watchman,
    *looks: JobSnapshot | Exception,
    seen: Version | None = None,
    until: Until = Until.DECIDED,
) -> list[JobSnapshot]:
    look = story(*looks)
    return [each async for each in watchman.changes(await look(), look, seen, until)]


class TestChanged:
    async def test_without_a_wait_it_is_one_look(self, watchman: Watchman) -> None:
        assert await watchman.changed(story(QUEUED), None, 0, present) is QUEUED

    async def test_it_waits_for_a_change(self, watchman: Watchman) -> None:
        look = story(QUEUED, QUEUED, at(5))
        changed = await watchman.changed(look, None, 60, present)
        assert changed.state.progress_percentage == 5

    async def test_what_changed_since_the_callers_last_answer_is_told_at_once(
        self, watchman: Watchman
    ) -> None:
        later = at(5)
        assert await watchman.changed(story(later), QUEUED.version, 60, present) is later

    async def test_what_has_ended_is_told_at_once_and_again(self, watchman: Watchman) -> None:
        look = story(AWAITING)
        assert await watchman.changed(look, AWAITING.version, 60, present) is AWAITING

    async def test_the_time_being_up_it_tells_what_it_knows(self, watchman: Watchman) -> None:
        assert await watchman.changed(going_on(QUEUED), None, 0.01, present) is QUEUED

    async def test_it_does_not_go_on_for_a_caller_that_is_gone(self, watchman: Watchman) -> None:
        assert await watchman.changed(story(QUEUED), None, 60, gone) is QUEUED

    async def test_it_does_not_hold_up_a_server_that_stops(
        self, watchman: Watchman, closing: Closing
    ) -> None:
        waiting = asyncio.create_task(
            Watchman(closing, 60).changed(story(QUEUED, QUEUED), None, 60, present)
        )
        await asyncio.sleep(0)
        closing.set()
        assert await waiting is QUEUED

    async def test_an_older_look_of_another_process_is_no_change(self, watchman: Watchman) -> None:
        look = story(at(20), at(60))
        changed = await watchman.changed(look, at(47).version, 60, present)
        assert changed.state.progress_percentage == 60


class TestChanges:
    async def test_every_change_is_told_once_and_the_decision_is_the_end(
        self, watchman: Watchman
    ) -> None:
        looks = [QUEUED, QUEUED, at(5), at(5), AWAITING, AWAITING, APPROVED]
        told = await seen_by(watchman, *looks)
        assert told == [QUEUED, at(5), AWAITING, APPROVED]

    async def test_it_may_end_with_the_image(self, watchman: Watchman) -> None:
        assert await seen_by(watchman, QUEUED, AWAITING, until=Until.COMPLETED) == [
            QUEUED,
            AWAITING,
        ]

    async def test_it_goes_on_behind_what_was_seen(self, watchman: Watchman) -> None:
        told = await seen_by(watchman, at(5), at(47), APPROVED, seen=at(5).version)
        assert told == [at(47), APPROVED]

    async def test_it_does_not_go_back_behind_what_another_process_told(
        self, watchman: Watchman
    ) -> None:
        told = await seen_by(watchman, at(5), at(60), APPROVED, seen=at(47).version)
        assert told == [at(60), APPROVED]

    async def test_an_end_without_its_result_is_not_told_yet(self, watchman: Watchman) -> None:
        half = drafted(ReviewState.APPROVED, result=None)
        assert await seen_by(watchman, QUEUED, half, APPROVED) == [QUEUED, APPROVED]

    async def test_an_engine_that_is_away_is_waited_for(self, watchman: Watchman) -> None:
        assert await seen_by(watchman, QUEUED, EngineAway(), APPROVED) == [QUEUED, APPROVED]

    async def test_what_is_not_found_any_more_has_ended(self, watchman: Watchman) -> None:
        assert await seen_by(watchman, QUEUED, JobNotFound()) == [QUEUED]

    async def test_it_ends_with_the_server(self, watchman: Watchman, closing: Closing) -> None:
        closing.set()
        assert await seen_by(watchman, QUEUED) == [QUEUED]

    async def test_nobody_looks_ahead_of_who_is_slow(self, watchman: Watchman) -> None:
        looks = 0

        async def look() -> JobSnapshot:
            nonlocal looks
            looks += 1
            return at(looks)

        async with aclosing(watchman.changes(QUEUED, look, None, Until.DECIDED)) as changes:
            assert await anext(changes) is QUEUED
            await asyncio.sleep(0)
            assert looks == 0
            assert (await anext(changes)).state.progress_percentage == 1


class TestHasNothingFor:
    def test_who_saw_the_end_need_not_come_again(self) -> None:
        assert has_nothing_for(APPROVED.version, APPROVED, Until.DECIDED)
        assert has_nothing_for(AWAITING.version, AWAITING, Until.COMPLETED)
        assert has_nothing_for(AWAITING.version, APPROVED, Until.COMPLETED)

    def test_who_did_not_has_something_to_see(self) -> None:
        assert not has_nothing_for(None, APPROVED, Until.DECIDED)
        assert not has_nothing_for(AWAITING.version, AWAITING, Until.DECIDED)
        assert not has_nothing_for(AWAITING.version, APPROVED, Until.DECIDED)
        assert not has_nothing_for(QUEUED.version, AWAITING, Until.COMPLETED)
