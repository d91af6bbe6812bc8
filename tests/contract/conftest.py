"""A whole Darkroom, and the flows of deployed frontends compiled against their types."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import npm
from tests.e2e.stack import Stack

HERE = Path(__file__).parent

RunFlow = Callable[[str], Any]


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
def run_flow(stack: Stack, compiled_flows: Path) -> RunFlow:
    """Run a flow of `run.ts` against the stack; gives what it printed."""

    def run(flow: str) -> Any:
        return json.loads(output_of("node", str(compiled_flows / "run.js"), flow, url=stack.url))

    return run


def install_compiler() -> None:
    """Install what the lock names, unless that was done already."""
    npm.install(HERE)


def output_of(program: str, *arguments: str, url: str = "") -> str:
    """What a program prints; a test that cannot run it fails, and says what is missing."""
    env = {**os.environ, "DARKROOM_URL": url, "NO_PROXY": "127.0.0.1"}
    return npm.output_of(HERE, program, *arguments, env=env)
