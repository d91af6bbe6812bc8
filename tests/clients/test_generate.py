"""What is made from the API is what the API says now."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.clients.conftest import ROOT


def test_nothing_that_is_made_is_stale(package: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "clients" / "generate.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
