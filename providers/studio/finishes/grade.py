"""Tone and colour of the whole picture: contrast, saturation, and named grades."""

import numpy as np

from providers.studio.canvas import Canvas
from providers.studio.colour import Colour, Plane, column
from providers.studio.styles import Look

_DUO: dict[str, tuple[Colour, Colour, float]] = {
    "teal_orange": ((0.02, 0.2, 0.25), (1.0, 0.84, 0.66), 0.3),
    "violet_glow": ((0.12, 0.05, 0.36), (1.0, 0.86, 0.95), 0.24),
    "faded": ((0.2, 0.13, 0.12), (1.0, 0.93, 0.77), 0.42),
    "silver": ((0.02, 0.02, 0.025), (0.98, 0.97, 0.95), 1.0),
    "candy": ((0.52, 0.44, 0.62), (1.0, 0.965, 0.95), 0.26),
}


def brightness(rgb: Plane) -> Plane:
    """Return luminance 0..1 of planes (3, height, width)."""
    values: Plane = (
        np.float32(0.299) * rgb[0] + np.float32(0.587) * rgb[1] + np.float32(0.114) * rgb[2]
    )
    return values


def tone(canvas: Canvas, look: Look) -> None:
    """Apply contrast around a middle grey, and lift the blacks."""
    np.clip(canvas.rgb, 0, 1, out=canvas.rgb)
    if look.contrast != 1.0:
        canvas.rgb -= np.float32(0.46)
        canvas.rgb *= np.float32(look.contrast)
        canvas.rgb += np.float32(0.46)
    if look.lift:
        canvas.rgb *= np.float32(1 - look.lift)
        canvas.rgb += np.float32(look.lift)


def colour(canvas: Canvas, look: Look) -> None:
    """Apply saturation, warmth and the look's named grade."""
    if look.saturation == 1.0 and not look.grade and not look.warmth:
        return
    grey = np.clip(brightness(canvas.rgb), 0, 1)
    canvas.rgb -= grey[None]
    canvas.rgb *= np.float32(look.saturation)
    canvas.rgb += grey[None]
    if look.warmth:
        canvas.rgb[0] += np.float32(look.warmth)
        canvas.rgb[2] -= np.float32(look.warmth)
    if look.grade:
        dark, bright, share = _DUO[look.grade]
        target = column(dark) + (column(bright) - column(dark)) * grey[None]
        canvas.rgb += (target - canvas.rgb) * np.float32(share)
    np.clip(canvas.rgb, 0, 1, out=canvas.rgb)
