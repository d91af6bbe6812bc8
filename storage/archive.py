"""Records of jobs and batches: what is known of them long after the engine forgot."""

from __future__ import annotations

from pydantic import TypeAdapter

from domain.batches import BatchRecord
from domain.jobs import JobRecord, JobRequest
from storage.keys import (
    batch_record_key,
    blog_entry,
    blog_prefix,
    job_of_entry,
    job_record_key,
    manifest_key,
)
from storage.objects import ObjectMissing, ObjectStore

_JSON = "application/json"
_REQUESTS = TypeAdapter(list[JobRequest])


class Archive:
    """Reads and writes records; every method raises `StorageUnavailable`."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def write_job(self, record: JobRecord) -> None:
        """Store a job's record over any earlier one, and its place among its blog's images."""
        await self._index(record)
        body = record.model_dump_json().encode()
        await self._store.put(job_record_key(record.job_id), body, _JSON)

    async def _index(self, record: JobRecord) -> None:
        """Before the record: an entry whose record is not there yet is passed over."""
        request = record.request
        if request.blog_id is None or record.state.result is None:
            return
        entry = blog_entry(request.created_at, record.job_id)
        await self._store.put(f"{blog_prefix(request.tenant, request.blog_id)}{entry}", b"", _JSON)

    async def list_blog(
        self, tenant: str, blog_id: str, after: str, limit: int
    ) -> list[tuple[str, str]]:
        """The next jobs of a blog that have images, newest first: index entry and job id of each.

        `after` is the last entry that was seen, empty for none.
        """
        entries = await self._store.names_after(blog_prefix(tenant, blog_id), after, limit)
        return [(entry, job_of_entry(entry)) for entry in entries]

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

    async def write_manifest(
        self, batch_id: str, requests: list[JobRequest], name: str | None = None
    ) -> None:
        """Store the requests of a batch's images, before the batch starts.

        A batch that may be submitted twice at once names its manifest, so that neither overwrites
        the other's.
        """
        await self._store.put(manifest_key(batch_id, name), _REQUESTS.dump_json(requests), _JSON)

    async def read_manifest(
        self, batch_id: str, name: str | None = None
    ) -> list[JobRequest] | None:
        """The requests of a batch's images in order, or None where there is no such batch."""
        try:
            return _REQUESTS.validate_json(await self._store.get(manifest_key(batch_id, name)))
        except ObjectMissing:
            return None

    async def delete_manifest(self, batch_id: str, name: str) -> None:
        """Remove the manifest of a batch that another submission has started."""
        await self._store.delete(manifest_key(batch_id, name))
