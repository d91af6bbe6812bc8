"""The error a command ends with: one sentence for the person who typed it, never a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

import typer
from rich.console import Console


class Exit(IntEnum):
    """What a command's exit status says; 2 is a command that was typed wrong, 130 a Ctrl-C."""

    WRONG = 1
    """A setting, a file or what was asked for is wrong here."""
    FAILED = 3
    """The job, or one of them, has failed."""
    REFUSED = 4
    """The server does not do this: not found, not reviewable, not valid, over the budget."""
    NOT_ALLOWED = 5
    """No key, an unknown one, or one without the scope."""
    AWAY = 6
    """Nothing answers, or it cannot do its work now."""
    WAITED = 7
    """The time to wait is over; the job goes on."""
    UNWELL = 8
    """`doctor` found something wrong."""


class CommandError(Exception):
    """What was asked cannot be done; the message says why and which setting to change."""


def ended(message: str, status: Exit) -> typer.Exit:
    """Say what is wrong; the exception to raise."""
    console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    console.print(f"darkroom: {message}", style="red")
    return typer.Exit(status)


@contextmanager
def told_in_one_sentence() -> Iterator[None]:
    """Print what is wrong with the command, a setting or `darkroom.toml`, and exit with 1."""
    # What serves is not loaded for commands that only ask.
    from pipeline.marking import CredentialsError
    from providers.catalogue import CatalogueError
    from settings import SettingsError

    try:
        yield
    except (CatalogueError, CommandError, CredentialsError, SettingsError) as error:
        raise ended(str(error), Exit.WRONG) from None
