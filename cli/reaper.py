"""A script that ends a process group once its owner is gone, even by `kill -9`.

It runs inside the group it ends, with the read end of a pipe as standard input. Only the owner has
the write end, so reading nothing means that the owner has died. The children hold the lock file;
when it can be locked, all of them have exited.

It is started as a file, without site packages: standard library only.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import time

OWNER = 0


def main(lock_path: str, grace_seconds: float) -> None:
    """Wait for the owner's end, ask the group to stop, and kill what is left after the grace."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    lock = os.open(lock_path, os.O_RDWR)
    while os.read(OWNER, 1):
        pass
    group = os.getpgrp()
    os.killpg(group, signal.SIGTERM)
    deadline = time.monotonic() + grace_seconds
    while not _all_gone(lock) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(group, signal.SIGKILL)


def _all_gone(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
