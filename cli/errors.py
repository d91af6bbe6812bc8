"""The error a command ends with: one sentence for the person who typed it, never a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console

from settings import SettingsError


class CommandError(Exception):
    """What was asked cannot be done; the message says why and which setting to change."""


@contextmanager
def told_in_one_sentence() -> Iterator[None]:
    """Print a `CommandError` or `SettingsError` to standard error and exit with 1."""
    try:
        yield
    except (CommandError, SettingsError) as error:
        console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
        console.print(f"darkroom: {error}", style="red")
        raise typer.Exit(1) from None
