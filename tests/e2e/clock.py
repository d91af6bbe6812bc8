"""A wall clock that steps: libfaketime moves that of the processes which are started with it.

Only the wall clock: what measures durations goes on, as on a machine whose clock is set. Programs
without the C library, as the engine and the store are, keep the true time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_PLACES = ("usr/lib/*/faketime", "usr/lib64/faketime", "usr/lib/faketime", "usr/local/lib/faketime")
_LIBRARY = "libfaketimeMT.so.1"
HOW_TO_INSTALL = "the clock needs libfaketime (Debian, Ubuntu: apt-get install faketime)"


class Clock:
    """The clock of all processes that are started with `environment`."""

    def __init__(self, library: Path, folder: Path) -> None:
        self._file = folder / "clock"
        self._set(0)
        self.environment: Mapping[str, str] = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    @contextmanager
    def stepped(self, seconds: int) -> Iterator[None]:
        """It is wrong by that much while the block runs."""
        self._set(seconds)
        try:
            yield
        finally:
            self._set(0)

    def _set(self, seconds: int) -> None:
        unfinished = self._file.with_suffix(".new")
        unfinished.write_text(f"{seconds:+d}\n")
        unfinished.replace(self._file)


def find_library() -> Path | None:
    """libfaketime for programs with threads, where it is installed."""
    found = (path for place in _PLACES for path in Path("/").glob(f"{place}/{_LIBRARY}"))
    return next(found, None)
