"""A real Temporal server and a real S3 server for the whole session.

Each test gets a namespace and a bucket of its own, so that nothing of one reaches another.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from xdist.scheduler import LoadFileScheduling

from cli import embedded
from domain.jobs import JobRequest
from pipeline.planning import Planner
from providers.catalogue import load_catalogue
from providers.registry import Roster
from settings import Settings
from storage import objects
from storage.archive import Archive
from tests.e2e.stack import FEW_FILES, Stack
from tests.fakes import FakeProvider
from tests.starting import REVIEW_SECONDS, BatchStarter, wish
from tests.vendors.stand_in import StandIn, running_stand_in
from tests.waiting import free_port, running
from worker import build_workers

# The same examples in every run, and no clock to lose against.
hypothesis_settings.register_profile("darkroom", deadline=None, derandomize=True, database=None)
hypothesis_settings.load_profile("darkroom")

_SCHEDULING = [f"scheduling-{number}" for number in range(20)]
_NO_SCHEDULER = ("--dynamic-config-value", "worker.perNamespaceWorkerCount=0")
"""A namespace's scheduler polls for ever: four hundred of them cost a third of a core."""

_ON_A_WHOLE_STACK = {
    "tests/e2e/": "e2e",
    "tests/clients/": "frontends",
    "tests/contract/": "frontends",
}
"""Which tests share one: in two groups, as one would take a process longer than all others."""

WorkerFactory = Callable[..., AbstractAsyncContextManager[FakeProvider]]


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("darkroom")


@pytest.fixture(scope="session")
def all_namespaces(request: pytest.FixtureRequest) -> list[str]:
    """Enough for all tests in one process; a thousand cost 6 % of a core."""
    tests = [item for item in request.session.items if isinstance(item, pytest.Function)]
    takers = sum("namespaces" in test.fixturenames for test in tests)
    return [f"test-{number}" for number in range(takers + 50)]


@pytest.fixture(scope="session")
def engine_address(home: Path, all_namespaces: list[str]) -> Iterator[str]:
    """Of an engine for everything but schedules."""
    with _engine(home, all_namespaces, *_NO_SCHEDULER) as address:
        yield address


