"""Records of jobs and batches: what is known of them long after the engine forgot."""

from __future__ import annotations

from pydantic import TypeAdapter

from domain.batches import BatchRecord
from domain.jobs import JobRecord, JobRequest
from storage.keys import batch_record_key, job_record_key, manifest_key
from storage.objects import ObjectMissing, ObjectStore

_JSON = "application/json"
_REQUESTS = TypeAdapter(list[JobRequest])


class Archive:
    """Reads and writes records; every method raises `StorageUnavailable`."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def write_job(self, record: JobRecord) -> None:
        """Store a job's record over any earlier one."""
        body = record.model_dump_json().encode()
        await self._store.put(job_record_key(record.job_id), body, _JSON)

    async def read_job(self, job_id: str) -> JobRecord | None:
        """A job's record, or None where there is none."""
        try:
            return JobRecord.model_validate_json(await self._store.get(job_record_key(job_id)))
        except ObjectMissing:
            return None

    async def write_batch(self, record: BatchRecord) -> None:
        """Store a batch's record over any earlier one."""
        body = record.model_dump_json().encode()
        await self._store.put(batch_record_key(record.batch_id), body, _JSON)

    async def read_batch(self, batch_id: str) -> BatchRecord | None:
        """A batch's record, or None where there is none."""
        try:
            body = await self._store.get(batch_record_key(batch_id))
        except ObjectMissing:
            return None
        return BatchRecord.model_validate_json(body)

    async def write_manifest(self, batch_id: str, requests: list[JobRequest]) -> None:
        """Store the requests of a batch's images, before the batch starts."""
        await self._store.put(manifest_key(batch_id), _REQUESTS.dump_json(requests), _JSON)

    async def read_manifest(self, batch_id: str) -> list[JobRequest] | None:
        """The requests of a batch's images in order, or None where there is no such batch."""
        try:
            return _REQUESTS.validate_json(await self._store.get(manifest_key(batch_id)))
        except ObjectMissing:
            return None
