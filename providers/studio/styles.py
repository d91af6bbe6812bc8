"""Styles: from the name a caller gives to the way everything is rendered."""

import hashlib
import re
import tomllib
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import resources


@dataclass(frozen=True)
class Look:
    """Strengths of a rendering; the meaning of each is at the top of styles.toml."""

    name: str = "natural"
    volume: float = 1.0
    texture: float = 1.0
    detail: float = 1.0
    depth: float = 0.0
    bands: int = 0
    bloom: float = 1.0
    grain: float = 0.6
    vignette: float = 0.8
    saturation: float = 1.0
    contrast: float = 1.0
    lift: float = 0.0
    warmth: float = 0.0
    grade: str = ""
    finish: str = "film"


@lru_cache(maxsize=1)
def _looks() -> dict[str, Look]:
    text = resources.files(__package__).joinpath("styles.toml").read_text(encoding="utf-8")
    looks: dict[str, Look] = {}
    for key, entry in tomllib.loads(text).items():
        names = entry.pop("names")
        looks.update(dict.fromkeys([key, *names], Look(name=key, **entry)))
    return looks


@lru_cache(maxsize=256)
def find(style: str | None) -> Look:
    """Return the look for a style; case, spaces, '-' and '_' do not matter.

    A style that nobody knows is rendered naturally, with a slight shift of its own.
    """
    name = " ".join(re.split(r"[\W_]+", (style or "").casefold())).strip()
    looks = _looks()
    if not name:
        return looks["natural"]
    if name in looks:
        return looks[name]
    partial = [known for known in looks if re.search(rf"\b{re.escape(known)}\b", name)]
    if partial:
        return looks[max(partial, key=len)]
    return _shifted(looks["natural"], name)


def _shifted(look: Look, name: str) -> Look:
    first, second, third = hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=3).digest()
    return replace(
        look,
        name=name,
        saturation=0.88 + 0.3 * first / 255,
        contrast=0.95 + 0.14 * second / 255,
        warmth=(third / 255 - 0.5) * 0.08,
    )
