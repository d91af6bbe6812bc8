"""The error a command ends with: one sentence for the person who typed it, never a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console

from pipeline.marking import CredentialsError
from providers.catalogue import CatalogueError
from settings import SettingsError


class CommandError(Exception):
    """What was asked cannot be done; the message says why and which setting to change."""


@contextmanager
def told_in_one_sentence() -> Iterator[None]:
    """Print what is wrong with the command, a setting or `darkroom.toml`, and exit with 1."""
    try:
        yield
    except (CatalogueError, CommandError, CredentialsError, SettingsError) as error:
        console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
        console.print(f"darkroom: {error}", style="red")
        raise typer.Exit(1) from None
