"""Prompts as editors write them, a different one for each number."""

from __future__ import annotations

_SUBJECTS = (
    "a lighthouse above the sea",
    "fog over a pine forest",
    "a bouquet of wild flowers in a clay vase",
    "the skyline of a harbour city",
    "a spiral galaxy seen from a moon",
    "a reading room with tall windows",
    "a lattice of folded paper",
    "apples and a jug on a wooden table",
)
_LIGHTS = ("at dawn", "at dusk", "under a full moon", "in autumn rain", "on a bright morning")


PLAIN_PROMPT = "abstract silk"
PLAIN_SEED = 5
"""A picture that costs the studio next to nothing, so that the engine's share shows."""


def prompt(number: int) -> str:
    subject = _SUBJECTS[number % len(_SUBJECTS)]
    light = _LIGHTS[number // len(_SUBJECTS) % len(_LIGHTS)]
    return f"Hero image for the blog: {subject} {light}, soft light, no text, take {number}"
