"""Secrets stay where they are kept: not in logs, not on command lines, not in answers."""

from __future__ import annotations

import json

from tests.e2e.engine import signal_by_command
from tests.e2e.jobs import Watch, assert_completed, submit
from tests.e2e.processes import living
from tests.e2e.stack import WEBHOOK_SECRET, Stack


def secrets_of(stack: Stack) -> set[str]:
    keys = json.loads((stack.home / "s3-credentials.json").read_text())
    return {keys["secret_access_key"], WEBHOOK_SECRET, WEBHOOK_SECRET.removeprefix("whsec_")}


def worked(stack: Stack, watch: Watch) -> None:
    """Give every part something to log: work, garbage, and an outage of the store."""
    job_id = submit(stack, "a letter under the door", quality="draft")
    signal_by_command(stack, job_id, "approve", '"garbage"')
    assert_completed(stack, watch.until_ended([job_id]))
    with stack.without("store"):
        stack.http.get("/health")


def test_no_log_tells_a_secret(stack: Stack, watch: Watch) -> None:
    worked(stack, watch)
    logs = sorted((stack.home / "logs").iterdir())
    assert {log.stem for log in logs} >= {"engine", "store", "worker", "api"}
    told = {log.name: log.read_text(errors="replace") for log in logs} | {"up": stack.said}
    assert [name for name, text in told.items() if any(s in text for s in secrets_of(stack))] == []


def test_no_command_line_tells_a_secret(stack: Stack) -> None:
    assert len(stack.children()) >= 4
    commands = [process.command for process in living()]
    assert [line for line in commands if any(s in line for s in secrets_of(stack))] == []


def test_the_credentials_are_readable_by_their_owner_only(stack: Stack) -> None:
    assert (stack.home / "s3-credentials.json").stat().st_mode & 0o077 == 0
