"""A fleet behind one address, and the flows of deployed frontends compiled against their types."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import npm
from tests.e2e.stack import Stack
from tests.e2e.workers import beside
from tests.round_robin import round_robin

HERE = Path(__file__).parent

RunFlow = Callable[[str], Any]


class Front:
    """What a frontend sees of two API processes and three workers: one address."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.Client(base_url=url, trust_env=False, timeout=60)


@pytest.fixture(scope="package")
def whole_front(whole_stack: Stack) -> Iterator[Front]:
    whole_stack.ensure_up()
    with beside(whole_stack) as fleet:
        [second], _ = fleet.start(apis=1, workers=2)
        with round_robin([whole_stack.url, second.url]) as url:
            front = Front(url)
            yield front
            front.http.close()


@pytest.fixture
def front(whole_stack: Stack, whole_front: Front) -> Front:
    whole_stack.ensure_up()
    return whole_front


@pytest.fixture(scope="session")
def compiled_flows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the compiled flows; compiling them is itself a check of their types."""
    install_compiler()
    folder = tmp_path_factory.mktemp("flows")
    compiler = HERE / "node_modules" / "typescript" / "bin" / "tsc"
    output_of("node", str(compiler), "--project", str(HERE), "--outDir", str(folder))
    shutil.copy(HERE / "package.json", folder)  # it says that these are modules
    return folder


@pytest.fixture
def run_flow(front: Front, compiled_flows: Path) -> RunFlow:
    """Run a flow of `run.ts` against the fleet; gives what it printed."""

    def run(flow: str) -> Any:
        return json.loads(output_of("node", str(compiled_flows / "run.js"), flow, url=front.url))

    return run


def install_compiler() -> None:
    """Install what the lock names, unless that was done already."""
    npm.install(HERE)


def output_of(program: str, *arguments: str, url: str = "") -> str:
    """What a program prints; a test that cannot run it fails, and says what is missing."""
    env = {**os.environ, "DARKROOM_URL": url, "NO_PROXY": "127.0.0.1"}
    return npm.output_of(HERE, program, *arguments, env=env)
