"""What a webhook says of its job or batch: what a GET would be answered when it is sent.

The worker hands this to `deliver`; the routes do without it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from temporalio.client import Client

from api.answers import Addresses, batch_answer, job_answer
from api.engine_room import EngineRoom
from api.estimates import Estimates
from api.keeping import Keeping
from api.reading import Reader
from domain.errors import BatchNotFound, JobNotFound
from domain.webhooks import Delivery, WebhookEvent
from settings import Settings
from storage.archive import Archive


class Teller:
    """Reads a delivery's job or batch, as its tenant would be answered."""

    def __init__(self, client: Client, archive: Archive, settings: Settings) -> None:
        engine = EngineRoom(client)
        self._reader = Reader(engine, archive, Keeping(archive), settings.poll_interval_seconds)
        self._estimates = Estimates(engine)
        self._addresses = Addresses.configured(
            settings, f"http://{settings.host}:{settings.port}", client.namespace
        )

    async def __call__(self, delivery: Delivery) -> dict[str, Any]:
        """The answer as JSON, a batch's without its jobs; of what is gone only id and link.

        Raises `EngineAway`, `StorageUnavailable`.
        """
        at = self._addresses
        if delivery.base_url is not None:
            at = replace(at, api=delivery.base_url)
        if delivery.event is WebhookEvent.BATCH_COMPLETED:
            return await self._batch(delivery, at)
        return await self._job(delivery, at)

    async def _job(self, delivery: Delivery, at: Addresses) -> dict[str, Any]:
        job_id = delivery.subject_id
        try:
            snapshot = await self._reader.job(job_id, delivery.tenant, fresh=True)
        except JobNotFound:
            return {"job_id": job_id, "links": at.job_links(job_id).model_dump(mode="json")}
        return job_answer(snapshot, at, self._estimates).model_dump(mode="json")

    async def _batch(self, delivery: Delivery, at: Addresses) -> dict[str, Any]:
        batch_id = delivery.subject_id
        try:
            snapshot = await self._reader.batch(batch_id, delivery.tenant, fresh=True)
        except BatchNotFound:
            return {"batch_id": batch_id, "links": at.batch_links(batch_id).model_dump(mode="json")}
        return batch_answer(snapshot, at).model_dump(mode="json", exclude={"jobs"})
