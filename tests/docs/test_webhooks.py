"""The page on webhooks: its receivers receive, its tables are the code's."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from domain.webhooks import Delivery, WebhookEvent
from pipeline.delivering import Message, WebhookSender
from pipeline.subscribing import load_subscriptions
from tests.contract.conftest import HERE as CONTRACT
from tests.contract.conftest import install_compiler, output_of
from tests.docs.pages import page, snippets
from tests.receivers import LOOPBACK, SECRET, secret
from tests.waiting import eventually, free_port
from workflows.policies import deliver_to

PAGE = page("webhooks.md")
MESSAGE = Message(type="job.completed", timestamp=datetime.now(UTC), data={"job_id": "img_1"})


@pytest.fixture
def python_receiver(tmp_path: Path) -> list[str]:
    [code] = snippets(PAGE, "python")
    (tmp_path / "receive.py").write_text(code)
    return [sys.executable, str(tmp_path / "receive.py")]


@pytest.fixture
def typescript_receiver(tmp_path: Path) -> list[str]:
    install_compiler()
    [code] = snippets(PAGE, "typescript")
    (tmp_path / "receive.ts").write_text(code)
    for name in ("package.json", "tsconfig.json"):
        shutil.copy(CONTRACT / name, tmp_path)
    (tmp_path / "node_modules").symlink_to(CONTRACT / "node_modules")
    compiler = CONTRACT / "node_modules" / "typescript" / "bin" / "tsc"
    output_of("node", str(compiler), "--project", str(tmp_path))
    return ["node", str(tmp_path / "receive.js")]


@contextmanager
def receiving(command: list[str]) -> Iterator[str]:
    """A receiver of the page's as a process; yields its address."""
    port = free_port()
    environ = {**os.environ, "DARKROOM_WEBHOOK_SECRET": SECRET, "PORT": str(port)}
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, env=environ, stdout=quiet, stderr=quiet) as process:
        try:
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.kill()


async def status(url: str, *secrets: str) -> int:
    """What the receiver answers a message that is signed with these secrets."""

    async def listens() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", int(url.split(":")[2][:-1]))
        except OSError:
            return False
        writer.close()
        await writer.wait_closed()
        return True

    await eventually(listens, "the receiver listens")
    answer = await WebhookSender(LOOPBACK).post(url, "img_1.job.completed", MESSAGE, secrets)
    return answer.status


@pytest.mark.parametrize("language", ["python", "typescript"])
async def test_the_pages_receiver_takes_what_is_signed_and_nothing_else(
    language: str, request: pytest.FixtureRequest
) -> None:
    with receiving(request.getfixturevalue(f"{language}_receiver")) as url:
        assert await status(url, SECRET) == 204
        assert await status(url, secret(b"the one that comes next"), SECRET) == 204
        assert await status(url, secret(b"the one of somebody else")) == 400


def test_the_page_lists_every_event() -> None:
    listed = [line.split("`")[1] for line in PAGE.splitlines() if line.startswith("| `")]
    assert listed == [str(event) for event in WebhookEvent]


def test_the_pages_tables_are_taken(tmp_path: Path) -> None:
    [tables] = snippets(PAGE, "toml")
    (tmp_path / "darkroom.toml").write_text(tables)
    environ = {"CMS_WEBHOOK_SECRET": SECRET, "MAGAZINE_WEBHOOK_SECRET": SECRET}
    found = load_subscriptions(tmp_path / "darkroom.toml", environ, (), frozenset())
    assert [told.url for told in found.of("default")] == ["https://cms.example.com/darkroom"]
    assert found.secrets("magazine", "https://desk.example/") == (SECRET,)


def test_the_pages_pauses_are_the_policys() -> None:
    pauses = list(_pauses())
    written = next(line for line in PAGE.splitlines() if line.startswith("| pause"))
    assert [each.strip() for each in written.strip("| ").split("|")[1:]] == [
        _rounded(pause) for pause in pauses[:9]
    ]
    assert set(pauses[8:]) == {timedelta(hours=4)}
    assert len(pauses) + 1 == 25


def _pauses() -> Iterator[timedelta]:
    delivery = Delivery(
        subject_id="img_1",
        event=WebhookEvent.JOB_FAILED,
        happened_at=datetime.now(UTC),
        url="https://a.example/",
    )
    config = deliver_to(delivery)
    policy, left = config["retry_policy"], config["schedule_to_close_timeout"]
    assert policy is not None
    assert policy.maximum_interval is not None
    assert left is not None
    pause = policy.initial_interval
    while left >= pause:
        yield pause
        left -= pause
        pause = min(pause * policy.backoff_coefficient, policy.maximum_interval)


def _rounded(pause: timedelta) -> str:
    seconds = pause.total_seconds()
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:.0f} h"
