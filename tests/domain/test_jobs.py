from __future__ import annotations

from datetime import UTC, datetime, timedelta

from domain.errors import Billed, Cancelled, ContentRejected
from domain.jobs import (
    Attempt,
    ImageSpec,
    JobError,
    JobRequest,
    JobState,
    JobStatus,
    Outcome,
    Progress,
    Target,
)
from domain.sizes import Quality

NOW = datetime(2026, 11, 23, tzinfo=UTC)
TRIED = Attempt(provider="studio", model="studio-1", started_at=NOW, outcome=Outcome.FAILED)


def request(quality: Quality = Quality.DRAFT, **more: object) -> JobRequest:
    return JobRequest(
        spec=ImageSpec(prompt="sea", quality=quality, width_px=64, height_px=64, seed=1),
        targets=[Target(provider="studio", model="studio-1", expected_seconds=2)],
        asset_token="token",
        created_at=NOW,
        **more,
    )


class TestJobStatus:
    def test_there_are_the_five_words_that_frontends_know(self) -> None:
        assert sorted(JobStatus) == ["completed", "failed", "pending", "processing", "queued"]
        assert [status for status in JobStatus if status.is_terminal] == ["completed", "failed"]


class TestJobRequest:
    def test_its_card_carries_what_never_changes(self) -> None:
        card = request(blog_id="post-1", tags=["hero"], batch_id="bat_1").card()
        assert card.is_draft
        assert card.created_at == NOW
        assert card.recipe == "studio/studio-1/draft"
        assert card.expected_seconds == 2
        assert (card.blog_id, card.tags, card.batch_id) == ("post-1", ["hero"], "bat_1")

    def test_its_card_names_the_jobs_it_is_made_from(self) -> None:
        asked = request(
            batch_id="bat_1",
            draft_job_id="img_1",
            revision_of="img_2",
            alt_text="img_9",
            tags=["img_8"],
            metadata={"of": "img_7"},
        )
        url = "https://pictures.example/api/v1/images/files/img_3/token/0.png"
        spec = asked.spec.model_copy(
            update={
                "prompt": "like img_6",
                "reference_image_url": url,
                "reference_key": "assets/img_4-r2/token/0.original",
            }
        )
        card = asked.model_copy(update={"spec": spec}).card()
        assert card.uses == ["img_3", "img_4-r2"]
        assert card.related == {"img_1", "img_2", "img_3", "img_4-r2"}
        assert "uses" not in request().card().model_dump()

    def test_it_is_read_back_as_it_was_stored(self) -> None:
        asked = request(metadata={"a": True, "b": 1, "c": 1.5, "d": "x"})
        read = JobRequest.model_validate_json(asked.model_dump_json())
        assert read == asked
        assert read.metadata
        assert [type(value) for value in read.metadata.values()] == [bool, int, float, str]

    def test_what_a_newer_version_added_is_ignored(self) -> None:
        stored = {**request().model_dump(mode="json"), "added_later": 1}
        assert JobRequest.model_validate(stored) == request()

    def test_what_is_none_is_not_stored(self) -> None:
        assert "blog_id" not in request().model_dump()


class TestJobState:
    def test_progress_does_not_go_down_when_a_provider_failed(self) -> None:
        late = JobState().advanced(
            Progress(progress_percentage=60, started_at=NOW, attempts=[TRIED])
        )
        early = late.advanced(
            Progress(progress_percentage=20, started_at=NOW + timedelta(1), attempts=[TRIED])
        )
        assert early.progress_percentage == 60
        assert early.started_at == NOW
        assert len(early.attempts) == 2
        assert early.advanced(None) == early

    def test_a_failure_keeps_the_progress_it_had(self) -> None:
        state = JobState(progress_percentage=47).failed(JobError.of(Cancelled("gone")), NOW)
        assert state.status is JobStatus.FAILED
        assert state.progress_percentage == 47
        assert state.completed_at == NOW

    def test_an_error_keeps_all_a_failure_says(self) -> None:
        failure = ContentRejected("no", provider="fal", billed=Billed.YES, flagged="output")
        error = JobError.of(failure)
        assert error.model_dump() == {
            "code": "content_rejected",
            "message": "no",
            "retryable": False,
            "provider": "fal",
            "billed": "yes",
            "flagged": "output",
        }
