"""Runs the stand-in by hand and prints what points a Darkroom at it."""

from __future__ import annotations

import threading

from tests.e2e.vendors import environment
from tests.vendors.stand_in import running_stand_in

with running_stand_in() as stand_in:
    for name, value in environment(stand_in).items():
        print(f"{name}={value}", flush=True)
    threading.Event().wait()
