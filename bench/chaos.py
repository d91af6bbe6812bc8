"""`python -m bench.chaos`: a whole Darkroom at work in bad weather, and a reckoning at the end.

Vendors and receivers are the tests'. Unlike the measures this can fail: where a job, an approval, a
webhook or a charge is lost, doubled or wrong.
"""

from __future__ import annotations

import os
import platform
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from tests.e2e.clock import HOW_TO_INSTALL
from tests.e2e.reckoning import Reckoning, reckon
from tests.e2e.storm import Scene, scene_in, storm
from tests.vendors.stand_in import running_stand_in

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
console = Console(width=100)


@app.command()
def chaos(
    minutes: Annotated[float, typer.Option(min=0, help="How long the weather lasts.")] = 10,
    clients: Annotated[int, typer.Option(min=1, help="How many there are at once.")] = 12,
    seed: Annotated[int, typer.Option(help="Decides what happens when.")] = 1,
    at_once: Annotated[int, typer.Option(min=1, help="How many faults coincide.")] = 2,
    folder: Annotated[
        Path | None, typer.Option(help="Where its files go, and stay, logs included.")
    ] = None,
) -> None:
    """Every kind of fault, again and again, while clients submit and editors approve."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started is ended
    began = time.monotonic()

    def say(line: str) -> None:
        console.print(f"{time.monotonic() - began:5.0f} s  {line}", style="dim")

    with (
        tempfile.TemporaryDirectory(prefix="darkroom-chaos-", ignore_cleanup_errors=True) as name,
        running_stand_in() as stand_in,
        scene_in(folder or Path(name), stand_in) as scene,
    ):
        if scene.clock is None:
            say(f"no clock steps: {HOW_TO_INSTALL}")
        if not scene.store.has_disk:
            say("no disk is full: a small one is mounted on Linux and by root only; it is played")
        crowd = storm(
            scene,
            clients=clients,
            seed=seed,
            at_once=at_once,
            goes_on=lambda: time.monotonic() - began < minutes * 60,
            say=say,
        )
        say("the weather is fine; every job and webhook is looked at")
        reckoning = reckon(scene.stack, crowd.accepted, stand_in, scene.receiver)
        seconds = time.monotonic() - began
        console.print(f"\nseed {seed}, {clients} clients, {seconds:.0f} s on {_machine()}\n")
        for table in (_faults(scene), _work(scene, reckoning), _money(reckoning)):
            console.print(table)
        console.print("nothing is lost, nothing is made twice, and every charge is accounted for")


def _machine() -> str:
    return f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


def _faults(scene: Scene) -> Table:
    table = _headed("faults", "times")
    for name, times in sorted(scene.faults.items()):
        table.add_row(name, str(times))
    return table


def _work(scene: Scene, reckoning: Reckoning) -> Table:
    accepted, answers = reckoning.accepted, reckoning.answers
    attempts = sum(len(answer["attempts"]) for answer in answers.values())
    told = {(each.subject, each.type) for each in reckoning.messages}
    table = _headed("what clients saw", "")
    for name, number in {
        "jobs accepted": len(accepted.jobs),
        "completed": reckoning.completed,
        "failed, and why is on record": len(answers) - reckoning.completed,
        "attempts at a provider": attempts,
        "batches": len(accepted.batches),
        "approvals answered": accepted.approvals,
        "drafts approved": len(accepted.finals),
        "finals": len(set(accepted.finals.values())),
        "drafts rejected, and their next rounds": len(accepted.rounds),
        "webhooks due, and delivered": len(told),
        "deliveries, those of the same included": len(reckoning.messages),
        "deliveries refused for their signature": scene.receiver.refused,
    }.items():
        table.add_row(name, str(number))
    return table


def _money(reckoning: Reckoning) -> Table:
    table = _headed(
        "vendor", "jobs", "completed", "charges", "attempts unknown", "calls in the bill"
    )
    for toll in reckoning.tolls:
        counts = (len(toll.answers), toll.completed, toll.charges, toll.lost, toll.bill["calls"])
        table.add_row(toll.vendor, *map(str, counts))
    return table


def _headed(first: str, *others: str) -> Table:
    table = Table()
    table.add_column(first)
    for heading in others:
        table.add_column(heading, justify="right")
    return table


if __name__ == "__main__":
    app()
