"""Secrets stay where they are kept: not in logs, not on command lines, not in answers."""

from __future__ import annotations

import json
from pathlib import Path

from tests.e2e.engine import signal_by_command
from tests.e2e.jobs import Watch, assert_completed, submit
from tests.e2e.processes import living
from tests.e2e.stack import WEBHOOK_SECRET, Stack
from tests.e2e.vendors import HOSTED, key_of
from tests.vendors.stand_in import Fault, StandIn


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


SKELETON = "a skeleton of a fish"
"""Asked for, and to be found in histories and records."""


def repeating(key: str) -> dict[str, object]:
    """A refusal that shows the key wherever one of the vendors' shapes has room for words."""
    words = f"key {key} is wrong"
    problem = {"message": words, "code": "invalid_api_key", "status": "UNAUTHENTICATED"}
    return {"error": problem, "detail": words, "title": words, "message": words, "errors": [words]}


def refused(stack: Stack, watch: Watch, stand_in: StandIn, vendor: str, status: int) -> str:
    """What is told of a job that the vendor refused while it repeated our key."""
    stand_in[vendor].faults.append(Fault.answer(status, repeating(key_of(vendor))))
    job_id = submit(stack, SKELETON, provider=vendor)
    [answer] = watch.until_ended([job_id])
    assert answer["status"] == "failed", answer
    return json.dumps(answer)


def files_below(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_no_key_of_a_vendor_is_told_or_kept_even_where_the_vendor_repeats_it(
    vendor_stack: Stack, vendor_watch: Watch, stand_in: StandIn
) -> None:
    told = {
        f"answer about {vendor}, {status}": refused(
            vendor_stack, vendor_watch, stand_in, vendor, status
        ).encode()
        for vendor in HOSTED
        for status in (400, 401)
    }
    told |= files_below(vendor_stack.folder)
    assert [name for name, said in told.items() if SKELETON.encode() in said] != []
    keys = {key_of(vendor).encode() for vendor in HOSTED}
    assert [(name, key) for name, said in told.items() for key in keys if key in said] == []
