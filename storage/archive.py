"""Records of jobs and batches: what is known of them long after the engine forgot."""

from __future__ import annotations

from datetime import datetime

from pydantic import TypeAdapter

from domain.batches import BatchRecord
from domain.ids import batch_item
from domain.jobs import JobRecord, JobRequest
from storage.keys import (
    JOB_RECORDS,
    batch_record_key,
    blog_entry,
    blog_prefix,
    gone_prefix,
    job_of_entry,
    job_of_record,
    job_record_key,
    manifest_key,
)
from storage.objects import ObjectMissing, ObjectStore

_JSON = "application/json"
_LISTED_AT_ONCE = 1000
_REQUESTS = TypeAdapter(list[JobRequest])


class Archive:
    """Reads and writes records; every method raises `StorageUnavailable`."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def write_job(self, record: JobRecord) -> None:
        """Store a job's record over any earlier one, and its place among its blog's images.

        Images that are gone have no place there any more, and their batch is told.
        """
        if record.state.gone_at is None:
            await self._index(record)
        else:
            await self._index_gone(record)
        body = record.model_dump_json().encode()
        await self._store.put(job_record_key(record.job_id), body, _JSON)

    async def _index(self, record: JobRecord) -> None:
        """Before the record: an entry whose record is not there yet is passed over."""
        request = record.request
        if request.blog_id is None or record.state.result is None:
            return
        await self._store.put(_blog_key(record, request.blog_id), b"", _JSON)

    async def _index_gone(self, record: JobRecord) -> None:
        if record.request.blog_id is not None:
            await self._store.delete(_blog_key(record, record.request.blog_id))
        place = batch_item(record.job_id)
        if place is not None:
            await self._store.put(f"{gone_prefix(place[0])}{record.job_id}", b"", _JSON)

    async def gone_of_batch(self, batch_id: str) -> frozenset[str]:
        """The jobs of a batch whose images are gone."""
        prefix = gone_prefix(batch_id)
        return frozenset(key.removeprefix(prefix) for key in await self._store.keys(prefix))

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

    async def list_jobs(self, after: str, limit: int) -> list[tuple[str, datetime]]:
        """At most `limit` jobs, up to 1,000, that sort after one, and when each was written last.

        The order is that of their ids with a dot behind.
        """
        listed = await self._store.page(JOB_RECORDS, f"{after}.json" if after else "", limit)
        return [(job_of_record(each.name), each.changed_at) for each in listed]

    async def known_among(self, job_ids: list[str]) -> set[str]:
        """Those of the jobs, in the order of `list_jobs`, that have a record."""
        if not job_ids:
            return set()
        wanted, last, after = set(job_ids), f"{job_ids[-1]}.json", job_ids[0]
        known: set[str] = set()
        while True:
            names = await self._store.names_after(JOB_RECORDS, after, _LISTED_AT_ONCE)
            known |= wanted & {job_of_record(name) for name in names}
            if len(names) < _LISTED_AT_ONCE or names[-1] >= last:
                return known
            after = names[-1]

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


def _blog_key(record: JobRecord, blog_id: str) -> str:
    request = record.request
    entry = blog_entry(request.created_at, record.job_id)
    return f"{blog_prefix(request.tenant, blog_id)}{entry}"
