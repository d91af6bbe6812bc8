"""`docker-compose.yml`, without Docker: its form, and its own services as the processes they are.

The services run from the files that the image is built from, by the commands and with the
environment that the file gives; only addresses and folders of containers are put in place.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import yaml
from temporalio.client import Client

from cli import embedded
from settings import Settings
from tests.deploy import compose
from tests.e2e.waiting import eventually
from tests.fleet import Process, running_from
from tests.waiting import free_port

API = "/api/v1/images"
VARIABLES = {"DARKROOM_S3_SECRET": "s3-secret", "DARKROOM_DATABASE_PASSWORD": "db-secret"}
BIN = Path(sys.executable).parent


class Container(NamedTuple):
    process: Process
    url: str
    healthcheck: list[str]
    environment: dict[str, str]


def test_it_is_what_the_compose_specification_allows() -> None:
    subprocess.run(
        [BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", compose.FILE],
        check=True,
    )


def test_every_secret_has_to_be_set() -> None:
    for name in VARIABLES:
        with pytest.raises(KeyError, match=name):
            compose.document({key: "x" for key in VARIABLES if key != name})


def test_images_are_pinned_and_none_is_retired() -> None:
    for name, service in compose.document(VARIABLES)["services"].items():
        image, _, tag = service["image"].partition(":")
        assert re.match(r"v?\d", tag), f"{name} is {service['image']}"
        assert image not in ("temporalio/auto-setup", "temporalio/web", "minio/minio")


def test_files_that_are_mounted_are_there() -> None:
    for service in compose.document(VARIABLES)["services"].values():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert not source.startswith("./") or (compose.ROOT / source).exists(), source


def test_only_the_proxy_can_be_published_beyond_this_machine() -> None:
    for name, service in compose.document({**VARIABLES, "DARKROOM_BIND": "0.0.0.0:80"})[
        "services"
    ].items():
        for port in service.get("ports", []):
            assert name == "proxy" or port.startswith("127.0.0.1:")


def test_a_worker_is_left_the_time_to_drain() -> None:
    worker = compose.service("worker", VARIABLES)
    assert worker.stop_grace_seconds > float(worker.environment["DARKROOM_DRAIN_SECONDS"])


def test_the_engine_takes_turns_among_tenants_as_the_embedded_one_does() -> None:
    file = compose.ROOT / "deploy" / "temporal" / "dynamicconfig.yaml"
    for name, [only] in yaml.safe_load(file.read_text()).items():
        assert embedded.DYNAMIC_CONFIG[name] == str(only["value"]).lower()


def test_every_variable_of_ours_is_a_setting() -> None:
    ours = set()
    for name in ("api", "worker"):
        ours |= set(compose.service(name, VARIABLES).environment)
    known = {f"DARKROOM_{field.upper()}" for field in Settings.model_fields}
    assert {name for name in ours if name.startswith("DARKROOM_")} <= known


def test_the_dockerfile_has_no_known_faults() -> None:
    subprocess.run([BIN / "hadolint", compose.ROOT / "Dockerfile"], check=True)


def test_the_schema_is_created_and_brought_up_to_date(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    tool = tmp_path / "temporal-sql-tool"
    tool.write_text(
        f'#!/bin/sh\necho "$SQL_DATABASE $*" >> {calls}\n[ "$1" != setup-schema ]  # is there\n'
    )
    tool.chmod(0o755)
    schema = compose.ROOT / "deploy" / "temporal" / "schema.sh"
    path = f"{tmp_path}:{os.environ['PATH']}"
    subprocess.run(["sh", schema], check=True, env={"PATH": path})
    done = [line.split()[:2] for line in calls.read_text().splitlines()]
    steps = ("create-database", "setup-schema", "update-schema")
    assert done == [[db, step] for db in ("temporal", "temporal_visibility") for step in steps]


def test_the_namespace_keeps_closed_jobs_for_90_days(engine_address: str) -> None:
    script = compose.ROOT / "deploy" / "temporal" / "namespace.sh"
    env = {
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "TEMPORAL_ADDRESS": engine_address,
        "TEMPORAL_NAMESPACE": "made-by-compose",
        "TEMPORAL_CONFIG_FILE": os.devnull,
    }
    for _ in range(2):
        subprocess.run(["sh", script], check=True, env=env)
    told = subprocess.run(
        ["temporal", "operator", "namespace", "describe", "--namespace", "made-by-compose"],
        check=True,
        env=env,
        capture_output=True,
        text=True,
    ).stdout
    assert "2160h" in told


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is installed in the image: the wheel of what `.dockerignore` lets through."""
    source = tmp_path_factory.mktemp("context")
    for line in (compose.ROOT / ".dockerignore").read_text().splitlines():
        if not line.startswith("!"):
            continue
        given = compose.ROOT / line[1:]
        if given.is_dir():
            shutil.copytree(
                given, source / line[1:], ignore=shutil.ignore_patterns("__pycache__", "*.pyc")
            )
        elif given.exists():
            shutil.copy(given, source)
    wheels = tmp_path_factory.mktemp("wheels")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", wheels],
        cwd=source,
        check=True,
        capture_output=True,
    )
    [wheel] = wheels.glob("*.whl")
    installed = tmp_path_factory.mktemp("site-packages")
    zipfile.ZipFile(wheel).extractall(installed)
    return installed


