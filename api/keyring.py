"""The API keys that are valid now: from `darkroom.toml`, the environment and the keys file.

The two files are looked at again whenever they change, so that a key that is revoked is refused at
once by every process.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import tomllib
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from domain.keys import ApiKey
from providers.catalogue import CatalogueError, checked, read_config

logger = logging.getLogger("darkroom.api")

_Stamp = tuple[int, int, int] | None


class KeyRing:
    """Raises `CatalogueError` where a file is wrong at the start.

    A file that is wrong later leaves the keys as they were; the log says so. Once there was a key,
    it takes a key to be let in, also after the last one is revoked.
    """

    def __init__(self, config: Path, keys_file: Path, from_environment: Iterable[ApiKey]) -> None:
        self._files = (config, keys_file)
        self._from_environment = tuple(from_environment)
        self._stamps = [_stamp(file) for file in self._files]
        self._keys = self._read()
        self._is_locked = bool(self._keys)

    @property
    def is_locked(self) -> bool:
        """Whether it takes a key to be let in."""
        self._look_again()
        return self._is_locked

    def find(self, key: str) -> ApiKey | None:
        """What is known of a key; each is compared, in a time that tells nothing of them."""
        self._look_again()
        digest = digest_of(key)
        found = [known for known in self._keys if hmac.compare_digest(known.sha256, digest)]
        return found[0] if found else None

    def _look_again(self) -> None:
        stamps = [_stamp(file) for file in self._files]
        if stamps == self._stamps:
            return
        self._stamps = stamps
        try:
            self._keys = self._read()
        except CatalogueError as error:
            logger.error("the API keys stay as they were: %s", error)
            return
        self._is_locked = self._is_locked or bool(self._keys)
        logger.info("the API keys were read again: %d", len(self._keys))

    def _read(self) -> list[ApiKey]:
        return all_keys(*self._files, self._from_environment)


def digest_of(key: str) -> str:
    """What is kept of a key: its SHA-256, which is enough for 256 random bits."""
    return hashlib.sha256(key.encode()).hexdigest()


def all_keys(config: Path, keys_file: Path, from_environment: Iterable[ApiKey]) -> list[ApiKey]:
    """Every key there is; raises `CatalogueError` on what is wrong, or on a name used twice."""
    keys = [*configured_keys(config), *from_environment, *filed_keys(keys_file)]
    names = [key.name for key in keys]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise CatalogueError(f"two API keys are named '{twice[0]}'")
    return keys


def configured_keys(config: Path) -> list[ApiKey]:
    """The `[[keys]]` of `darkroom.toml`; raises `CatalogueError`."""
    return _keys_in(config, read_config(config).get("keys", []))


def filed_keys(keys_file: Path) -> list[ApiKey]:
    """The keys that `darkroom keys` wrote; raises `CatalogueError`."""
    try:
        document = tomllib.loads(keys_file.read_text())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise CatalogueError(f"cannot read {keys_file}: {error}") from error
    return _keys_in(keys_file, document.get("keys", []))


def _keys_in(file: Path, tables: object) -> list[ApiKey]:
    if not isinstance(tables, list):
        raise CatalogueError(f"{file}: keys are written [[keys]]")
    return [
        checked(partial(ApiKey.model_validate, table), file, "keys", number)
        for number, table in enumerate(tables, start=1)
    ]


def _stamp(file: Path) -> _Stamp:
    try:
        status = os.stat(file)  # noqa: PTH116 - on every request
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino)
