"""The commands' client of the API: where it is, with which key, and how its refusals are told."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from dotenv import load_dotenv

from cli.errors import CommandError, Exit, ended
from cli.screen import plain
from darkroom_client import (
    Client,
    ConnectionFailed,
    DarkroomError,
    Forbidden,
    JobFailed,
    Refused,
    ServerFailed,
    Unauthenticated,
    WaitedTooLong,
)

KEY = "DARKROOM_API_KEY"


def address() -> str:
    """`DARKROOM_URL`, else where `darkroom up` listens on this machine."""
    load_dotenv(".env")
    port = os.environ.get("DARKROOM_PORT", "8000")
    return os.environ.get("DARKROOM_URL") or f"http://127.0.0.1:{port}"


@contextmanager
def talking() -> Iterator[Client]:
    """A client; what it raises ends the command with a sentence and a status of its own."""
    try:
        url = address()
        try:
            client = Client(url)
        except ValueError as error:
            raise CommandError(f"DARKROOM_URL: {error}") from None
        with client:
            yield client
    except (CommandError, DarkroomError) as error:
        raise ended(plain(_sentence(error)), status_of(error)) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def status_of(error: Exception) -> Exit:
    """The exit status that says what went wrong."""
    kinds: list[tuple[type[Exception] | tuple[type[Exception], ...], Exit]] = [
        ((Unauthenticated, Forbidden), Exit.NOT_ALLOWED),
        ((ConnectionFailed, ServerFailed), Exit.AWAY),
        (Refused, Exit.REFUSED),
        (JobFailed, Exit.FAILED),
        (WaitedTooLong, Exit.WAITED),
    ]
    return next((status for kind, status in kinds if isinstance(error, kind)), Exit.WRONG)


def _sentence(error: Exception) -> str:
    if isinstance(error, ConnectionFailed):
        return f"{error} Is `darkroom up` running? DARKROOM_URL says where."
    if isinstance(error, Unauthenticated):
        return f"{error} {KEY} holds it; `darkroom keys create` makes one."
    return str(error)
