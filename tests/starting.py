"""Starting jobs and batches the way the API does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from temporalio.client import Client, WorkflowHandle

from domain.batches import BatchFlow, BatchRequest, BatchState
from domain.ids import new_batch_id, new_job_id
from domain.jobs import JobRequest, JobState
from domain.sizes import Quality
from domain.wishes import Wish
from pipeline.planning import Planner
from storage.archive import Archive
from workflows.image_batch import ImageBatchWorkflow
from workflows.image_job import ImageJobWorkflow
from workflows.options import batch_options, job_options

JobHandle = WorkflowHandle[ImageJobWorkflow, JobState]
BatchHandle = WorkflowHandle[ImageBatchWorkflow, BatchState]
REVIEW_SECONDS = 3600.0


def wish(prompt: str = "a lighthouse", quality: Quality = Quality.DRAFT) -> Wish:
    return Wish(prompt=prompt, quality=quality, width=64, height=64)


async def start_job(client: Client, request: JobRequest) -> JobHandle:
    return await client.start_workflow(
        ImageJobWorkflow.run, request, id=new_job_id(), **job_options(request)
    )


class BatchStarter:
    """Writes a manifest and starts its batch."""

    def __init__(self, client: Client, archive: Archive, planner: Planner) -> None:
        self._client = client
        self._archive = archive
        self._planner = planner

    async def __call__(
        self,
        images: int,
        *,
        max_concurrency: int = 10,
        flow: BatchFlow = BatchFlow.DRAFT_THEN_FINAL,
        adapt: Callable[[BatchRequest], BatchRequest] = lambda request: request,
    ) -> BatchHandle:
        batch_id = new_batch_id()
        requests = [
            self._planner.batch_item(wish(f"picture {index}"), flow).model_copy(
                update={"batch_id": batch_id}
            )
            for index in range(images)
        ]
        await self._archive.write_manifest(batch_id, requests)
        request = adapt(
            BatchRequest(
                total_images=images,
                max_concurrency=max_concurrency,
                expected_seconds=1,
                created_at=datetime.now(UTC),
                flow=flow,
            )
        )
        return await self._client.start_workflow(
            ImageBatchWorkflow.run,
            request,
            id=batch_id,
            **batch_options(request),
        )
