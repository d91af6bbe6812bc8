"""`python -m bench.chaos_paid`: kills workers amid paid calls, and looks who paid for it.

The vendors are the tests' stand-in. Unlike the measures this can fail: where a job is lost, or a
charge is neither for a picture that we have nor on record as unseen.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from tests.e2e.storm import Toll, weather
from tests.e2e.vendors import new_stack
from tests.vendors.stand_in import running_stand_in

app = typer.Typer(add_completion=False)


@app.command()
def chaos(
    kills: Annotated[int, typer.Option(min=1, help="How many workers are killed.")] = 50,
    seed: Annotated[int, typer.Option(help="Decides the moments.")] = 1,
) -> None:
    """Kill workers amid jobs at five vendors; every charge must be accounted for."""
    began = time.monotonic()
    tolls = _weathered(kills, seed)
    console = Console(width=100)
    console.print(_table(tolls, f"{kills} kills, seed {seed}, {time.monotonic() - began:.0f} s"))
    for toll in tolls:
        toll.check()
    console.print("every job has ended, and every charge is accounted for")


def _weathered(kills: int, seed: int) -> list[Toll]:
    with (
        tempfile.TemporaryDirectory(prefix="darkroom-chaos-", ignore_cleanup_errors=True) as name,
        running_stand_in() as stand_in,
    ):
        stack = new_stack(Path(name), stand_in)
        try:
            stack.ensure_up()
            return weather(stack, stand_in, kills=kills, seed=seed)
        finally:
            stack.close()


def _table(tolls: list[Toll], title: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("vendor")
    for heading in ("jobs", "completed", "charges", "attempts unknown", "calls in the bill"):
        table.add_column(heading, justify="right")
    for toll in tolls:
        counts = (len(toll.answers), toll.completed, toll.charges, toll.lost, toll.bill["calls"])
        table.add_row(toll.vendor, *map(str, counts))
    return table


if __name__ == "__main__":
    app()