def test_the_image_needs_none_of_our_modules_from_elsewhere(image: Path, tmp_path: Path) -> None:
    program = (
        "import sys, api.app, cli.main, worker\n"
        "print(*(getattr(each, '__file__', None) for each in sys.modules.values()), sep='\\n')"
    )
    told = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], **running_from(image)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    here = [Path(line) for line in told.splitlines() if line.startswith(str(compose.ROOT))]
    assert [file for file in here if "site-packages" not in file.parts] == []


@pytest.fixture
def places(
    client: Client, engine_address: str, store_url: str, store_keys: embedded.StoreKeys
) -> dict[str, str]:
    """What takes the place of the other containers."""
    return {
        "TEMPORAL_ADDRESS": engine_address,
        "TEMPORAL_NAMESPACE": client.namespace,
        "DARKROOM_S3_ENDPOINT": store_url,
        "DARKROOM_S3_BUCKET": client.namespace,
        "AWS_ACCESS_KEY_ID": store_keys.access_key_id,
        "AWS_SECRET_ACCESS_KEY": store_keys.secret_access_key,
    }


@contextmanager
def container(
    name: str, image: Path, home: Path, places: Mapping[str, str], number: int
) -> Iterator[Container]:
    """One replica of a service, as a process on loopback ports of its own."""
    service = compose.service(name, VARIABLES)
    port, log = str(free_port()), home / f"{name}-{number}.log"
    own = {"8000": port, "9464": port, "0.0.0.0": "127.0.0.1"}

    def here(text: str) -> str:
        for theirs, ours in own.items():
            text = re.sub(rf"\b{re.escape(theirs)}\b", ours, text)
        return text

    environment = {
        **{key: here(value) for key, value in service.environment.items()},
        **places,
        "DARKROOM_HOME": str(home),
        "DARKROOM_CONFIG": str(compose.ROOT / "deploy" / "config" / "darkroom.toml"),
        "DARKROOM_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "TEMPORAL_CONFIG_FILE": os.devnull,
        "PATH": f"{BIN}:{os.environ['PATH']}",
        **running_from(image),
    }
    process = Process([here(part) for part in service.command], environment, home, log)
    check = [here(part) for part in service.healthcheck]
    try:
        yield Container(process, f"http://127.0.0.1:{port}", check, environment)
    finally:
        process.kill()


def is_healthy(one: Container) -> bool:
    assert one.process.is_ready()
    checked = subprocess.run(one.healthcheck, env=one.environment, capture_output=True, check=False)
    return checked.returncode == 0


def test_two_api_processes_and_two_workers_carry_a_draft_to_its_final(
    image: Path, places: dict[str, str], tmp_path: Path
) -> None:
    with ExitStack() as running:
        fleet = {
            name: [
                running.enter_context(container(name, image, tmp_path, places, number))
                for number in range(compose.service(name, VARIABLES).replicas)
            ]
            for name in ("api", "worker")
        }
        for one in [*fleet["api"], *fleet["worker"]]:
            eventually(lambda one=one: is_healthy(one), f"{one.process.log.stem} is healthy")  # type: ignore[misc]
        first, second = [_client(running, one, tmp_path) for one in fleet["api"]]
        draft = _made(first, {"prompt": "a lighthouse at dusk", "quality": "draft"}, second)
        worker = fleet["worker"][0].process
        worker.ask_to_stop()
        approved = second.post(f"{API}/jobs/{draft['job_id']}/approve", json={"reviewer": "ann"})
        assert approved.status_code == 202, approved.text
        final = _ended(first, approved.json()["final_job_id"])
        assert final["result"]["provider"] == "studio"
        assert final["draft_job_id"] == draft["job_id"]
        assert second.get(final["result"]["images"][0]["url"]).status_code == 200
        assert worker.stopped(compose.service("worker", VARIABLES).stop_grace_seconds) == 0


def _client(running: ExitStack, one: Container, home: Path) -> httpx.Client:
    """A caller with a key of its own, made as an operator makes it: in a container of the API."""
    name = one.process.log.stem
    made = subprocess.run(
        ["darkroom", "keys", "create", "--name", name, "--scope", "admin"],
        cwd=home,
        env=one.environment,
        check=True,
        capture_output=True,
        text=True,
    )
    [key] = re.findall(r"\bdk_\S+", made.stdout)
    headers = {"Authorization": f"Bearer {key}"}
    return running.enter_context(
        httpx.Client(base_url=one.url, headers=headers, trust_env=False, timeout=30)
    )


def _made(api: httpx.Client, image: dict[str, Any], other: httpx.Client) -> dict[str, Any]:
    """An image that one API process takes in and another tells the end of."""
    answer = api.post(f"{API}/generate-async", json=image)
    assert answer.status_code == 202, answer.text
    return _ended(other, answer.json()["job_id"])


def _ended(api: httpx.Client, job_id: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        job = api.get(f"{API}/jobs/{job_id}", params={"wait": "10"}).json()
        return dict(job) if job.get("status") in ("completed", "failed") else None

    job = eventually(look, f"{job_id} ends")
    assert job["status"] == "completed", job
    return job
