"""A whole Darkroom for both clients, and the built TypeScript package."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TYPESCRIPT = ROOT / "clients" / "typescript"


@pytest.fixture(scope="session")
def package() -> Path:
    """The folder of the TypeScript client, built; building it is a check of its types."""
    lock = TYPESCRIPT / "package-lock.json"
    installed = TYPESCRIPT / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        run_node("npm", "ci", "--prefer-offline")
    run_node("npm", "run", "build")
    return TYPESCRIPT


def run_node(program: str, *arguments: str, cwd: Path = TYPESCRIPT, **environ: str) -> str:
    """What a program of Node's prints; a test that cannot run it fails, and says why."""
    if shutil.which(program) is None:
        pytest.fail(f"`{program}` is not on PATH; the tests of the clients need Node 20 or newer")
    done = subprocess.run(
        [program, *arguments],
        cwd=cwd,
        env={**os.environ, "NO_PROXY": "127.0.0.1", **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    if done.returncode:
        told = f"{done.stdout}\n{done.stderr}".strip()
        pytest.fail(f"`{program} {' '.join(arguments)}` failed:\n{told}", pytrace=False)
    return done.stdout
