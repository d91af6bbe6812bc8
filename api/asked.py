"""What jobs were asked for, wherever that is still kept."""

from __future__ import annotations

from api.engine_room import EngineRoom
from api.reading import Reader
from domain.errors import JobNotFound, StorageUnavailable
from domain.ids import batch_item, predecessor
from domain.jobs import JobRequest
from storage.archive import Archive


class Asked:
    """Reads the requests of jobs."""

    def __init__(self, engine: EngineRoom, reader: Reader, archive: Archive) -> None:
        self._engine = engine
        self._reader = reader
        self._archive = archive

    async def of(self, job_id: str, tenant: str) -> JobRequest:
        """By its record; by the engine where it has none; by its batch where it never started.

        Raises `JobNotFound`, `EngineAway`, `StorageUnavailable`.
        """
        try:
            record = await self._archive.read_job(job_id)
        except StorageUnavailable:
            record = None
        if record is not None:
            return record.request
        request = await self._engine.request_of(job_id)
        return request or await self._unstarted(job_id, tenant)

    async def _unstarted(self, job_id: str, tenant: str) -> JobRequest:
        place = batch_item(job_id)
        if place is not None and predecessor(job_id) is None:
            batch = await self._reader.batch(place[0], tenant)
            requests = await self._archive.read_manifest(place[0], batch.request.manifest)
            if requests is not None:
                return requests[place[1]]
        raise JobNotFound(f"What the job '{job_id}' was to make is not kept any more.")
