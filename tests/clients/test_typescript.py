"""The TypeScript client: by itself, against a whole Darkroom, and as it is packed."""

from __future__ import annotations

import json
from pathlib import Path

from tests.clients.conftest import run_node
from tests.e2e.stack import Stack


def test_it_does_what_it_says_whatever_the_server_does(package: Path) -> None:
    run_node("node", "--test", "test/client.test.js", cwd=package)


def test_it_passes_against_a_whole_darkroom(package: Path, stack: Stack) -> None:
    run_node("node", "--test", "test/stack.test.js", cwd=package, DARKROOM_URL=stack.url)


def test_what_is_packed_is_what_runs_and_no_more(package: Path) -> None:
    [packed] = json.loads(run_node("npm", "pack", "--dry-run", "--json", "--ignore-scripts"))
    names = sorted(file["path"] for file in packed["files"])
    modules = sorted(path.stem for path in (package / "src").glob("*.ts"))
    built = [f"dist/{name}.{kind}" for name in modules for kind in ("d.ts", "js")]
    assert names == sorted(["README.md", "package.json", *built])


def test_nothing_is_needed_at_run_time_but_openapi_fetch(package: Path) -> None:
    assert list(json.loads((package / "package.json").read_text())["dependencies"]) == [
        "openapi-fetch"
    ]
