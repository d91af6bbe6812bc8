"""What a caller's `webhook_url` is told, from the request to the receiver."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import SecretStr
from standardwebhooks import Webhook
from temporalio.client import Client

from settings import Settings
from tests.api.conftest import Caller, api_settings
from tests.conftest import WorkerFactory
from tests.pipeline.test_delivering import SECRET, Receiver, receiving
from tests.waiting import eventually


@pytest.fixture
def settings(tmp_path: Path, store_url: str, client: Client) -> Settings:
    return api_settings(
        tmp_path / "darkroom.toml",
        store_url,
        client.namespace,
        webhook_secret=SecretStr(SECRET),
        webhook_allow_hosts="127.0.0.1",
    )


async def events(receiver: Receiver, count: int) -> list[str]:
    """The events of the first deliveries, once there are so many."""

    async def look() -> bool:
        return len(receiver.bodies) >= count

    await eventually(look, f"{count} deliveries arrive")
    return [json.loads(body)["event"] for body in receiver.bodies]


async def test_every_decision_is_told_and_signed(api: Caller, new_worker: WorkerFactory) -> None:
    async with receiving() as receiver, new_worker():
        draft_id = await api.draft(webhook_url=receiver.url)
        assert await events(receiver, 1) == ["draft.awaiting_review"]
        await api.post(f"/jobs/{draft_id}/approve")
        told = await events(receiver, 3)
    assert sorted(told) == ["draft.approved", "draft.awaiting_review", "job.completed"]
    first = Webhook(SECRET).verify(receiver.bodies[0], receiver.headers())
    assert first["data"]["job_id"] == draft_id
    assert len(set(receiver.bodies)) == 3


async def test_a_batch_is_told_once_it_is_settled(api: Caller, new_worker: WorkerFactory) -> None:
    async with receiving() as receiver, new_worker():
        batch = await api.create_batch({}, {}, workflow="final_only", webhook_url=receiver.url)
        assert await events(receiver, 1) == ["batch.completed"]
    told = json.loads(receiver.bodies[0])["data"]
    assert told["batch_id"] == batch["batch_id"]
    assert told["total_images"] == 2


async def test_a_receiver_that_is_away_does_not_hold_the_job_back(
    api: Caller, new_worker: WorkerFactory
) -> None:
    async with receiving() as receiver:
        gone = receiver.url
    async with new_worker():
        await api.completed(await api.create(webhook_url=gone))
