"""What runs on this machine, as `ps` tells it."""

from __future__ import annotations

import re
import subprocess
from typing import NamedTuple

_ROW = re.compile(r"\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+(.*)")


class Process(NamedTuple):
    pid: int
    parent: int
    group: int
    command: str


def living() -> list[Process]:
    """Every process that has not exited."""
    listing = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,ppid=,pgid=,stat=,args="],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    rows = [found.groups() for line in listing.splitlines() if (found := _ROW.match(line))]
    return [
        Process(int(pid), int(parent), int(group), command)
        for pid, parent, group, state, command in rows
        if not state.startswith("Z")
    ]
