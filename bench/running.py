"""How a bench runs: a stack, the work on it, the results as JSON; Ctrl-C stops all of it."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import typer

from bench.measures import warm_up
from bench.report import Report
from bench.stack import Stack, running_stack
from cli.errors import told_in_one_sentence

Work = Callable[[Stack], Awaitable[None]]


def run(work: Work, report: Report, into: Path | None) -> None:
    """Run the work on a warm stack, and write what it reported where `into` says so."""
    with told_in_one_sentence():
        try:
            asyncio.run(_run(work))
        except asyncio.CancelledError:
            sys.stderr.write("stopped\n")
            raise typer.Exit(130) from None
    if report.targets:
        report.show_targets()
    if into is not None:
        into.write_text(json.dumps({"machine": _machine(), **report.as_json()}, indent=2) + "\n")


async def _run(work: Work) -> None:
    task = asyncio.current_task()
    if task is None:
        raise AssertionError("a coroutine runs in a task")
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    async with running_stack() as stack:
        await warm_up(stack)
        await work(stack)


def _machine() -> dict[str, object]:
    return {
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }
