"""The command against a whole Darkroom, as a shell runs it: what it prints and how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.e2e.stack import Stack
from tests.waiting import free_port

Darkroom = Callable[..., subprocess.CompletedProcess[str]]

ARTICLE = """---
darkroom: {aspect_ratio: "16:9"}
---
![prompt: a lighthouse](images/hero)

![prompt: two hikers](<> "Two hikers")
"""


@pytest.fixture
def darkroom(stack: Stack, tmp_path: Path) -> Darkroom:
    """Run `darkroom …` in a folder of the test's own; the exit status is for it to check."""

    def run(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        ours = {name: value for name, value in os.environ.items() if "DARKROOM" not in name}
        return subprocess.run(
            [Path(sys.executable).with_name("darkroom"), *words],
            env={**ours, "DARKROOM_URL": stack.url, **environ},
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def told(done: subprocess.CompletedProcess[str]) -> Any:
    """The JSON that a command prints that has succeeded."""
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_draft_is_made_approved_and_saved(darkroom: Darkroom, tmp_path: Path) -> None:
    words = ("a lighthouse", "--quality", "draft", "--aspect-ratio", "16:9", "--blog", "cli")
    draft = told(darkroom("generate", *words, "--wait", "--json"))
    assert draft["review"]["state"] == "awaiting"
    listed = told(darkroom("jobs", "--blog", "cli", "--review", "awaiting", "--json"))
    assert [job["job_id"] for job in listed["jobs"]] == [draft["job_id"]]
    final = told(darkroom("approve", draft["job_id"], "--reviewer", "ann", "--wait", "--json"))
    assert final["draft_job_id"] == draft["job_id"]
    [saved] = told(darkroom("download", draft["job_id"], "--to", "out", "--json"))["saved"]
    assert size_of(tmp_path / saved) == (1536, 864)
    assert told(darkroom("show", draft["job_id"], "--json"))["review"]["reviewer"] == "ann"
    opened = darkroom("open", draft["job_id"], "--json")
    assert told(opened)["urls"] == [final["result"]["images"][0]["url"]]


def test_an_article_gets_its_pictures(darkroom: Darkroom, tmp_path: Path) -> None:
    article = tmp_path / "post.md"
    article.write_text(ARTICLE)
    batch_id = darkroom("batch", "post.md").stdout.strip()
    watched = darkroom("watch", batch_id, "--json")
    events = [json.loads(line) for line in watched.stdout.splitlines()]
    assert events[-1]["event"] == "completed"
    nothing = darkroom("download", batch_id, "--write-back", "post.md")
    assert (nothing.stdout, article.read_text()) == ("", ARTICLE)
    told(darkroom("download", batch_id, "--write-back", "post.md", "--drafts", "--json"))
    with_drafts = article.read_text()
    assert "![a lighthouse](images/hero.png)" in with_drafts
    assert size_of(tmp_path / "images" / "hero.png") == (512, 288)
    assert darkroom("approve", batch_id, "--wait").returncode == 0
    again = darkroom("download", batch_id, "--write-back", "post.md")
    assert again.returncode == 0
    assert article.read_text() == with_drafts
    assert size_of(tmp_path / "images" / "hero.png") == (1536, 864)
    assert "![Two hikers](images/two-hikers-" in with_drafts
    assert "prompt:" not in with_drafts


def test_what_a_file_has_wrong_is_told_with_its_line(darkroom: Darkroom, tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("prompt,quality\nsea,draft\nland,drfat\n")
    refused = darkroom("batch", "b.csv")
    assert refused.returncode == 1
    assert refused.stderr.startswith("darkroom: b.csv:3: quality: ")


def test_rejecting_with_changes_starts_the_next_round(darkroom: Darkroom) -> None:
    draft = darkroom("generate", "a pier", "--quality", "draft", "--wait", "--json")
    job_id = told(draft)["job_id"]
    words = ("--revise", "a long pier", "--comment", "longer", "--wait", "--json")
    revised = told(darkroom("reject", job_id, *words))
    assert (revised["revision_of"], revised["review"]["state"]) == (job_id, "awaiting")


def test_how_it_ends_says_why(darkroom: Darkroom, stack: Stack) -> None:
    assert darkroom("show", "img_0").returncode == 4
    away = darkroom("jobs", DARKROOM_URL=f"http://127.0.0.1:{free_port()}")
    assert away.returncode == 6
    assert "darkroom up" in away.stderr
    assert darkroom("jobs", "--review", "x").returncode == 2
    assert darkroom("jobs", DARKROOM_URL="ftp://x").returncode == 1
    with stack.without("worker"):  # which might have made it before it is cancelled
        job_id = darkroom("generate", "never mind").stdout.strip()
        assert darkroom("cancel", job_id).returncode == 0
    ended = darkroom("watch", job_id)
    assert ended.returncode == 3
    assert "cancelled" in ended.stderr
    retried = darkroom("retry", job_id, "--json")
    assert told(retried)["retry_of"] == job_id


def test_prices_costs_and_providers_are_told(darkroom: Darkroom) -> None:
    quote = told(darkroom("generate", "a boat", "--quality", "draft", "--quote", "--json"))
    assert quote["total"]["price_usd"] == 0
    assert told(darkroom("costs", "--by", "provider", "--by", "day", "--json"))["rows"] == []
    plain = darkroom("providers").stdout.splitlines()
    assert plain[0].split("\t")[:2] == ["studio", "ok"]
    models = told(darkroom("providers", "--models", "--json"))["models"]
    assert "studio-1" in {model["model"] for model in models}


def test_the_doctor_finds_this_one_well_and_another_gone(darkroom: Darkroom, stack: Stack) -> None:
    checks = told(darkroom("doctor", "--json", DARKROOM_HOME=str(stack.home)))["checks"]
    assert {check["name"] for check in checks if check["state"] != "ok"} <= {"vendors", "disk"}
    assert {"api", "engine", "worker", "store", "key", "models", "clock"} <= {
        check["name"] for check in checks
    }
    gone = darkroom("doctor", DARKROOM_URL=f"http://127.0.0.1:{free_port()}")
    assert gone.returncode == 8
    assert "darkroom up" in gone.stdout
