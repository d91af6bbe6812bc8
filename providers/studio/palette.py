"""The lights of the outdoors and the palettes of the studio, read from palettes.toml."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import numpy as np

from providers.studio.colour import Colour, adjusted, from_hex, luminance, mix, to_lch, toward


@dataclass(frozen=True)
class Light:
    """A time of day: sky stops from zenith to horizon, sun, ridges far and near, and the lamp."""

    name: str
    sky: tuple[Colour, ...]
    sun: Colour
    far: Colour
    near: Colour
    lamp: Colour

    @property
    def dark(self) -> bool:
        """Whether windows are lit and stars may show."""
        return self.name in {"night", "dusk"}

    @property
    def haze(self) -> Colour:
        """The colour of distance."""
        return self.sky[-1]

    def tinted(self, tints: tuple[Colour, ...], share: float) -> "Light":
        """Return the light drawn towards one tint above and the last one below."""
        if not tints:
            return self
        first, last = tints[0], tints[-1]
        steps = len(self.sky) - 1
        sky = tuple(
            toward(colour, mix(first, last, index / steps), share)
            for index, colour in enumerate(self.sky)
        )
        return Light(
            self.name,
            sky,
            toward(self.sun, last, share * 0.4),
            toward(self.far, last, share),
            toward(self.near, first, share),
            toward(self.lamp, last, share * 0.5),
        )


@dataclass(frozen=True)
class Palette:
    """Colours of a studio picture: the paper behind, the ink before, and four to play with."""

    name: str
    paper: Colour
    ink: Colour
    tones: tuple[Colour, ...]
    moods: frozenset[str]

    @property
    def dark(self) -> bool:
        """Whether the paper is darker than the ink."""
        return luminance(self.paper) < luminance(self.ink)


@lru_cache(maxsize=1)
def _data() -> tuple[tuple[Light, ...], tuple[Palette, ...]]:
    text = resources.files(__package__).joinpath("palettes.toml").read_text(encoding="utf-8")
    data = tomllib.loads(text)
    lights = tuple(
        Light(
            entry["name"],
            tuple(from_hex(code) for code in entry["sky"]),
            *(from_hex(entry[part]) for part in ("sun", "far", "near", "lamp")),
        )
        for entry in data["light"]
    )
    palettes = tuple(
        _palette(entry["name"], entry["colours"], entry["moods"]) for entry in data["palette"]
    )
    return lights, palettes


def _palette(name: str, codes: Iterable[str], moods: Iterable[str]) -> Palette:
    paper, ink, *tones = (from_hex(code) for code in codes)
    return Palette(name, paper, ink, tuple(tones), frozenset(moods))


def choose_light(
    names: tuple[str, ...], rng: np.random.Generator, *, default: tuple[str, ...]
) -> Light:
    """Return one of the lights of the first known name, or of the defaults."""
    roll = float(rng.random()), float(rng.random())
    known = [name for name in names if any(light.name == name for light in _data()[0])]
    name = known[0] if known else default[int(roll[0] * len(default))]
    variants = [light for light in _data()[0] if light.name == name]
    return variants[int(roll[1] * len(variants))]


def choose_palette(
    moods: frozenset[str], colours: tuple[Colour, ...], rng: np.random.Generator
) -> Palette:
    """Return the palette that fits the moods best, drawn towards the named colours."""
    palettes = _data()[1]
    best = max(len(moods & palette.moods) for palette in palettes)
    fitting = [palette for palette in palettes if len(moods & palette.moods) == best]
    palette = fitting[int(rng.integers(1 << 30)) % len(fitting)]
    return _coloured(palette, colours) if colours else palette


def _coloured(palette: Palette, colours: tuple[Colour, ...]) -> Palette:
    """Return the palette rebuilt from named colours, with one old tone kept as the accent."""
    main, other = colours[0], colours[-1]
    third = colours[1] if len(colours) > 2 else mix(main, other, 0.5)
    light, chroma, _ = to_lch(main)
    tones = (
        main,
        adjusted(other, 1.25, 0.75) if other == main else other,
        adjusted(third, min(1.5, 0.86 / max(light, 0.2)), 0.55),
        adjusted(main, 0.62, 0.9) if chroma > 0.02 else palette.tones[-1],
    )
    return Palette(
        palette.name,
        toward(palette.paper, main, 0.55),
        toward(palette.ink, main, 0.7),
        tones,
        palette.moods,
    )


def without(colours: tuple[Colour, ...], unwanted: tuple[Colour, ...]) -> tuple[Colour, ...]:
    """Return the colours with those near an unwanted hue nearly drained of it."""
    return tuple(_drained(colour, unwanted) for colour in colours)


def _drained(colour: Colour, unwanted: tuple[Colour, ...]) -> Colour:
    from_hue = to_lch(colour)
    for other in unwanted:
        gap = abs((from_hue[2] - to_lch(other)[2] + np.pi) % (2 * np.pi) - np.pi)
        if from_hue[1] > 0.03 and gap < 0.7:
            return adjusted(colour, 1.0, 0.25)
    return colour
