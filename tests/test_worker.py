from __future__ import annotations

import pytest
from temporalio.client import Client

from providers.catalogue import load_catalogue
from providers.registry import Roster
from settings import Settings, SettingsError
from storage.objects import ObjectStore
from tests.fakes import FakeProvider
from worker import build_workers


def queues(client: Client, store: ObjectStore, settings: Settings) -> list[str]:
    roster = Roster({"studio": FakeProvider(), "fal": FakeProvider()}, {"bfl": "set BFL_API_KEY"})
    catalogue = load_catalogue(settings.config)
    return [w.task_queue for w in build_workers(client, settings, store, catalogue, roster)]


async def test_a_worker_serves_workflows_and_every_provider(
    client: Client, store: ObjectStore, settings: Settings
) -> None:
    assert queues(client, store, settings) == [
        "darkroom",
        "darkroom.webhooks",
        "darkroom-studio",
        "darkroom-fal",
    ]


async def test_a_worker_can_serve_one_provider_alone(
    client: Client, store: ObjectStore, settings: Settings
) -> None:
    alone = settings.model_copy(update={"worker_providers": "fal"})
    assert queues(client, store, alone) == ["darkroom-fal"]


@pytest.mark.parametrize(
    ("name", "remedy"), [("bfl", "set BFL_API_KEY"), ("midway", "not configured")]
)
async def test_a_provider_that_cannot_be_served_is_said(
    client: Client, store: ObjectStore, settings: Settings, name: str, remedy: str
) -> None:
    wrong = settings.model_copy(update={"worker_providers": name})
    with pytest.raises(SettingsError, match=remedy):
        queues(client, store, wrong)
