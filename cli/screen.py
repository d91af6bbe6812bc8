"""What the commands print: results on standard output, everything else beside it.

With `--json` standard output is JSON alone. Text from elsewhere is shown, never obeyed: it holds
no escape sequence and no markup.
"""

from __future__ import annotations

import getpass
import json
import os
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
Reviewer = Annotated[
    str | None,
    typer.Option(envvar="DARKROOM_REVIEWER", help="Who decides; your login name else."),
]

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def plain(text: object) -> str:
    """Without what a terminal would obey."""
    return _CONTROLS.sub("", str(text))


def out() -> Console:
    """Where results go; plain where it is no terminal."""
    return Console(soft_wrap=True, highlight=False, markup=False)


def aside() -> Console:
    """Where progress and hints go."""
    return Console(stderr=True, soft_wrap=True, highlight=False, markup=False)


def print_json(document: Any) -> None:
    """One document, the same for a terminal as for a pipe."""
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))


def print_json_line(document: Any) -> None:
    """One line of a stream of documents."""
    typer.echo(json.dumps(document, ensure_ascii=False, separators=(",", ":")))
    sys.stdout.flush()


def print_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table for eyes, or lines of tab-separated cells for `cut` and `awk`."""
    console = out()
    if not console.is_terminal:
        for row in rows:
            typer.echo("\t".join(plain(_cell(cell)).replace("\t", " ") for cell in row))
        return
    table = Table(*head, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*(_shown(cell) for cell in row))
    Console(highlight=False).print(table)


def print_facts(facts: Iterable[tuple[str, object]]) -> None:
    """Names and values, one a line; what has no value is left out."""
    for name, value in facts:
        if value not in (None, ""):
            text = Text(plain(value)) if not isinstance(value, Text) else value
            out().print(Text.assemble((f"{name:<10}", "bold"), text))


STYLES = {
    "completed": "green",
    "approved": "green",
    "ok": "green",
    "failed": "red",
    "rejected": "red",
    "down": "red",
    "bad": "red",
    "awaiting": "yellow",
    "processing": "cyan",
    "warn": "yellow",
}


def state(word: str) -> Text:
    """A status in its colour."""
    return Text(plain(word), style=STYLES.get(word, ""))


def usd(amount: float | None) -> str:
    """Money; what is not known is said to be so, and is never 0."""
    return "unknown" if amount is None else f"${amount:,.4f}".rstrip("0").rstrip(".")


def login_name() -> str:
    """Who sits here."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "somebody"


def _cell(cell: object) -> str:
    return "" if cell is None else str(cell)


def _shown(cell: object) -> Text:
    return cell if isinstance(cell, Text) else Text(plain(_cell(cell)))


def show_picture(path: Path, width_cells: int = 60) -> bool:
    """Draw a picture where the terminal can (kitty, iTerm2, sixel); whether it could."""
    if not sys.stdout.isatty() or "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb":
        return False
    # Importing it asks the terminal what it can.
    from PIL import UnidentifiedImageError
    from textual_image import renderable

    if renderable.Image not in (renderable.SixelImage, renderable.TGPImage):
        return False
    console = Console()
    try:
        console.print(renderable.Image(path, width=min(width_cells, console.width), height="auto"))
    except (OSError, UnidentifiedImageError, ValueError):
        return False
    return True