@pytest.fixture(scope="session")
def scheduling_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of an engine for schedules too."""
    with _engine(tmp_path_factory.mktemp("scheduling"), _SCHEDULING) as address:
        yield address


@contextmanager
def _engine(home: Path, namespaces: list[str], *more: str) -> Iterator[str]:
    port = free_port()
    child = embedded.engine(home, port, free_port())
    names = itertools.chain.from_iterable(("--namespace", name) for name in namespaces)
    with running(child, home / "engine.log", *more, *names):
        yield f"127.0.0.1:{port}"


@pytest.fixture(scope="session")
def store_keys(home: Path) -> embedded.StoreKeys:
    return embedded.store_keys(home)


@pytest.fixture(scope="session")
def store_url(home: Path, store_keys: embedded.StoreKeys) -> Iterator[str]:
    port = free_port()
    child = embedded.store(home, port, "darkroom", store_keys)
    with running(child, home / "store.log"):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="session", autouse=True)
def aws_environment(store_keys: embedded.StoreKeys) -> None:
    os.environ["AWS_ACCESS_KEY_ID"] = store_keys.access_key_id
    os.environ["AWS_SECRET_ACCESS_KEY"] = store_keys.secret_access_key
    os.environ["AWS_REGION"] = os.environ["AWS_DEFAULT_REGION"] = embedded.REGION
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"


@pytest.fixture(scope="session", autouse=True)
def busy_machine() -> None:
    """A workflow task that takes two seconds of a crowded machine is no deadlock."""
    os.environ["TEMPORAL_DEBUG"] = "1"


@pytest.fixture(scope="session")
def namespaces(all_namespaces: list[str]) -> Iterator[str]:
    return iter(all_namespaces)


async def connect(engine_address: str, namespace: str) -> Client:
    """A client of its own: one cannot have several workers of a queue."""
    return await Client.connect(
        engine_address, namespace=namespace, data_converter=pydantic_data_converter
    )


@pytest.fixture
async def client(engine_address: str, namespaces: Iterator[str]) -> Client:
    return await connect(engine_address, next(namespaces))


@pytest.fixture(scope="session")
def scheduling_namespaces() -> Iterator[str]:
    return iter(_SCHEDULING)


@pytest.fixture
async def scheduling_client(
    scheduling_address: str, scheduling_namespaces: Iterator[str]
) -> Client:
    """What the modules that test schedules take as `client`."""
    return await connect(scheduling_address, next(scheduling_namespaces))


@pytest.fixture
async def store(store_url: str, client: Client) -> objects.ObjectStore:
    store = objects.connect(store_url, client.namespace)
    await store.ensure_bucket()
    return store


@pytest.fixture
def archive(store: objects.ObjectStore) -> Archive:
    return Archive(store)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        config=tmp_path / "darkroom.toml",
        keys_file=tmp_path / "keys.toml",
        drain_seconds=0,
        stand_in=True,
    )


@pytest.fixture
def new_worker(
    engine_address: str, client: Client, store: objects.ObjectStore, settings: Settings
) -> WorkerFactory:
    """Run all workers, without a workflow cache, around a block; yields the fake provider.

    `crews` is how many times they are run.
    """

    @asynccontextmanager
    async def running_workers(
        provider: FakeProvider | None = None, *, cached_workflows: int = 0, crews: int = 1
    ) -> AsyncIterator[FakeProvider]:
        fake = provider or FakeProvider()
        catalogue = load_catalogue(settings.config)
        async with AsyncExitStack() as stack:
            others = [await connect(engine_address, client.namespace) for _ in range(crews - 1)]
            for own in (client, *others):
                for worker in build_workers(
                    own,
                    settings,
                    store,
                    catalogue,
                    Roster({"studio": fake}),
                    cached_workflows=cached_workflows,
                ):
                    await stack.enter_async_context(worker)
            yield fake

    return running_workers


@pytest.fixture
def planner(settings: Settings) -> Planner:
    return Planner(
        load_catalogue(settings.config),
        frozenset({"studio"}),
        {},
        stand_in=True,
        review_seconds=REVIEW_SECONDS,
    )


@pytest.fixture
def draft_request(planner: Planner) -> JobRequest:
    return planner.job(wish())


@pytest.fixture
def start_batch(client: Client, archive: Archive, planner: Planner) -> BatchStarter:
    return BatchStarter(client, archive, planner)


@pytest.fixture(scope="session")
def one_stand_in() -> Iterator[StandIn]:
    with running_stand_in() as stand_in:
        yield stand_in


@pytest.fixture
def stand_in(one_stand_in: StandIn) -> StandIn:
    """The vendors, as if nothing had ever happened."""
    one_stand_in.reset()
    return one_stand_in


@pytest.fixture(scope="session")
def whole_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One Darkroom as an operator starts it, for all of a process's tests that only need one."""
    folder = tmp_path_factory.mktemp("whole-stack")
    (folder / "darkroom.toml").write_text(FEW_FILES)
    stack = Stack(folder)
    try:
        yield stack
    finally:
        stack.close()


@pytest.fixture
def stack(whole_stack: Stack) -> Stack:
    """The same, healthy whatever the test before has done to it."""
    whole_stack.ensure_up()
    return whole_stack


class _WholeStacksTogether(LoadFileScheduling):  # type: ignore[misc]  # it has no types
    """Tests go to processes by their files, those that share a whole stack together."""

    def _split_scope(self, nodeid: str) -> str:
        file = str(super()._split_scope(nodeid))
        shared = (name for place, name in _ON_A_WHOLE_STACK.items() if file.startswith(place))
        return next(shared, file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    return _WholeStacksTogether(config, log)
