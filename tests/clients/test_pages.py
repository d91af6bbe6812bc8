"""Every snippet of the pages on clients and the command is run as it stands there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.batch_file import read_batch
from tests.clients.conftest import ROOT, run_node
from tests.docs.pages import page, snippets
from tests.e2e.jobs import Watch, poll, submit
from tests.e2e.stack import Stack
from tests.e2e.waiting import eventually

DEFAULT_URL = "http://127.0.0.1:8000"
STATUS_ROW = re.compile(r"^\| (\d+) \|", re.MULTILINE)

Shell = Callable[[str], str]


@pytest.fixture
def shell(stack: Stack, tmp_path: Path) -> Shell:
    """Run commands that are meant for a Darkroom on the default port; gives what they print."""
    ours = {name: value for name, value in os.environ.items() if "DARKROOM" not in name}
    path = f"{Path(sys.executable).parent}{os.pathsep}{ours['PATH']}"
    engine = {"TEMPORAL_ADDRESS": stack.engine_address}
    env = {**ours, **engine, "PATH": path, "DARKROOM_URL": stack.url}

    def run(commands: str) -> str:
        done = subprocess.run(
            ["sh", "-ec", commands.replace(DEFAULT_URL, stack.url)],
            env=env,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{commands}\n{done.stdout}{done.stderr}"
        return done.stdout

    return run


@pytest.fixture
def draft(stack: Stack, watch: Watch) -> str:
    job_id = submit(stack, "a lighthouse", quality="draft")
    watch.until_ended([job_id])
    return job_id


@pytest.fixture
def watch(stack: Stack) -> Watch:
    return Watch(stack)


def of_job(commands: str, job_id: str) -> str:
    return commands.replace("img_8d1f…", job_id)


class TestCommand:
    def test_the_first_story(self, shell: Shell, tmp_path: Path) -> None:
        story, scripted, _ = snippets(page("cli.md"), "sh")
        shell(story)
        assert len(list((tmp_path / "pictures").iterdir())) == 1
        assert "a lighthouse at dusk" in shell(scripted)

    def test_an_article_and_its_pictures(self, shell: Shell, tmp_path: Path) -> None:
        [article] = snippets(page("cli.md"), "markdown")
        (tmp_path / "post.md").write_text(article)
        *_, commands = snippets(page("cli.md"), "sh")
        shell(commands)
        written = (tmp_path / "post.md").read_text()
        assert "](images/hero.png)" in written
        assert 'src: "images/a-harbour-at-dawn-wide-' in written
        assert "![prompt:" not in written

    @pytest.mark.parametrize("language", ["yaml", "json", "csv"])
    def test_a_batch_in_every_format(self, language: str, shell: Shell, tmp_path: Path) -> None:
        [content] = snippets(page("cli.md"), language)
        file = tmp_path / f"batch.{language}"
        file.write_text(content)
        assert len(read_batch(file).images) == 2
        shell(f"darkroom batch {file.name} --quote")

    def test_the_page_lists_every_command_and_status(self) -> None:
        from cli.errors import Exit
        from cli.main import COMMANDS

        rows = [row.split("|")[1] for row in page("cli.md").splitlines() if row.startswith("| `")]
        named = {found for row in rows for found in re.findall(r"`([a-z]+)", row)}
        assert named == set(COMMANDS)
        listed = [int(status) for status in STATUS_ROW.findall(page("cli.md"))]
        assert listed == sorted([0, 2, 130, *Exit])


class TestEditorial:
    def test_by_rest(self, shell: Shell, stack: Stack, draft: str, watch: Watch) -> None:
        approve, reject, *_ = snippets(page("editorial.md"), "sh")
        approved = json.loads(shell(of_job(approve, draft)))
        assert approved["final_job_id"] == f"{draft}-final"
        other = submit(stack, "a pier", quality="draft")
        watch.until_ended([other])
        assert json.loads(shell(of_job(reject, other)))["revision_job_id"] == f"{other}-r2"

    def test_by_signal(self, shell: Shell, stack: Stack, draft: str, watch: Watch) -> None:
        *_, approve, reject = snippets(page("editorial.md"), "sh")
        other = submit(stack, "a pier", quality="draft")
        watch.until_ended([other])
        shell(of_job(approve, draft))
        shell(of_job(reject, other))
        eventually(lambda: poll(stack, draft).get("final_job_id"), "the final is started")
        eventually(lambda: poll(stack, other).get("revision_job_id"), "the next round is started")

    def test_from_python(self, stack: Stack, watch: Watch) -> None:
        [code] = snippets(page("editorial.md"), "python")
        job_id = submit(stack, "a bay", quality="draft", blog_id="from-python")
        watch.until_ended([job_id])
        scope: dict[str, Any] = {}
        exec(code.replace(DEFAULT_URL, stack.url), scope)
        assert scope["approve_all_of"]("from-python", "ann") == [f"{job_id}-final"]


def test_the_python_clients_own_page(stack: Stack, tmp_path: Path) -> None:
    [code] = snippets((ROOT / "clients" / "python" / "README.md").read_text(), "python")
    ours = code.replace(DEFAULT_URL, stack.url)
    command = [sys.executable, "-c", ours]
    said = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert said.splitlines()[-1] == "100 completed"
    assert (tmp_path / "lighthouse.png").stat().st_size


@pytest.fixture(scope="module")
def frontends(package: Path, whole_stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The modules of the page on frontends, compiled as strictly as the client itself."""
    folder = tmp_path_factory.mktemp("frontends")
    found = re.findall(r"^```tsx? file=(\S+)\n(.*?)^```$", page("frontends.md"), re.M | re.S)
    [readme] = snippets((package / "README.md").read_text(), "ts")
    for name, code in [*found, ("readme.ts", readme)]:
        (folder / name).write_text(code.replace(DEFAULT_URL, whole_stack.url))
    told = json.loads((package / "tsconfig.json").read_text())["compilerOptions"]
    told |= {"rootDir": ".", "jsx": "react-jsx", "declaration": False}
    del told["outDir"]  # beside each other
    (folder / "tsconfig.json").write_text(json.dumps({"compilerOptions": told}))
    (folder / "package.json").write_text('{"type": "module"}')
    modules = folder / "node_modules"
    modules.mkdir()
    for path in (package / "node_modules").iterdir():
        (modules / path.name).symlink_to(path)
    (modules / "darkroom-client").symlink_to(package)
    compiler = package / "node_modules" / "typescript" / "bin" / "tsc"
    run_node("node", str(compiler), "--project", str(folder))
    return folder


class TestFrontends:
    def test_every_snippet_does_what_the_page_says(self, frontends: Path, stack: Stack) -> None:
        run = (ROOT / "clients" / "typescript" / "test" / "pages.js").read_text()
        (frontends / "pages.js").write_text(run)
        told = json.loads(run_node("node", "pages.js", cwd=frontends))
        files = f"{stack.url}/api/v1/images/files/"
        for name in ("before", "after", "fallback", "draft", "final", "polled", "streamed"):
            assert told[name].startswith(files), (name, told)
        assert told["revision"].endswith("-r2")
        assert told["markup"] == ["progress", "img"]

    def test_the_clients_own_page(self, frontends: Path, stack: Stack) -> None:
        said = run_node("node", "readme.js", cwd=frontends).splitlines()
        assert said[-2] == "100 completed"
        assert said[-1].startswith(stack.url)
