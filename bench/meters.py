"""Percentiles, slopes, and what processes use: CPU seconds, which other work on the machine hardly
moves, and memory."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import linear_regression

_PROC = Path("/proc")
_US = "load generator"


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def slope(points: Sequence[tuple[float, float]]) -> float | None:
    """By how much y grows with each x, by least squares; None where x never moves."""
    across, up = zip(*points, strict=True) if points else ((), ())
    return linear_regression(across, up).slope if len(set(across)) > 1 else None


def milliseconds(seconds: float) -> float:
    return seconds * 1000.0


class CpuMeter:
    """CPU seconds used so far by our children, by name, and by this process.

    Read from `/proc`; where there is none, every reading is empty.
    """

    def __init__(self, commands: Mapping[str, Sequence[str]]) -> None:
        self._ticks = os.sysconf("SC_CLK_TCK")
        self.pids = {**_children(commands), _US: os.getpid()} if _PROC.is_dir() else {}

    def read(self) -> dict[str, float]:
        return {name: self._seconds(pid) for name, pid in self.pids.items()}

    def since(self, earlier: Mapping[str, float]) -> dict[str, float]:
        """CPU seconds used since an earlier reading."""
        return {name: now - earlier[name] for name, now in self.read().items()}

    def _seconds(self, pid: int) -> float:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / self._ticks


def resident_mb(pids: Mapping[str, int]) -> dict[str, float]:
    """What each process holds in memory."""
    pages = {
        name: (_PROC / str(pid) / "statm").read_text().split()[1] for name, pid in pids.items()
    }
    return {name: int(n) * os.sysconf("SC_PAGE_SIZE") / 2**20 for name, n in pages.items()}


def machine_cpu() -> float:
    """CPU seconds that all processes of the machine have used; 0 where there is no `/proc`."""
    if not _PROC.is_dir():
        return 0.0
    user, nice, system, _, _, irq, softirq = (
        int(ticks) for ticks in (_PROC / "stat").read_text().split(maxsplit=8)[1:8]
    )
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def _children(commands: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """The supervisor's children are ours: told apart by their command lines."""
    found = {}
    for entry in _PROC.glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            argv = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
        except (OSError, ValueError):
            continue
        if parent == os.getpid():
            found.update({name: int(entry.name) for name, of in commands.items() if argv == [*of]})
    return found
