"""From the words of a prompt to the things, lights, weathers, moods and colours they stand for.

The word lists are data in words.toml; here is only how they are read and looked up.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from providers.studio.colour import Colour, from_hex

_WORD = re.compile(r"[a-z]+")
_MOST_COLOURS = 3
_NEGATION = frozenset({"no", "without", "not", "never"})


@dataclass(frozen=True)
class Theme:
    """What a prompt asks for; motifs carry weights, the other words keep the prompt's order."""

    motifs: Mapping[str, float]
    lights: tuple[str, ...]
    weather: frozenset[str]
    moods: frozenset[str]
    colours: tuple[Colour, ...]

    def has(self, *motifs: str) -> bool:
        """Tell whether any of the motifs is wanted."""
        return any(motif in self.motifs for motif in motifs)


@lru_cache(maxsize=1)
def _index() -> dict[str, tuple[tuple[str, str], ...]]:
    """Return for each known word the (category, tag) pairs it stands for."""
    text = resources.files(__package__).joinpath("words.toml").read_text(encoding="utf-8")
    index: dict[str, list[tuple[str, str]]] = {}
    for category, tags in tomllib.loads(text).items():
        for tag, words in tags.items():
            for word in words:
                index.setdefault(word, []).append((category, tag))
    return {word: tuple(meanings) for word, meanings in index.items()}


def _meanings(word: str) -> tuple[tuple[str, str], ...]:
    index = _index()
    for form in (word, word.removesuffix("s"), word.removesuffix("es"), word.removesuffix("y")):
        if form in index:
            return index[form]
    return ()


def _tags(text: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return the tags that the text asks for, and those it asks to leave out ("no people")."""
    wanted: list[tuple[str, str]] = []
    unwanted: list[tuple[str, str]] = []
    refuse = False
    for word in _WORD.findall(text.casefold()):
        if word in _NEGATION:
            refuse = True
            continue
        meanings = _meanings(word)
        (unwanted if refuse else wanted).extend(meanings)
        refuse = refuse and not meanings and word in {"any", "a", "the"}
    return wanted, unwanted


def read(prompt: str, negative_prompt: str | None = None) -> Theme:
    """Return the theme of a prompt, less everything the negative prompt names."""
    wanted, refused = _tags(prompt)
    banned = set(refused).union(_tags(negative_prompt or "")[0])
    kept = [tag for tag in wanted if tag not in banned]
    return Theme(
        motifs=_weights(tag for category, tag in kept if category == "motif"),
        lights=_ordered(kept, "light"),
        weather=frozenset(tag for category, tag in kept if category == "weather"),
        moods=frozenset(tag for category, tag in kept if category == "mood"),
        colours=tuple(from_hex(tag) for tag in _ordered(kept, "colour"))[:_MOST_COLOURS],
    )


def banned(negative_prompt: str | None) -> tuple[frozenset[str], tuple[Colour, ...]]:
    """Return the tags and the colours that a negative prompt rules out."""
    tags = _tags(negative_prompt or "")[0]
    names = frozenset(tag for category, tag in tags if category != "colour")
    return names, tuple(from_hex(tag) for tag in _ordered(tags, "colour"))


def colours(names: Iterable[str]) -> tuple[Colour, ...]:
    """Return three of the colours that are written as `#rrggbb` or by a name known here."""
    found: dict[Colour, None] = {}
    for name in names:
        codes = [name] if name.startswith("#") else _ordered(_tags(name)[0], "colour")
        found.update(dict.fromkeys(from_hex(code) for code in codes))
    return tuple(found)[:_MOST_COLOURS]


def _ordered(tags: Iterable[tuple[str, str]], wanted: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tag for category, tag in tags if category == wanted))


def _weights(motifs: Iterable[str]) -> Mapping[str, float]:
    """Weigh motifs by how often and how early they come."""
    weights: dict[str, float] = {}
    for place, motif in enumerate(motifs):
        weights[motif] = weights.get(motif, 0.0) + 1.0 / (1.0 + 0.12 * place)
    return weights
