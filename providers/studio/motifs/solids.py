"""Lit solids: spheres and turned vessels, with the shadows they throw on a table."""

from dataclasses import dataclass

import numpy as np

from providers.studio.brief import Brief, smooth
from providers.studio.canvas import Canvas, Patch, Pen
from providers.studio.colour import WHITE, Colour, Plane, adjusted, column, mix


@dataclass(frozen=True)
class Vessel:
    """A turned form: radii at heights, both in parts of its height, from the foot up."""

    heights: tuple[float, ...]
    radii: tuple[float, ...]
    open: bool = True

    def outline(self, high: float) -> tuple[Plane, Plane]:
        """Return heights 0..1 and radii in units of the turned, smooth form, 65 of each."""
        heights = np.linspace(0, 1, 65, dtype=np.float32)
        radii = np.interp(heights, self.heights, self.radii)
        ends = np.concatenate(
            [2 * radii[0] - radii[6:0:-1], radii, 2 * radii[-1] - radii[-2:-8:-1]]
        )
        even = np.convolve(ends, np.hanning(15)[1:-1] / np.hanning(15).sum(), mode="valid")
        return heights, (even * high).astype(np.float32)


CUP = Vessel((0, 0.08, 0.3, 0.7, 1.0), (0.3, 0.36, 0.5, 0.57, 0.58))
BOWL = Vessel((0, 0.1, 0.35, 0.7, 1.0), (0.42, 0.5, 0.95, 1.25, 1.36))
VASE = Vessel((0, 0.12, 0.35, 0.6, 0.8, 0.9, 1.0), (0.2, 0.27, 0.34, 0.27, 0.12, 0.11, 0.15))
BOTTLE = Vessel(
    (0, 0.04, 0.55, 0.68, 0.78, 0.97, 1.0), (0.14, 0.155, 0.155, 0.12, 0.052, 0.052, 0.062)
)
JUG = Vessel((0, 0.1, 0.35, 0.6, 0.85, 1.0), (0.27, 0.33, 0.38, 0.32, 0.22, 0.26))
PLATE = Vessel((0, 0.5, 1.0), (2.6, 4.4, 5.4))
POT = Vessel((0, 0.8, 0.801, 1.0), (0.34, 0.44, 0.49, 0.5))


def light_side(brief: Brief) -> float:
    """Return -1 when the light comes from the left, 1 from the right."""
    return 1.0 if brief.chance("light side", 0.5) else -1.0


def _shading(brief: Brief, across: Plane, up: Plane | float) -> Plane:
    """Return light about 0..1 on a surface from its normal's x and y parts."""
    side = light_side(brief)
    toward = np.sqrt(np.clip(1 - across * across - np.square(up), 0, 1))
    diffuse = across * np.float32(0.62 * side) - np.float32(0.5) * up + toward * np.float32(0.6)
    if brief.look.volume < 0.1:
        return smooth(0.16, 0.2, diffuse) * np.float32(0.3) + np.float32(0.5)
    rim = smooth(0.75, 1.0, -across * np.float32(side)) * np.float32(0.13)
    values: Plane = np.clip(np.float32(0.12) + np.float32(0.9) * np.clip(diffuse, 0, 1) + rim, 0, 1)
    return values


def _toned(brief: Brief, colour: Colour, shading: Plane) -> Plane:
    """Return planes of the colour from shade to light."""
    dark = mix(
        adjusted(colour, 0.5, 1.1),
        brief.palette.ink if not brief.palette.dark else (0.02, 0.02, 0.06),
        0.25,
    )
    bright = mix(adjusted(colour, 1.12, 0.95), WHITE, 0.14)
    low = column(dark) + (column(colour) - column(dark)) * np.clip(shading * 2, 0, 1)[None]
    values: Plane = low + (column(bright) - low) * np.clip(shading * 2 - 1, 0, 1)[None]
    return values


def paint_sphere(
    canvas: Canvas,
    brief: Brief,
    at: tuple[float, float],
    radius: float,
    colour: Colour,
    gloss: float = 0.5,
) -> None:
    """Paint a lit ball around `at`."""
    patch = canvas.disc(at[0], at[1], radius)
    if patch.mask.size == 0:
        return
    rows, columns = patch.mask.shape
    nx = (canvas.x[patch.left : patch.left + columns] - np.float32(at[0]))[None, :] / np.float32(
        radius
    )
    ny = (canvas.y[patch.top : patch.top + rows] - np.float32(at[1]))[:, None] / np.float32(radius)
    nx, ny = np.broadcast_arrays(nx, ny)
    canvas.blend(patch, _toned(brief, colour, _shading(brief, nx, ny)))
    if gloss and brief.look.volume > 0.1:
        side = light_side(brief)
        shine = canvas.glow(at[0] + side * radius * 0.38, at[1] - radius * 0.42, radius * 0.36, 0.8)
        canvas.light(shine, WHITE, gloss)


