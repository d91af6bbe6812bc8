"""`python -m bench`: starts the stack, measures it beside the floor, prints tables.

No result fails the run; only a stack that does not work does.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench.measures import FULL, MEASURES, QUICK, Scale, warm_up
from bench.report import Report
from bench.stack import running_stack
from cli.errors import told_in_one_sentence

app = typer.Typer(add_completion=False)


@app.command()
def bench(
    quick: Annotated[bool, typer.Option(help="Less of everything, for a first look.")] = False,
    only: Annotated[
        list[str] | None, typer.Option(help=f"Measure only this: {', '.join(MEASURES)}.")
    ] = None,
    into: Annotated[Path | None, typer.Option("--json", help="Write the results here.")] = None,
) -> None:
    """Measure Darkroom beside a bare Temporal workflow on the same engine."""
    names = only or list(MEASURES)
    if unknown := set(names) - set(MEASURES):
        raise typer.BadParameter(f"there is no measure {', '.join(sorted(unknown))}")
    report = Report(Console(width=100))
    with told_in_one_sentence():
        try:
            asyncio.run(_run(names, QUICK if quick else FULL, report))
        except asyncio.CancelledError:
            sys.stderr.write("stopped\n")
            raise typer.Exit(130) from None
    if report.targets:
        report.show_targets()
    if into is not None:
        into.write_text(json.dumps({"machine": _machine(), **report.as_json()}, indent=2) + "\n")


async def _run(names: list[str], scale: Scale, report: Report) -> None:
    task = asyncio.current_task()
    if task is None:
        raise AssertionError("a coroutine runs in a task")
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    async with running_stack() as stack:
        await warm_up(stack)
        for name in names:
            await MEASURES[name](stack, report, scale)


def _machine() -> dict[str, object]:
    return {
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


if __name__ == "__main__":
    app()
