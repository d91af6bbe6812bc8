"""`darkroom doctor`: looks at everything that images depend on, and says what to do."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Literal

import httpx
import typer
from rich.text import Text

from cli.errors import Exit
from cli.screen import STYLES, Json, out, plain, print_json
from cli.talking import KEY, address, talking
from darkroom_client import Client, DarkroomError, Refused
from version import VERSION

SKEW_SECONDS = 30
SOON = timedelta(days=60)
_LEAST_FREE_BYTES = 1024**3
_PART_ADVICE = {
    "engine": "Is Temporal running at TEMPORAL_ADDRESS? With `darkroom up`: see logs/engine.log.",
    "worker": "Start one: `python worker.py`. With `darkroom up`: see logs/worker.log.",
    "store": "Is the S3 server at DARKROOM_S3_ENDPOINT up, and its key right? See logs/store.log.",
}

State = Literal["ok", "warn", "bad"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    name: str
    state: State
    detail: str
    advice: str | None = None
    """What to do about it."""


def doctor(as_json: Json = False) -> None:
    """Check engine, worker, store, keys, models, clock and disk, and say what to do."""
    with talking() as client:
        findings = list(examine(client))
    if as_json:
        print_json({"checks": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            mark = Text.assemble((f"{finding.state:<5}", STYLES[finding.state]), " ")
            out().print(mark.append(f"{finding.name:<9}{plain(finding.detail)}"))
            if finding.advice:
                out().print(Text(f"{'':<15}{plain(finding.advice)}", style="dim"))
    if any(finding.state == "bad" for finding in findings):
        raise typer.Exit(Exit.UNWELL)


def examine(client: Client) -> Iterator[Finding]:
    """Everything that can be looked at from here, in the order in which it matters."""
    try:
        health = client.health()
    except DarkroomError as error:
        start = "Start it with `darkroom up`, or set DARKROOM_URL to where it is."
        yield Finding("api", "bad", str(error), start)
        yield from _disk()
        return
    yield from _version(health["version"])
    for part in health["parts"]:
        good = part["state"] == "ok"
        advice = None if good else _PART_ADVICE.get(part["name"])
        detail = part.get("detail") or part["state"]
        yield Finding(part["name"], "ok" if good else "bad", detail, advice)
    yield from _key_and_models(client)
    yield from clock(_server_time(client.url), datetime.now(UTC))
    yield from _disk()


def _version(served: str) -> Iterator[Finding]:
    if served == VERSION:
        yield Finding("api", "ok", f"{address()}, version {served}")
    else:
        detail = f"{address()} is version {served}, this command is {VERSION}"
        yield Finding("api", "warn", detail, "Install the same version of both.")


def _key_and_models(client: Client) -> Iterator[Finding]:
    try:
        listed, known = client.providers(), client.models()
    except Refused as error:
        advice = f"Set {KEY} to a key with the scope `read`: `darkroom keys create --scope read`."
        yield Finding("key", "bad", str(error), advice)
        return
    except DarkroomError as error:
        yield Finding("key", "warn", str(error), "Try again.")
        return
    has = "taken" if os.environ.get(KEY) else "none is needed"
    yield Finding("key", "ok", has)
    configured = [each["name"] for each in listed["providers"] if each["configured"]]
    lacking = [each for each in listed["providers"] if not each["configured"]]
    if configured == ["studio"]:
        advice = "Set a vendor's key in .env; `darkroom providers` says which."
        yield Finding("vendors", "warn", "only the built-in `studio`", advice)
    elif configured:
        yield Finding(
            "vendors", "ok", f"{', '.join(configured)}; {len(lacking)} others are not set up"
        )
    else:
        yield Finding(
            "vendors", "bad", "none is set up", "`darkroom providers` says what is missing."
        )
    yield from models(known["models"], set(configured), datetime.now(UTC).date())


def models(known: list[Any], configured: set[str], today: date) -> Iterator[Finding]:
    """Models in use that are shut down, or will be soon."""
    found = False
    for model in known:
        ends = date.fromisoformat(model["shutdown_on"]) if model.get("shutdown_on") else None
        if model["provider"] not in configured or ends is None or ends > today + SOON:
            continue
        if not model["default_for"] and ends <= today:
            continue  # nobody is given it any more
        found = True
        name, over = f"{model['provider']} {model['model']}", ends <= today
        successor = model.get("successor")
        instead = f"'{successor}'" if successor else "another model"
        for_what = ", ".join(model["default_for"]) or "those who name it"
        yield Finding(
            "models",
            "bad" if over and model["default_for"] else "warn",
            f"{name} {'was' if over else 'is'} shut down on {ends}; it serves {for_what}",
            f"Set {instead} in darkroom.toml.",
        )
    if not found:
        yield Finding("models", "ok", f"none in use is shut down before {today + SOON}")


def clock(served: datetime | None, now: datetime) -> Iterator[Finding]:
    """Whether this machine and the server agree on the time, as signatures need."""
    if served is None:
        yield Finding("clock", "warn", "the server does not say what time it is")
        return
    skew = round(abs((now - served).total_seconds()))
    if skew > SKEW_SECONDS:
        advice = "Turn time synchronisation on: webhooks and S3 refuse signatures of another time."
        yield Finding("clock", "bad", f"{skew} s apart from the server", advice)
    else:
        yield Finding("clock", "ok", "as the server's")


def _server_time(url: str) -> datetime | None:
    try:
        answer = httpx.get(f"{url}/health/live", timeout=10, trust_env=False)
        return parsedate_to_datetime(answer.headers["Date"])
    except (httpx.HTTPError, KeyError, ValueError):
        return None


def _disk() -> Iterator[Finding]:
    """The folder of `darkroom up`, where there is one on this machine."""
    home = Path(os.environ.get("DARKROOM_HOME", ".darkroom")).expanduser()
    if not home.is_dir():
        return
    free = shutil.disk_usage(home).free
    good = free >= _LEAST_FREE_BYTES
    advice = None if good else "Free some, or move DARKROOM_HOME to another disk."
    yield Finding(
        "disk", "ok" if good else "bad", f"{free / 1024**3:.1f} GB free at {home}", advice
    )
