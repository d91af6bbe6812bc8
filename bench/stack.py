"""Everything that is measured, started as `darkroom up` starts it, and the floor beside it.

Engine, store, API and worker are `cli.up`'s own; the floor's worker and API and the naive poll
endpoint join them. Ports are free ones, the home is a temporary folder, and nothing outlives us.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from bench.meters import CpuMeter
from cli import embedded
from cli.home import claimed, prepare_home
from cli.supervisor import Child, NotReadyError, ReadyCheck, Supervisor
from cli.up import CODE_ROOT, Plan, compose
from settings import Settings
from storage import objects
from storage.objects import ObjectStore
from tests.waiting import free_port

_PATIENCE_SECONDS = 120.0
"""For each to start, on a machine that does other things too."""
_OUTSIDE = ("TEMPORAL_", "AWS_", "DARKROOM_")


@dataclass(frozen=True)
class Stack:
    """Where everything listens, a client of the engine, and who uses how much CPU."""

    client: Client
    store: ObjectStore
    cpu: CpuMeter
    home: Path
    api_port: int
    floor_port: int
    naive_port: int
    metrics_port: int


@asynccontextmanager
async def running_stack() -> AsyncIterator[Stack]:
    """The whole stack, ready, for as long as the block runs."""
    _forget_outside()
    with ExitStack() as stack:
        home = stack.enter_context(_temporary_home())
        children_lock = stack.enter_context(claimed(home, _say))
        ports = [free_port() for _ in range(7)]
        settings = Settings(
            home=home,
            port=ports[0],
            temporal_port=ports[1],
            temporal_ui_port=ports[2],
            s3_port=ports[3],
            config=home / "darkroom.toml",
            drain_seconds=2,
            log_level="warning",
        )
        plan = compose(home, settings, CODE_ROOT)
        engine = replace(plan.bases[0], argv=_with_metrics(plan.bases[0], ports[4]))
        extras = _extras(plan, floor_port=ports[5], naive_port=ports[6])
        children = [engine, *plan.bases[1:], *plan.services, *extras]
        supervisor = Supervisor(logs=home / "logs", children_lock=children_lock, say=_say)
        async with supervisor:
            for child in children:
                await supervisor.start(replace(child, ready_seconds=_PATIENCE_SECONDS))
            client = await Client.connect(
                f"{embedded.LOOPBACK}:{settings.temporal_port}",
                data_converter=pydantic_data_converter,
            )
            cpu = CpuMeter({child.name: child.argv for child in children})
            yield Stack(
                client, _store(settings, plan), cpu, home, ports[0], ports[5], ports[6], ports[4]
            )


def _store(settings: Settings, plan: Plan) -> ObjectStore:
    """The services' own, by the credentials that they are given."""
    given = plan.services[0].env or {}
    os.environ |= {name: value for name, value in given.items() if name.startswith("AWS_")}
    return objects.connect(given["DARKROOM_S3_ENDPOINT"], settings.s3_bucket)


def _extras(plan: Plan, floor_port: int, naive_port: int) -> list[Child]:
    env = plan.services[0].env
    return [
        _uvicorn("floor api", "bench.floor_api:create_app", floor_port, env),
        Child(name="floor worker", argv=[sys.executable, "-m", "bench.floor_worker"], env=env),
        _uvicorn("naive api", "bench.naive:create_app", naive_port, env),
    ]


def _uvicorn(name: str, app: str, port: int, env: object) -> Child:
    if not isinstance(env, dict):
        raise TypeError("the environment is a dict")
    return Child(
        name=name,
        argv=[
            *(sys.executable, "-m", "uvicorn", app, "--factory"),
            *("--host", embedded.LOOPBACK, "--port", str(port)),
            *("--no-access-log", "--log-level", "warning", "--timeout-graceful-shutdown", "1"),
        ],
        env=env,
        ready=_answers(f"http://{embedded.LOOPBACK}:{port}/openapi.json"),
    )


def _answers(url: str) -> ReadyCheck:
    async def check() -> None:
        status = await embedded.status_of(url)
        if status != 200:
            raise NotReadyError(f"{url} answered {status}")

    return check


def _with_metrics(engine: Child, port: int) -> list[str]:
    """The server always counts its requests; this only says on which port it tells."""
    return [*engine.argv, "--metrics-port", str(port)]


@contextmanager
def _temporary_home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-", ignore_cleanup_errors=True) as name:
        yield prepare_home(Path(name))


def _forget_outside() -> None:
    """What is measured is the embedded stack, whatever the caller's own one is."""
    for name in list(os.environ):
        if name.startswith(_OUTSIDE):
            del os.environ[name]


def _say(line: str) -> None:
    print(line, file=sys.stderr)
