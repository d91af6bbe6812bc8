"""Plays the worker: says that it runs by a file in the home, and drains when asked to stop."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

HERE = Path(os.environ["DARKROOM_HOME"]) / "worker.pid"


def drain(*_: object) -> None:
    HERE.unlink(missing_ok=True)
    sys.stdout.write("worker drained\n")
    raise SystemExit(0)


signal.signal(signal.SIGTERM, drain)
HERE.write_text(str(os.getpid()))
while True:
    signal.pause()
