"""`python -m bench`: starts the stack, measures it beside the floor, prints tables.

No result fails the run; only a stack that does not work does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench.measures import FULL, MEASURES, QUICK
from bench.report import Report
from bench.running import run
from bench.stack import Stack

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
    report, scale = Report(Console(width=100)), QUICK if quick else FULL

    async def measure(stack: Stack) -> None:
        for name in names:
            await MEASURES[name](stack, report, scale)

    run(measure, report, into)


if __name__ == "__main__":
    app()
