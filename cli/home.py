"""`DARKROOM_HOME`, the folder that holds all of an embedded Darkroom's data, and who may use it."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from cli.errors import CommandError

OWNER_LOCK = "lock"
CHILDREN_LOCK = "children.lock"
MINIMUM_FREE_BYTES = 256 * 1024 * 1024
PREDECESSOR_SECONDS = 30.0


@dataclass(frozen=True)
class ChildrenLock:
    """A lock that every child inherits, so that it lasts until the last of them has exited."""

    path: Path
    descriptor: int


def prepare_home(home: Path, minimum_free_bytes: int = MINIMUM_FREE_BYTES) -> Path:
    """Create the folder and its `logs`; return its absolute path.

    Raises `CommandError` if it cannot be written to or its disk is nearly full.
    """
    absolute = home.expanduser().absolute()
    with writing_to(absolute):
        absolute.mkdir(mode=0o700, parents=True, exist_ok=True)
        (absolute / "logs").mkdir(exist_ok=True)
        for name in (OWNER_LOCK, CHILDREN_LOCK):
            (absolute / name).touch(mode=0o600)
    free_bytes = shutil.disk_usage(absolute).free
    if free_bytes < minimum_free_bytes:
        raise CommandError(
            f"only {_megabytes(free_bytes)} MB are free at {absolute} and at least "
            f"{_megabytes(minimum_free_bytes)} MB are needed; free some, "
            "or set DARKROOM_HOME to a folder on another disk"
        )
    return absolute


@contextmanager
def writing_to(home: Path) -> Iterator[None]:
    """Tell what could not be written as a `CommandError` that names the setting."""
    try:
        yield
    except OSError as error:
        raise CommandError(
            f"cannot write to {error.filename or home} ({error.strerror}); "
            "set DARKROOM_HOME to a folder that you may write to"
        ) from error


@contextmanager
def claimed(
    home: Path, say: Callable[[str], None], predecessor_seconds: float = PREDECESSOR_SECONDS
) -> Iterator[ChildrenLock]:
    """Be the only `darkroom up` on `home`, after any remains of an earlier one are gone.

    Two Temporal servers on one SQLite file start without complaint and ruin it. So there are two
    locks: one of the owner, and one that its children inherit, because they may outlive it a while.
    """
    children_path = home / CHILDREN_LOCK
    with (home / OWNER_LOCK).open("r+") as owner, children_path.open("a") as children:
        if not _try_lock(owner):
            raise CommandError(
                f"another `darkroom up` (process {owner.read().strip() or 'unknown'}) runs on "
                f"{home}; stop it, or set DARKROOM_HOME to another folder"
            )
        owner.truncate()
        owner.write(f"{os.getpid()}\n")
        owner.flush()
        _wait_for_predecessor(children, home, say, predecessor_seconds)
        yield ChildrenLock(children_path, children.fileno())


def _wait_for_predecessor(
    children: IO[str], home: Path, say: Callable[[str], None], patience_seconds: float
) -> None:
    if _try_lock(children):
        return
    say(f"waiting for what an earlier `darkroom up` left running on {home} to stop")
    deadline = time.monotonic() + patience_seconds
    while not _try_lock(children):
        if time.monotonic() > deadline:
            raise CommandError(
                f"processes of an earlier `darkroom up` still run on {home}; "
                "stop them, or set DARKROOM_HOME to another folder"
            )
        time.sleep(0.05)


def _try_lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _megabytes(count_bytes: int) -> int:
    return count_bytes // (1024 * 1024)
