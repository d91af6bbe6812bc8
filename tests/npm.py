"""Node's packages for tests, as their lock names them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def install(folder: Path) -> None:
    """Install what the lock of a folder names, unless that was done already."""
    lock, installed = folder / "package-lock.json", folder / "node_modules" / ".package-lock.json"
    if installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime:
        return
    output_of(folder, "npm", "ci", "--prefer-offline")


def output_of(
    folder: Path, program: str, *arguments: str, env: dict[str, str] | None = None
) -> str:
    """What a program prints; a test that cannot run it fails, and says what is missing."""
    if shutil.which(program) is None:
        pytest.fail(f"`{program}` is not on PATH; these tests need Node 20 or newer")
    done = subprocess.run(
        [program, *arguments],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    if done.returncode:
        told = f"{done.stdout}\n{done.stderr}".strip()
        hint = " (is npm's registry reachable?)" if program == "npm" else ""
        pytest.fail(f"`{program} {' '.join(arguments)}` failed{hint}:\n{told}", pytrace=False)
    return done.stdout
