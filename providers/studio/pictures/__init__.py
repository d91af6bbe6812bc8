"""Whole compositions, each an ordered list of painting steps, and the choice among them."""

from collections.abc import Callable, Mapping

from providers.studio.brief import Brief
from providers.studio.canvas import Canvas, Step
from providers.studio.pictures import (
    abstracts,
    bouquet,
    growth,
    interior,
    landscape,
    lattice,
    sound,
    space,
    still_life,
)

Picture = Callable[[Canvas, Brief], list[Step]]

# How strongly each motif speaks for a kind of picture; the kind with the most votes is painted.
_VOTES: Mapping[Picture, Mapping[str, float]] = {
    landscape.steps: {
        "mountain": 1.2,
        "hill": 1.0,
        "sea": 1.2,
        "beach": 1.3,
        "lake": 1.2,
        "river": 1.1,
        "forest": 1.1,
        "city": 1.2,
        "desert": 1.3,
        "field": 1.1,
        "sky": 1.0,
        "road": 1.0,
        "house": 1.0,
        "lighthouse": 1.6,
        "balloon": 1.3,
        "boat": 1.1,
        "bird": 0.9,
        "person": 0.5,
        "flower": 0.3,
    },
    space.steps: {"space": 1.7},
    still_life.steps: {"coffee": 1.5, "fruit": 1.4, "food": 1.2, "book": 1.0, "flower": 0.2},
    interior.steps: {"interior": 1.35, "work": 1.3, "plant": 1.2, "book": 0.4},
    lattice.steps: {"network": 1.3},
    growth.steps: {"chart": 1.3},
    sound.steps: {"music": 1.5},
    bouquet.steps: {"flower": 1.25, "plant": 0.2},
    abstracts.steps: {"abstract": 1.1},
}
_OUTDOOR_LIGHTS = frozenset({"sunset", "dawn", "dusk", "night", "storm", "rain", "fog", "snow"})


def steps(canvas: Canvas, brief: Brief) -> list[Step]:
    """Return the strokes of the picture that fits the brief."""
    return _choose(brief)(canvas, brief)


def _choose(brief: Brief) -> Picture:
    if brief.look.name == "abstract":
        return abstracts.steps
    motifs = brief.theme.motifs
    votes = {
        picture: sum(strength * motifs.get(motif, 0.0) for motif, strength in wants.items())
        for picture, wants in _VOTES.items()
    }
    best = max(votes, key=lambda picture: votes[picture])
    if votes[best] > 0:
        return best
    # Weather or a time of day without any thing in it is a sky.
    if brief.theme.weather or _OUTDOOR_LIGHTS & set(brief.theme.lights):
        return landscape.steps
    return abstracts.steps
