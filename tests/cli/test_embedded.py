"""The engine and the store that `darkroom up` brings, as real servers that are killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest
from botocore.config import Config
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.common import SearchAttributePair, TypedSearchAttributes

from cli import embedded
from cli.errors import CommandError
from cli.home import ChildrenLock, claimed, prepare_home
from cli.supervisor import Backoff, Child, NotReadyError, Supervisor
from domain.names import SEARCH_ATTRIBUTE_TYPES, TENANT
from tests.cli.conftest import Watch
from tests.waiting import free_port

BUCKET = "darkroom"


@pytest.fixture
def own_home(tmp_path: Path) -> Path:
    return prepare_home(tmp_path / "a home")


@pytest.fixture
def lock(own_home: Path) -> Iterator[ChildrenLock]:
    with claimed(own_home, print) as held:
        yield held


@pytest.fixture
async def supervisor(own_home: Path, lock: ChildrenLock) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(
        logs=own_home / "logs",
        children_lock=lock,
        say=print,
        backoff=Backoff(first_seconds=0.01),
    )
    async with supervisor:
        yield supervisor


async def kill_and_await_return(child: Child, watch: Watch) -> None:
    """Kill the child that runs `child.argv`, and wait until its successor is ready."""
    command = " ".join(child.argv)

    def pids() -> list[int]:
        return [row.pid for row in watch.children_of(os.getpid()) if row.command == command]

    [killed] = pids()
    os.kill(killed, signal.SIGKILL)
    await watch.until_async(lambda: bool(set(pids()) - {killed}))
    await asyncio.wait_for(_ready(child), 30)


async def _ready(child: Child) -> None:
    assert child.ready is not None
    while True:
        try:
            await child.ready()
        except NotReadyError:
            await asyncio.sleep(0.02)
        else:
            return


def s3(port: int, keys: embedded.StoreKeys) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id=keys.access_key_id,
        aws_secret_access_key=keys.secret_access_key,
        region_name=embedded.REGION,
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )


async def test_an_acknowledged_object_survives_the_death_of_the_store(
    own_home: Path, supervisor: Supervisor, watch: Watch
) -> None:
    port, keys = free_port(), embedded.store_keys(own_home)
    child = embedded.store(own_home, port, BUCKET, keys)
    await supervisor.start(child)
    client, body = s3(port, keys), os.urandom(200_000)
    for index in range(20):
        client.put_object(Bucket=BUCKET, Key=f"jobs/{index}.bin", Body=body)
    await kill_and_await_return(child, watch)
    for index in range(20):
        assert client.get_object(Bucket=BUCKET, Key=f"jobs/{index}.bin")["Body"].read() == body
        assert (own_home / "s3" / BUCKET / "jobs" / f"{index}.bin").read_bytes() == body


async def test_the_store_obeys_no_rclone_settings_of_the_user(
    own_home: Path,
    supervisor: Supervisor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RCLONE_READ_ONLY", "true")
    port, keys = free_port(), embedded.store_keys(own_home)
    await supervisor.start(embedded.store(own_home, port, BUCKET, keys))
    s3(port, keys).put_object(Bucket=BUCKET, Key="key", Body=b"kept")


async def test_a_started_workflow_survives_the_death_of_the_engine(
    own_home: Path, supervisor: Supervisor, watch: Watch
) -> None:
    port = free_port()
    child = embedded.engine(own_home, port, free_port())
    await supervisor.start(child)
    client = await Client.connect(f"127.0.0.1:{port}")
    started = await client.start_workflow(
        "AnyWorkflow",
        id=f"job-{uuid4()}",
        task_queue="nobody-polls",
        search_attributes=TypedSearchAttributes([SearchAttributePair(TENANT, "press")]),
    )
    await kill_and_await_return(child, watch)
    again = await Client.connect(f"127.0.0.1:{port}")
    description = await again.get_workflow_handle(started.id).describe()
    assert description.run_id == started.result_run_id
    assert description.typed_search_attributes[TENANT] == "press"


async def test_the_engine_keeps_closed_jobs_and_knows_our_search_attributes(
    own_home: Path, supervisor: Supervisor
) -> None:
    port, ui_port = free_port(), free_port()
    await supervisor.start(embedded.engine(own_home, port, ui_port))
    client = await Client.connect(f"127.0.0.1:{port}")
    namespace = await client.workflow_service.describe_namespace(
        DescribeNamespaceRequest(namespace=embedded.NAMESPACE)
    )
    retention = namespace.config.workflow_execution_retention_ttl.ToTimedelta()
    assert retention == timedelta(days=90)
    query = " AND ".join(f"{name} IS NULL" for name in SEARCH_ATTRIBUTE_TYPES)
    assert (await client.count_workflows(query)).count == 0
    assert await embedded.status_of(f"http://127.0.0.1:{ui_port}") == 200


def test_what_the_store_was_writing_when_it_was_killed_is_removed(own_home: Path) -> None:
    folder = own_home / "s3" / BUCKET / "assets" / "img_1"
    folder.mkdir(parents=True)
    before, now, image = (
        folder / name for name in (".rclone_temp_put_1", ".rclone_temp_put_2", "0.png")
    )
    for path in (before, now, image):
        path.write_bytes(b"half an image")
    started_at = now.stat().st_mtime
    for path in (before, image):
        os.utime(path, (started_at - 1, started_at - 1))
    embedded.remove_unfinished(own_home, started_at)
    assert sorted(folder.iterdir()) == [now, image]


def test_credentials_are_made_once_and_only_their_owner_reads_them(own_home: Path) -> None:
    first, second = embedded.store_keys(own_home), embedded.store_keys(own_home)
    assert first == second
    assert stat.S_IMODE((own_home / "s3-credentials.json").stat().st_mode) == 0o600


def test_credentials_are_on_no_command_line(own_home: Path) -> None:
    keys = embedded.store_keys(own_home)
    child = embedded.store(own_home, 1, BUCKET, keys)
    assert keys.secret_access_key not in " ".join(child.argv)


@pytest.mark.parametrize("content", ["", "[]", json.dumps({"access_key_id": "alone"})])
def test_a_damaged_credentials_file_is_told(own_home: Path, content: str) -> None:
    (own_home / "s3-credentials.json").write_text(content)
    with pytest.raises(CommandError, match=r"s3-credentials\.json holds no credentials"):
        embedded.store_keys(own_home)
