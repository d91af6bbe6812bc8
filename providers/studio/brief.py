"""Everything a picture needs to know before the first stroke: theme, look, light, palette, dice."""

from dataclasses import dataclass, replace

import numpy as np

from providers.studio import lexicon, palette, styles
from providers.studio.colour import Colour, Plane, mix
from providers.studio.dice import Dice
from providers.studio.lexicon import Theme
from providers.studio.palette import Light, Palette
from providers.studio.styles import Look

_SEASON_LIGHTS = {"snow": ("snow",), "rain": ("rain",), "storm": ("storm",), "fog": ("fog",)}
# What glows looks best before a dark ground.
_STAGED = ("network", "space")
_ANY_LIGHT = ("dawn", "day", "day", "golden", "sunset", "dusk")


@dataclass(frozen=True)
class Brief:
    """The decisions that come before painting; the same for every size of a picture."""

    theme: Theme
    look: Look
    light: Light
    palette: Palette
    banned: frozenset[str]
    dice: Dice

    def roll(self, name: str) -> np.random.Generator:
        """Return the named stream of random draws."""
        return self.dice.roll(name)

    def chance(self, name: str, odds: float) -> bool:
        """Tell whether a named coin with these odds falls on yes."""
        return self.dice.draw(name) < odds

    def pick(self, name: str, count: int) -> int:
        """Return a named draw from 0 to count - 1."""
        return int(self.dice.draw(name) * count)

    def allows(self, tag: str) -> bool:
        """Tell whether something nobody asked for may be added."""
        return tag not in self.banned

    def at_depth(self, depth: float) -> Colour:
        """Return the colour of a silhouette at depth 0 (far) to 1 (near)."""
        return mix(self.light.far, self.light.near, depth)


def prepare(
    prompt: str,
    style: str | None,
    negative_prompt: str | None,
    seed: int,
    palette_names: tuple[str, ...] = (),
    composed_as: str | None = None,
) -> Brief:
    """Return the brief for a prompt; only prompt and seed move the composition.

    The dice are rolled by the words of composed_as where there are any.
    """
    theme = lexicon.read(prompt, negative_prompt)
    colours = lexicon.colours(palette_names)
    if colours:
        theme = replace(theme, colours=colours)
    banned, unwanted = lexicon.banned(negative_prompt)
    dice = Dice(composed_as or prompt, seed)
    look = styles.find(style)
    light = _light(theme, look, banned, dice)
    moods = theme.moods | _look_moods(look)
    if theme.has(*_STAGED) and look.name not in {"pastel", "minimalist"}:
        moods = moods | {"dark"}
    tones = palette.choose_palette(moods, theme.colours, dice.roll("palette"))
    if unwanted:
        light, tones = _purged(light, tones, unwanted)
    return Brief(theme, look, light, tones, banned, dice)


def _look_moods(look: Look) -> frozenset[str]:
    return frozenset({"pastel"}) if look.name == "pastel" else frozenset()


def _light(theme: Theme, look: Look, banned: frozenset[str], dice: Dice) -> Light:
    names = theme.lights
    for weather, lights in _SEASON_LIGHTS.items():
        if weather in theme.weather and not names:
            names = lights
    defaults = tuple(name for name in _ANY_LIGHT if name not in banned) or ("day",)
    light = palette.choose_light(names, dice.roll("light"), default=defaults)
    share = 0.62 if theme.colours else 0.0
    return light.tinted(theme.colours, share)


def _purged(light: Light, tones: Palette, unwanted: tuple[Colour, ...]) -> tuple[Light, Palette]:
    """Return light and palette with the unwanted hues taken out."""
    sun, far, near, lamp = palette.without((light.sun, light.far, light.near, light.lamp), unwanted)
    sky = palette.without(light.sky, unwanted)
    paper, ink, *rest = palette.without((tones.paper, tones.ink, *tones.tones), unwanted)
    return (
        Light(light.name, sky, sun, far, near, lamp),
        Palette(tones.name, paper, ink, tuple(rest), tones.moods),
    )


def smooth(low: float, high: float, values: Plane) -> Plane:
    """Return the smooth step of the values between two edges."""
    part = np.clip((values - np.float32(low)) / np.float32(high - low), 0, 1)
    eased: Plane = part * part * (3 - 2 * part)
    return eased
