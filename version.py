"""The version this code is, as packaged."""

from __future__ import annotations

from importlib.metadata import version

VERSION = version("darkroom")
