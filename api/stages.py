"""An image's making as deployed clients of `generate/stream` read it. Pure."""

from __future__ import annotations

from api.answers import Addresses, accepted_message, result_answer
from api.schemas import StageData, StageUpdate, StreamStage
from api.snapshots import JobSnapshot
from domain.jobs import PROGRESS_GENERATING, PROGRESS_UPLOADING, JobCard, JobStatus, Stage

_ON_THE_WAY = {
    StreamStage.QUEUED: 0,
    StreamStage.PROCESSING: PROGRESS_GENERATING,
    StreamStage.GENERATING: PROGRESS_GENERATING,
    StreamStage.UPLOADING: PROGRESS_UPLOADING,
}
"""In their order, with the progress that each starts at."""
_MESSAGES = {
    StreamStage.PROCESSING: "A provider has taken the job.",
    StreamStage.GENERATING: "The image is being made.",
    StreamStage.UPLOADING: "The image is being stored.",
    StreamStage.COMPLETED: "The image is ready.",
}
_NOTHING = StageData(result=None, error=None, code=None)


class Stages:
    """Turns snapshots into updates: every stage once in its turn, progress never less."""

    def __init__(self, job_id: str, card: JobCard, at: Addresses) -> None:
        self._job_id = job_id
        self._accepted = accepted_message(card)
        self._at = at
        self._left = list(_ON_THE_WAY)
        self._progress = 0

    def of(self, snapshot: JobSnapshot) -> list[StageUpdate]:
        """What to tell of a snapshot; a stage that went by unseen is told too."""
        if snapshot.status is JobStatus.FAILED:
            return [self._failed(snapshot)]
        if snapshot.status is JobStatus.COMPLETED:
            return [*self._up_to(StreamStage.UPLOADING), self._completed(snapshot)]
        stage, progress = _stage_of(snapshot), snapshot.state.progress_percentage
        told = self._up_to(stage)
        if progress > self._progress:
            told.append(self._update(stage, progress))
        return told

    def _up_to(self, stage: StreamStage) -> list[StageUpdate]:
        if stage not in self._left:
            return []
        passed = self._left[: self._left.index(stage) + 1]
        self._left = self._left[len(passed) :]
        return [self._update(each, _ON_THE_WAY[each]) for each in passed]

    def _update(self, stage: StreamStage, progress: int) -> StageUpdate:
        self._progress = max(self._progress, progress)
        is_queued = stage is StreamStage.QUEUED
        return StageUpdate(
            stage=stage,
            progress=self._progress,
            message=_MESSAGES.get(stage, self._accepted),
            job_id=self._job_id,
            status=JobStatus.QUEUED if is_queued else JobStatus.PROCESSING,
            data=_NOTHING,
        )

    def _completed(self, snapshot: JobSnapshot) -> StageUpdate:
        if snapshot.state.result is None:
            raise AssertionError("a completed job has a result")
        result = result_answer(self._job_id, snapshot.state.result, self._at)
        return StageUpdate(
            stage=StreamStage.COMPLETED,
            progress=100,
            message=_MESSAGES[StreamStage.COMPLETED],
            job_id=self._job_id,
            status=JobStatus.COMPLETED,
            data=StageData(result=result, error=None, code=None),
        )

    def _failed(self, snapshot: JobSnapshot) -> StageUpdate:
        if snapshot.state.error is None:
            raise AssertionError("a failed job has an error")
        error = snapshot.state.error
        return StageUpdate(
            stage=StreamStage.ERROR,
            progress=self._progress,
            message=error.message,
            job_id=self._job_id,
            status=JobStatus.FAILED,
            data=StageData(result=None, error=error.message, code=error.code),
        )


def _stage_of(snapshot: JobSnapshot) -> StreamStage:
    if snapshot.status is not JobStatus.PROCESSING:
        return StreamStage.QUEUED
    is_made = snapshot.state.stage is Stage.UPLOADING
    return StreamStage.UPLOADING if is_made else StreamStage.GENERATING
