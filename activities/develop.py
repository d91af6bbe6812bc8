"""`develop` makes a job's assets; `archive_job` and `archive_batch` write records."""

from __future__ import annotations

from temporalio import activity

from activities.beating import alive, to_the_end
from activities.failures import translated
from domain.batches import BatchRecord
from domain.jobs import Developed, JobRecord
from domain.renders import DevelopOrder
from pipeline.developing import Developer
from storage.archive import Archive


class DevelopActivities:
    """Registered on the `darkroom` task queue."""

    def __init__(self, developer: Developer, archive: Archive) -> None:
        self._developer = developer
        self._archive = archive

    @activity.defn
    async def develop(self, order: DevelopOrder) -> Developed:
        """The job's result once its assets and its record are stored; a cancel comes too late."""
        async with alive():
            with translated():
                return await to_the_end(self._developer.develop(order))

    @activity.defn
    async def archive_job(self, record: JobRecord) -> None:
        """Store a job's record over any earlier one."""
        with translated():
            await self._archive.write_job(record)

    @activity.defn
    async def archive_batch(self, record: BatchRecord) -> None:
        """Store a batch's record over any earlier one."""
        with translated():
            await self._archive.write_batch(record)
