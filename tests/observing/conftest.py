"""Workers and calls that are counted, on the session's real engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

import pytest
from prometheus_client import CollectorRegistry
from temporalio.client import Client

from observing.activities import ActivityWatch
from observing.meters import Meters
from providers.catalogue import load_catalogue
from providers.registry import Roster
from settings import Settings
from storage.objects import ObjectStore
from tests.fakes import FakeProvider
from worker import build_workers

CountedWorker = Callable[[FakeProvider], AbstractAsyncContextManager[None]]


def count(registry: CollectorRegistry, name: str, **labels: str) -> float:
    """A sample's value, 0 where it was never counted."""
    return registry.get_sample_value(name, labels) or 0.0


@pytest.fixture
def meters() -> Meters:
    meters = Meters()
    meters.know({"studio": ["studio-1"]})
    return meters


@pytest.fixture
def counted_worker(
    client: Client, store: ObjectStore, settings: Settings, meters: Meters
) -> CountedWorker:
    """Run all workers around a block, with everything they do counted."""

    @asynccontextmanager
    async def running(provider: FakeProvider) -> AsyncIterator[None]:
        config = client.config()
        config["interceptors"] = [ActivityWatch(meters)]
        async with AsyncExitStack() as stack:
            for worker in build_workers(
                Client(**config),
                settings,
                store,
                load_catalogue(settings.config),
                Roster({"studio": provider}),
                told=meters.entered,
            ):
                await stack.enter_async_context(worker)
            yield

    return running
