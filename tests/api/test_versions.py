from __future__ import annotations

from datetime import UTC, datetime

import pytest

from api.versions import DECIDED, ENDED, Version, batch_version, job_version
from domain.batches import BatchItem, BatchState
from domain.errors import ProviderUnavailable
from domain.jobs import JobError, JobState, JobStatus, Stage
from domain.reviews import Review, ReviewState

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def at(progress: int) -> JobState:
    return JobState(
        status=JobStatus.PROCESSING, stage=Stage.GENERATING, progress_percentage=progress
    )


def drafted(review: ReviewState) -> JobState:
    return JobState(status=JobStatus.COMPLETED, review=Review(state=review))


def made(review: ReviewState | None = None) -> BatchState:
    return BatchState(items=[BatchItem(status=JobStatus.COMPLETED, review=review)])


class TestVersion:
    def test_its_rank_grows_with_a_jobs_life(self) -> None:
        life = [
            JobState(status=JobStatus.PENDING),
            JobState(),
            at(5),
            at(99),
            drafted(ReviewState.AWAITING),
            drafted(ReviewState.APPROVED),
        ]
        ranks = [job_version(state).rank for state in life]
        assert ranks == sorted(set(ranks))
        assert ranks[-2:] == [ENDED, DECIDED]

    def test_a_failure_is_an_end(self) -> None:
        error = JobError.of(ProviderUnavailable("down"))
        assert job_version(at(50).failed(error, NOW)).rank == ENDED

    def test_a_batch_ends_with_its_images_and_is_decided_with_its_reviews(self) -> None:
        assert batch_version(BatchState(items=[BatchItem()])).rank < ENDED
        assert batch_version(made()).rank == ENDED
        assert batch_version(made(ReviewState.AWAITING)).rank == ENDED
        assert batch_version(made(ReviewState.REJECTED)).rank == DECIDED

    def test_the_same_state_has_the_same_version_and_another_has_not(self) -> None:
        assert job_version(at(47)) == job_version(at(47))
        later = at(47).model_copy(update={"started_at": NOW})
        assert job_version(at(47)).rank == job_version(later).rank
        assert job_version(at(47)) != job_version(later)

    def test_it_is_read_as_it_was_written(self) -> None:
        version = job_version(at(47))
        assert Version.parse(str(version)) == version

    @pytest.mark.parametrize(
        "text", [None, "", "147", "-1-0123456789abcdef", "147-xyz", "99999-0123456789abcdef"]
    )
    def test_what_was_never_written_is_none(self, text: str | None) -> None:
        assert Version.parse(text) is None

    def test_news_is_what_differs_and_is_not_older(self) -> None:
        earlier, later = job_version(at(20)), job_version(at(60))
        assert earlier.is_news_to(None)
        assert later.is_news_to(earlier)
        assert not later.is_news_to(later)
        assert not earlier.is_news_to(later)

    def test_an_end_is_news_whatever_was_seen(self) -> None:
        ended = job_version(drafted(ReviewState.AWAITING))
        assert ended.is_news_to(Version(999, "0" * 16))
