"""The keys file: what `darkroom keys` writes and every API process reads."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

from api.keyring import filed_keys
from cli.errors import CommandError
from domain.keys import ApiKey

_HEAD = "# Written by `darkroom keys`, which prints a key once; here is its SHA-256.\n"


def add(keys_file: Path, key: ApiKey) -> None:
    """Append a key."""
    with _held(keys_file):
        _write(keys_file, [*filed_keys(keys_file), key])


def remove(keys_file: Path, name: str) -> bool:
    """Take a key out; False where there is none of that name."""
    with _held(keys_file):
        keys = filed_keys(keys_file)
        left = [key for key in keys if key.name != name]
        if len(left) == len(keys):
            return False
        _write(keys_file, left)
        return True


@contextmanager
def _held(keys_file: Path) -> Iterator[None]:
    """Keep other commands out, and tell what cannot be written in one sentence."""
    lock = keys_file.with_name(f"{keys_file.name}.lock")
    try:
        keys_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with lock.open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise CommandError(
            f"cannot write to {error.filename or keys_file} ({error.strerror}); "
            "set DARKROOM_KEYS_FILE to a file that you may write to"
        ) from error


def _write(keys_file: Path, keys: Iterable[ApiKey]) -> None:
    """Put the file in its place as a whole, readable by its owner alone."""
    text = "\n".join([_HEAD, *(_table(key) for key in keys)])
    with NamedTemporaryFile("w", dir=keys_file.parent, delete=False) as written:
        written.write(text)
        written.flush()
        os.fsync(written.fileno())
    Path(written.name).replace(keys_file)


def _table(key: ApiKey) -> str:
    """One table; every text in it is plain ASCII, whose JSON is TOML too."""
    values = key.model_dump(mode="json", exclude_none=True, exclude={"created_at"})
    values["scopes"] = sorted(values["scopes"])
    lines = ["[[keys]]", *(f"{name} = {json.dumps(value)}" for name, value in values.items())]
    if key.created_at is not None:
        lines.append(f"created_at = {key.created_at.isoformat(timespec='seconds')}")
    return "\n".join([*lines, ""])
