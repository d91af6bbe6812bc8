"""What a local pipeline is asked for, free of torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from domain.sizes import Size

OnStep = Callable[[float], None]
"""Takes the share of the steps that are done; raises `Stopped` to do no more."""


class Stopped(Exception):
    """The drawing was cancelled; nobody waits for it any more."""


@dataclass(frozen=True)
class Weights:
    """Where a model comes from: a folder, or a repository on the hub that may be downloaded."""

    path: str | None = None
    repo: str | None = None
    revision: str | None = None
    variant: str | None = None


@dataclass(frozen=True)
class Drawing:
    """One picture."""

    prompt: str
    negative_prompt: str | None
    """None where the pipeline takes none."""
    size: Size
    seed: int
    steps: int
    arguments: Mapping[str, Any]
    """What the pipeline is called with besides."""
    reference: bytes | None = None
    strength: float = 1.0
    """How far the picture may depart from the reference, above 0 to 1."""
    mask: bytes | None = None
    """Of the reference: greys, white where it may change."""
    enlarges: bool = False
    """Whether the reference is made larger first, instead of cut to size."""
