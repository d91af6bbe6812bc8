"""A job's story as a later version might tell it: with one more patch."""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from domain.jobs import JobRequest, JobState
    from workflows.image_job import ImageJobWorkflow


@workflow.defn(name="ImageJobWorkflow")
class Tomorrow(ImageJobWorkflow):
    """Takes a step that a worker of today knows nothing of."""

    @workflow.init
    def __init__(self, request: JobRequest) -> None:
        super().__init__(request)

    @workflow.run
    async def run(self, request: JobRequest) -> JobState:
        workflow.patched("tomorrow")
        return await super().run(request)
