"""Webhooks: what was delivered, deliver it again, try whether a receiver hears us."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body

from api.auth import Generating, Reading
from api.once import OnlyOnce
from api.problems import declare
from api.schemas import DeliveriesAnswer, DeliveryAnswer, WebhookTestAnswer, WebhookTestBody
from api.services import Served
from domain.errors import (
    BatchNotFound,
    BodyTooLarge,
    DeliveryNotFound,
    EngineAway,
    IdempotencyInFlight,
    IdempotencyKeyReused,
    InvalidRequest,
    JobNotFound,
    StorageUnavailable,
    UnsupportedMediaType,
)

router = APIRouter(tags=["webhooks"])

_AWAY = (EngineAway, StorageUnavailable)
_TAKEN_BACK = (
    InvalidRequest,
    BodyTooLarge,
    UnsupportedMediaType,
    IdempotencyKeyReused,
    IdempotencyInFlight,
    EngineAway,
)


@router.get(
    "/jobs/{job_id}/webhooks",
    response_model=DeliveriesAnswer,
    responses=declare(JobNotFound, *_AWAY),
)
async def job_deliveries(job_id: str, caller: Reading, to: Served) -> DeliveriesAnswer:
    """What was told, and is being told, of a job, the newest first."""
    await to.reader.job(job_id, caller.tenant)
    return DeliveriesAnswer(deliveries=await to.deliveries.of(job_id))


@router.get(
    "/batches/{batch_id}/webhooks",
    response_model=DeliveriesAnswer,
    responses=declare(BatchNotFound, *_AWAY),
)
async def batch_deliveries(batch_id: str, caller: Reading, to: Served) -> DeliveriesAnswer:
    """What was told, and is being told, of a batch; its jobs have logs of their own."""
    await to.reader.batch(batch_id, caller.tenant)
    return DeliveriesAnswer(deliveries=await to.deliveries.of(batch_id))


@router.post(
    "/jobs/{job_id}/webhooks/{delivery_id}/redeliver",
    status_code=202,
    response_model=DeliveryAnswer,
    responses=declare(*_TAKEN_BACK, JobNotFound, DeliveryNotFound, StorageUnavailable),
)
async def redeliver_of_job(
    job_id: str, delivery_id: str, caller: Generating, to: Served, once: OnlyOnce
) -> DeliveryAnswer:
    """Deliver once more, with attempts of its own; one that is still being tried is given up."""
    await to.reader.job(job_id, caller.tenant)
    return await to.deliveries.again(job_id, delivery_id, caller, once)


@router.post(
    "/batches/{batch_id}/webhooks/{delivery_id}/redeliver",
    status_code=202,
    response_model=DeliveryAnswer,
    responses=declare(*_TAKEN_BACK, BatchNotFound, DeliveryNotFound, StorageUnavailable),
)
async def redeliver_of_batch(
    batch_id: str, delivery_id: str, caller: Generating, to: Served, once: OnlyOnce
) -> DeliveryAnswer:
    """As for a job."""
    await to.reader.batch(batch_id, caller.tenant)
    return await to.deliveries.again(batch_id, delivery_id, caller, once)


@router.post(
    "/webhooks/test",
    response_model=WebhookTestAnswer,
    responses=declare(*_TAKEN_BACK),
)
async def try_webhook(
    caller: Generating,
    to: Served,
    once: OnlyOnce,
    body: Annotated[WebhookTestBody, Body(default_factory=WebhookTestBody)],
) -> WebhookTestAnswer:
    """Send a signed `webhook.test` now, once, and answer with what the receivers say."""
    url = str(body.url) if body.url is not None else None
    return await to.webhook_trials.send(caller, url, once)
