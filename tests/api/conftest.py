"""The API behind a real HTTP server, on the session's real engine and store."""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from temporalio.client import Client

from api.app import create_app
from api.services import Services
from providers.catalogue import load_catalogue
from providers.registry import Roster
from settings import Settings
from storage import objects
from tests.conftest import WorkerFactory, connect
from tests.fakes import FakeProvider
from tests.round_robin import round_robin
from tests.waiting import eventually, free_port
from worker import build_workers

API = "/api/v1/images"
DOCUMENT = create_app(Settings(config=Path("none.toml"), keys_file=Path("none.toml"))).openapi()
PROMPT = "a lighthouse above the sea at dawn"
PATIENCE_SECONDS = 20.0
_POLL_SECONDS = 0.1

Json = dict[str, Any]
Serve = Callable[..., AbstractAsyncContextManager["Caller"]]
Forgetful = Callable[[], AbstractAsyncContextManager["Caller"]]


class Caller:
    """A frontend: it posts, polls and decides, over HTTP only."""

    def __init__(self, http: httpx.AsyncClient, *apps: FastAPI, urls: Iterable[str] = ()) -> None:
        self.http = http
        self.apps = apps
        """That answer in turn."""
        self.urls = itertools.cycle(urls)
        """Where to ask each of them, for what no HTTP client of ours would send."""

    @property
    def app(self) -> FastAPI:
        """The only one that answers."""
        [only] = self.apps
        return only

    async def post(self, path: str, body: Json | None = None, **query: str) -> httpx.Response:
        return await self.http.post(
            f"{API}{path}",
            content=b"" if body is None else json.dumps(body),
            headers={"Content-Type": "application/json"},
            params=query,
        )

    async def get(self, path: str) -> httpx.Response:
        return await self.http.get(f"{API}{path}")

    async def delete(self, path: str) -> httpx.Response:
        return await self.http.delete(f"{API}{path}")

    async def create(self, **image: Any) -> str:
        """The id of a small new job."""
        answer = await self.post("/generate-async", small(**image))
        assert answer.status_code == 202, answer.text
        return str(answer.json()["job_id"])

    async def create_batch(self, *images: Json, **batch: Any) -> Json:
        body = {"images": [small(**image) for image in images], **batch}
        answer = await self.post("/batch-generate", body)
        assert answer.status_code == 202, answer.text
        return dict(answer.json())

    async def job(self, job_id: str) -> Json:
        answer = await self.get(f"/jobs/{job_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def batch(self, batch_id: str) -> Json:
        answer = await self.get(f"/batches/{batch_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def job_once(self, job_id: str, test: Callable[[Json], object], why: str) -> Json:
        """The job as soon as `test` holds of it."""

        async def look() -> Json | None:
            job = await self.job(job_id)
            return job if test(job) else None

        return await eventually(look, why, _POLL_SECONDS)

    async def batch_once(self, batch_id: str, test: Callable[[Json], object], why: str) -> Json:
        """The batch as soon as `test` holds of it."""

        async def look() -> Json | None:
            batch = await self.batch(batch_id)
            return batch if test(batch) else None

        return await eventually(look, why, _POLL_SECONDS)

    async def ended(self, job_id: str) -> Json:
        """The job once pollers would stop."""
        return await self.job_once(
            job_id, lambda job: job["status"] in ("completed", "failed"), f"{job_id} ends"
        )

    async def completed(self, job_id: str) -> Json:
        job = await self.ended(job_id)
        assert job["status"] == "completed", job
        return job

    async def draft(self, **image: Any) -> str:
        """The id of a completed draft that awaits review."""
        job_id = await self.create(quality="draft", **image)
        await self.completed(job_id)
        return job_id


def small(**image: Any) -> Json:
    """An image request that costs a provider next to nothing."""
    if {"aspect_ratio", "aspectRatio", "quality", "placement"} & set(image):
        return {"prompt": PROMPT, **image}
    return {"prompt": PROMPT, "width": 64, "height": 64, **image}


def problem(answer: httpx.Response, status: int, code: str) -> Json:
    """The body of an answer, checked to be that problem in the documented form."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = dict(answer.json())
    assert set(body) <= {"type", "title", "status", "detail", "code", "errors"}
    assert body["type"] == f"urn:darkroom:error:{code}"
    assert body["status"] == status
    assert body["code"] == code
    assert body["title"]
    assert body["detail"].endswith((".", "!"))
    for item in body.get("errors", []):
        assert set(item) == {"field", "message"}
    return body


class _Server(uvicorn.Server):
    """Leaves the signals to the test runner."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextmanager
def engine_at(address: str, namespace: str) -> Iterator[None]:
    """The engine that an application started in this block connects to."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TEMPORAL_ADDRESS", address)
        environment.setenv("TEMPORAL_NAMESPACE", namespace)
        yield


@asynccontextmanager
async def served(
    settings: Settings, address: str, namespace: str, *, instances: int = 1
) -> AsyncIterator[Caller]:
    """The application behind a real server on a loopback port of its own.

    Several instances of it have nothing in common, and each request meets the next of them.
    """
    async with AsyncExitStack() as serving:
        apps = [create_app(settings) for _ in range(instances)]
        with engine_at(address, namespace):
            urls = [await serving.enter_async_context(_serving(app)) for app in apps]
        url = urls[0] if instances == 1 else serving.enter_context(round_robin(urls))
        http = httpx.AsyncClient(
            base_url=url,
            trust_env=False,
            verify=False,
            timeout=30,
            limits=httpx.Limits(max_connections=None),
        )
        yield Caller(await serving.enter_async_context(http), *apps, urls=urls)


@asynccontextmanager
async def _serving(app: FastAPI) -> AsyncIterator[str]:
    config = uvicorn.Config(app, log_config=None, access_log=False, ws="none", lifespan="on")
    server = _Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        await eventually(lambda: _started(server, serving), "the API serves")
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await serving


async def _started(server: uvicorn.Server, serving: asyncio.Task[None]) -> bool:
    if serving.done():
        serving.result()
    return server.started


def put_behind(
    api: Caller,
    client: Client,
    store: objects.ObjectStore,
    settings: Settings,
    provider: FakeProvider | None = None,
) -> Caller:
    """The API with another way to the engine, and a provider for what it renders itself."""
    for app in api.apps:
        app.state.services = Services.build(
            settings,
            client,
            store,
            load_catalogue(settings.config),
            Roster({"studio": provider or FakeProvider()}),
        )
    return api


def api_settings(config: Path, store_url: str, bucket: str, **more: Any) -> Settings:
    """With an engine that may take its time: the machine has other things to do as well."""
    return Settings(
        config=config,
        keys_file=config.with_name("keys.toml"),
        drain_seconds=0,
        stand_in=True,
        s3_endpoint=store_url,
        s3_bucket=bucket,
        poll_interval_seconds=0.05,
        **{"patience_seconds": PATIENCE_SECONDS, **more},
    )


@asynccontextmanager
async def manned(
    engine_address: str,
    namespace: str,
    store_url: str,
    home: Path,
    provider: FakeProvider | None = None,
    *,
    instances: int = 1,
    crews: int = 1,
    **changes: Any,
) -> AsyncIterator[Caller]:
    """The API with all workers, so many times, in a namespace and bucket of its own."""
    store = objects.connect(store_url, namespace)
    await store.ensure_bucket()
    settings = api_settings(home / "none.toml", store_url, namespace, **changes)
    roster = Roster({"studio": provider or FakeProvider()})
    catalogue = load_catalogue(settings.config)
    async with AsyncExitStack() as stack:
        for _ in range(crews):
            client = await connect(engine_address, namespace)
            for worker in build_workers(client, settings, store, catalogue, roster):
                await stack.enter_async_context(worker)
        api = served(settings, engine_address, namespace, instances=instances)
        yield await stack.enter_async_context(api)


@pytest.fixture
def settings(tmp_path: Path, store_url: str, client: Client) -> Settings:
    return api_settings(tmp_path / "darkroom.toml", store_url, client.namespace)


@pytest.fixture
def new_worker(new_worker: WorkerFactory) -> WorkerFactory:
    """Workers as they run for users: pollers do not make every query a replay."""
    return partial(new_worker, cached_workflows=100)


@pytest.fixture
def serve(
    settings: Settings, engine_address: str, client: Client, store: objects.ObjectStore
) -> Serve:
    """Run the API around a block, by default on what the test's other processes run on."""

    def serving(
        *,
        engine: str = engine_address,
        namespace: str = client.namespace,
        instances: int = 1,
        **changes: Any,
    ) -> AbstractAsyncContextManager[Caller]:
        changed = settings.model_copy(update=changes)
        return served(changed, engine, namespace, instances=instances)

    return serving


@pytest.fixture
def forgetful(serve: Serve, namespaces: Iterator[str]) -> Forgetful:
    """The API on the same records, with an engine that knows nothing of them any more."""
    return lambda: serve(namespace=next(namespaces))


@pytest.fixture
async def api(serve: Serve) -> AsyncIterator[Caller]:
    """The API in a namespace and bucket of the test's own; workers are the test's to run."""
    async with serve() as caller:
        yield caller


@pytest.fixture(scope="session")
async def door(
    engine_address: str, namespaces: Iterator[str], store_url: str, home: Path
) -> AsyncIterator[Caller]:
    """Two instances of the API for all tests that no worker ever has to look at."""
    namespace = next(namespaces)
    await objects.connect(store_url, namespace).ensure_bucket()
    settings = api_settings(home / "none.toml", store_url, namespace)
    async with served(settings, engine_address, namespace, instances=2) as caller:
        yield caller


@pytest.fixture(scope="session")
async def staffed(
    engine_address: str, namespaces: Iterator[str], store_url: str, home: Path
) -> AsyncIterator[Caller]:
    """Two instances of the API for all tests that only need workers to be there, with three crews
    of them and a fake provider.

    It fetches pictures from this machine.
    """
    own = next(namespaces)
    async with manned(
        engine_address,
        own,
        store_url,
        home,
        instances=2,
        crews=3,
        reference_allow_hosts="127.0.0.1",
    ) as caller:
        yield caller


@pytest.fixture(scope="session")
async def engineless(store_url: str, home: Path, closed_address: str) -> AsyncIterator[Caller]:
    """Two instances of the API whose engine is away."""
    bucket = "engineless"
    await objects.connect(store_url, bucket).ensure_bucket()
    settings = api_settings(home / "none.toml", store_url, bucket)
    async with served(settings, closed_address, "default", instances=2) as caller:
        yield caller


@pytest.fixture(scope="session")
def closed_address() -> str:
    """A loopback address at which nobody listens."""
    return f"127.0.0.1:{free_port()}"
