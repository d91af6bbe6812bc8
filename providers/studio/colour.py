"""Colours as sRGB triples in 0..1, and the few ways the studio mixes and turns them."""

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Colour = tuple[float, float, float]
Plane = npt.NDArray[np.float32]

BLACK: Colour = (0.0, 0.0, 0.0)
WHITE: Colour = (1.0, 1.0, 1.0)


@lru_cache(maxsize=1024)
def from_hex(code: str) -> Colour:
    """Return the colour written as `#rrggbb`."""
    red, green, blue = bytes.fromhex(code.removeprefix("#"))
    return red / 255, green / 255, blue / 255


def column(colour: Colour) -> Plane:
    """Return the colour as an array of shape (3, 1, 1), ready to broadcast over planes."""
    return np.array(colour, dtype=np.float32).reshape(3, 1, 1)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Return the colour `share` (0..1) of the way from first to second, mixed as light mixes."""
    keep = 1.0 - share
    red, green, blue = (
        math.sqrt(max(a * a * keep + b * b * share, 0.0))
        for a, b in zip(first, second, strict=True)
    )
    return red, green, blue


def lit(colour: Colour, light: Colour, strength: float = 1.0) -> Colour:
    """Return the colour as it looks under a light of the given colour; 0 leaves it alone."""
    red, green, blue = (
        a * (1.0 - strength + strength * b) for a, b in zip(colour, light, strict=True)
    )
    return red, green, blue


def luminance(colour: Colour) -> float:
    """Return the perceived brightness, 0..1."""
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]


def ramp(stops: Sequence[Colour], position: Plane) -> Plane:
    """Return planes (3, *position.shape) that run through the stops as position runs 0..1."""
    at = np.linspace(0.0, 1.0, len(stops))
    squared = np.array(stops, dtype=np.float64) ** 2
    planes = [np.interp(position, at, squared[:, channel]) for channel in range(3)]
    return np.sqrt(np.stack(planes)).astype(np.float32)


def _cube_root(value: float) -> float:
    return math.copysign(abs(value) ** (1 / 3), value)


def to_lch(colour: Colour) -> tuple[float, float, float]:
    """Return OKLCh lightness 0..1, chroma, and hue in radians (Ottosson, 2020)."""
    red, green, blue = (max(c, 0.0) ** 2.2 for c in colour)
    long = _cube_root(0.4122 * red + 0.5363 * green + 0.0514 * blue)
    medium = _cube_root(0.2119 * red + 0.6807 * green + 0.1074 * blue)
    short = _cube_root(0.0883 * red + 0.2817 * green + 0.6300 * blue)
    light = 0.2105 * long + 0.7936 * medium - 0.0041 * short
    a = 1.9780 * long - 2.4286 * medium + 0.4506 * short
    b = 0.0259 * long + 0.7828 * medium - 0.8087 * short
    return light, math.hypot(a, b), math.atan2(b, a)


def from_lch(light: float, chroma: float, hue: float) -> Colour:
    """Return the sRGB colour for OKLCh, clipped to the gamut."""
    a, b = chroma * math.cos(hue), chroma * math.sin(hue)
    long = (light + 0.3963 * a + 0.2158 * b) ** 3
    medium = (light - 0.1056 * a - 0.0639 * b) ** 3
    short = (light - 0.0895 * a - 1.2915 * b) ** 3
    red = 4.0767 * long - 3.3077 * medium + 0.2310 * short
    green = -1.2684 * long + 2.6098 * medium - 0.3413 * short
    blue = -0.0042 * long - 0.7034 * medium + 1.7076 * short
    red, green, blue = (min(max(c, 0.0), 1.0) ** (1 / 2.2) for c in (red, green, blue))
    return red, green, blue


def toward(colour: Colour, tint: Colour, share: float) -> Colour:
    """Return the colour with its lightness kept and its hue and chroma drawn towards the tint."""
    light, chroma, hue = to_lch(colour)
    _, tint_chroma, tint_hue = to_lch(tint)
    wanted = tint_chroma * min(1.0, 2.6 * light * (1.25 - light))
    a = (1 - share) * chroma * math.cos(hue) + share * wanted * math.cos(tint_hue)
    b = (1 - share) * chroma * math.sin(hue) + share * wanted * math.sin(tint_hue)
    return from_lch(light, math.hypot(a, b), math.atan2(b, a))


def adjusted(colour: Colour, light: float = 1.0, chroma: float = 1.0) -> Colour:
    """Return the colour with its OKLCh lightness and chroma multiplied."""
    base, strength, hue = to_lch(colour)
    return from_lch(min(base * light, 1.0), strength * chroma, hue)