def paint_vessel(
    canvas: Canvas,
    brief: Brief,
    vessel: Vessel,
    at: tuple[float, float],
    high: float,
    colour: Colour,
    inside: Colour | None = None,
    squash: float = 0.2,
) -> None:
    """Paint a vessel whose foot's centre is at `at`, `high` units tall, filled with `inside`."""
    x, y = at
    heights, radii = vessel.outline(high)
    top_y, foot = y - high, float(radii[0])
    top, bottom = canvas.row(top_y), canvas.row(y + squash * foot) + 1
    left, right = (
        canvas.column(x - float(radii.max())) - 1,
        canvas.column(x + float(radii.max())) + 2,
    )
    left, right = max(left, 0), min(right, canvas.width_px)
    bottom = min(bottom, canvas.height_px)
    if bottom <= top or right <= left:
        return
    rows = canvas.y[top:bottom]
    climb = np.clip((np.float32(y) - rows) / np.float32(high), 0, 1)
    radius = np.interp(climb, heights, radii).astype(np.float32)
    below = np.clip((rows - np.float32(y)) / np.float32(squash * foot), 0, 1)
    reach = radius * np.sqrt(1 - below * below)
    dx = (canvas.x[left:right] - np.float32(x))[None, :]
    mask = np.clip(
        (reach[:, None] - np.abs(dx)) * np.float32(canvas.unit_px) + np.float32(0.5), 0, 1
    )
    across = np.clip(dx / radius[:, None], -1, 1)
    lean = np.gradient(radius) * np.float32(canvas.unit_px) * np.float32(0.3)
    light = _shading(brief, across, np.clip(lean, -0.6, 0.6)[:, None])
    patch = Patch(mask, top, left)
    canvas.blend(patch, _toned(brief, colour, light))
    if brief.look.volume > 0.1:
        streak = np.exp(-(((across - np.float32(0.5 * light_side(brief))) / np.float32(0.12)) ** 2))
        canvas.light(Patch(mask * streak, top, left), WHITE, 0.2)
    if vessel.open:
        _mouth(canvas, brief, (x, top_y), float(radii[-1]), colour, inside, squash)


def _mouth(
    canvas: Canvas,
    brief: Brief,
    at: tuple[float, float],
    radius: float,
    colour: Colour,
    inside: Colour | None,
    squash: float,
) -> None:
    rim, hollow, drink = Pen(canvas), Pen(canvas), Pen(canvas)
    rim.oval(at[0], at[1], radius, radius * squash)
    hollow.oval(at[0], at[1] + radius * squash * 0.05, radius * 0.93, radius * squash * 0.88)
    canvas.blend(rim.patch(), mix(adjusted(colour, 1.15, 0.8), WHITE, 0.25))
    canvas.blend(hollow.patch(), adjusted(colour, 0.62, 1.0))
    if inside:
        drink.oval(at[0], at[1] + radius * squash * 0.24, radius * 0.86, radius * squash * 0.66)
        canvas.blend(drink.patch(), inside)
        shine = canvas.glow(
            at[0] + light_side(brief) * radius * 0.4,
            at[1] + radius * squash * 0.2,
            radius * 0.5,
            squash,
        )
        canvas.light(shine, WHITE, 0.22 * brief.look.volume)


def paint_shadow(
    canvas: Canvas, brief: Brief, at: tuple[float, float], radius: float, high: float
) -> None:
    """Darken the table under a thing of the given radius and height, and away from the light."""
    side = -light_side(brief)
    ink = (
        mix(brief.palette.ink, (0.1, 0.06, 0.1), 0.5)
        if not brief.palette.dark
        else (0.0, 0.0, 0.02)
    )
    if brief.look.volume < 0.1:
        pen = Pen(canvas)
        pen.oval(at[0] + side * radius * 0.5, at[1], radius * 1.3, radius * 0.24)
        canvas.darken(pen.patch(), ink, 0.18)
        return
    cast = canvas.glow(
        at[0] + side * (radius + high * 0.45), at[1] + 0.01, radius * 1.3 + high * 0.9, 0.24
    )
    canvas.darken(cast, ink, 0.42)
    canvas.darken(canvas.glow(at[0] + side * radius * 0.2, at[1], radius * 1.35, 0.3), ink, 0.75)
