from __future__ import annotations

import itertools

from api.answers import Addresses
from api.schemas import StageUpdate
from api.stages import Stages
from domain.errors import ContentRejected
from domain.jobs import JobError, JobState, JobStatus, Stage
from tests.api.test_watching import CARD, QUEUED, RESULT, at, of

AT = Addresses(api="https://example.com", assets=None, temporal_ui=None, namespace="default")
COMPLETED = of(JobState(status=JobStatus.COMPLETED, progress_percentage=100, result=RESULT))
UPLOADING = of(JobState(status=JobStatus.PROCESSING, stage=Stage.UPLOADING, progress_percentage=90))
ALL = ["queued", "processing", "generating", "uploading", "completed"]


def told(*snapshots: object) -> list[StageUpdate]:
    stages = Stages("img_1", CARD, AT)
    return [update for each in snapshots for update in stages.of(each)]  # type: ignore[arg-type]


class TestStages:
    def test_each_stage_is_told_in_its_turn(self) -> None:
        updates = told(QUEUED, at(5), UPLOADING, COMPLETED)
        assert [update.stage for update in updates] == ALL

    def test_a_stage_that_nobody_saw_is_told_too(self) -> None:
        assert [update.stage for update in told(COMPLETED)] == ALL

    def test_progress_is_told_as_it_grows_and_never_less(self) -> None:
        updates = told(QUEUED, at(5), at(47), at(47), at(20), UPLOADING, COMPLETED)
        shown = [update.progress for update in updates]
        assert shown == [0, 5, 5, 47, 90, 100]
        assert all(a <= b for a, b in itertools.pairwise(shown))

    def test_the_last_brings_the_result(self) -> None:
        last = told(QUEUED, COMPLETED)[-1]
        assert last.status is JobStatus.COMPLETED
        assert last.data.result is not None
        assert last.data.result.images[0].image_url.startswith("https://example.com/")

    def test_a_failure_says_why_in_a_sentence(self) -> None:
        error = JobError.of(ContentRejected("The prompt is against the rules."))
        failed = of(at(47).state.failed(error, CARD.created_at))
        updates = told(QUEUED, at(47), failed)
        assert updates[-1].model_dump(mode="json") == {
            "stage": "error",
            "progress": 47,
            "message": "The prompt is against the rules.",
            "job_id": "img_1",
            "status": "failed",
            "data": {"error": "The prompt is against the rules.", "code": "content_rejected"},
        }

    def test_statuses_are_those_of_a_job(self) -> None:
        statuses = [update.status for update in told(QUEUED, COMPLETED)]
        assert statuses == ["queued", "processing", "processing", "processing", "completed"]
