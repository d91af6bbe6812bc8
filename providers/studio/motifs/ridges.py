"""Ridges: mountains, hills, dunes and banks, each a crest line filled down with lit material."""

from dataclasses import dataclass

import numpy as np

from providers.studio.brief import Brief, smooth
from providers.studio.canvas import Canvas, Patch
from providers.studio.colour import Colour, Plane, column, mix
from providers.studio.noise import fbm, line


@dataclass(frozen=True)
class Ridge:
    """One layer of land: crest heights (units, one per pixel column) and what it is made of."""

    name: str
    crest: Plane
    bottom: float
    lit: Colour
    shade: Colour
    mist: float
    rough: float = 1.0
    snow: float = 0.0
    relief: float = 1.0


def mountain_crest(canvas: Canvas, rng: np.random.Generator, base: float, high: float) -> Plane:
    """Return a rocky crest that rises up to `high` units above base."""
    x = canvas.x
    centre, width = (float(rng.random()) - 0.5) * canvas.wide, 0.2 + 0.25 * float(rng.random())
    bulk = np.exp(-(((x - np.float32(centre)) / np.float32(width)) ** 2))
    rock = 1 - np.abs(line(x, rng, 0.42, octaves=7, gain=0.47, sharp=True)) * np.float32(1.3)
    values: Plane = (
        np.float32(base) - np.float32(high) * (0.45 * bulk + 0.62 * rock - 0.1)
    ).astype(np.float32)
    return values


def hill_crest(
    canvas: Canvas, rng: np.random.Generator, base: float, high: float, scale: float = 0.5
) -> Plane:
    """Return a rounded crest that swings about `high` units around base."""
    swell = line(canvas.x, rng, scale, octaves=3, gain=0.33)
    return (np.float32(base) - np.float32(high) * swell).astype(np.float32)


def crest_mask(canvas: Canvas, crest: Plane, top: int, bottom: int) -> Plane:
    """Return coverage of everything below the crest for the given pixel rows."""
    depth = (canvas.y[top:bottom, None] - crest[None, :]) * np.float32(canvas.unit_px)
    slope = np.gradient(crest) * np.float32(canvas.unit_px) if len(crest) > 1 else crest * 0
    depth /= np.sqrt(1 + slope * slope)[None, :]
    depth += np.float32(0.5)
    return np.clip(depth, 0, 1, out=depth)


def paint_ridge(canvas: Canvas, brief: Brief, ridge: Ridge) -> None:
    """Fill the ridge down to its bottom, with cast shadow, relief, snow and mist as they apply."""
    top = max(canvas.row(float(ridge.crest.min())) - 2, 0)
    bottom = canvas.row(ridge.bottom)
    if bottom <= top:
        return
    if brief.look.depth:
        _cast(canvas, brief, ridge.crest, top)
    patch = Patch(crest_mask(canvas, ridge.crest, top, bottom), top, 0)
    if _is_plain(canvas, brief, ridge):
        canvas.blend(patch, _rows(canvas, brief, ridge, top, bottom))
        return
    canvas.blend(patch, _relief(canvas, brief, ridge, top, bottom))


def _is_plain(canvas: Canvas, brief: Brief, ridge: Ridge) -> bool:
    """Tell whether the ridge is one tone: a flat style, no relief, or too small to show it."""
    if brief.look.volume < 0.2 or ridge.relief == 0:
        return True
    return canvas.small and ridge.relief < 0.7


def _cast(canvas: Canvas, brief: Brief, crest: Plane, top: int) -> None:
    """Let the layer throw a soft shadow on what lies behind, as cut paper does."""
    reach = 0.035
    start = max(0, top - round(reach * canvas.unit_px))
    rows = canvas.row(float(crest.max()) + 0.02)
    gap = crest[None, :] - canvas.y[start:rows, None]
    fall = np.clip(1 - gap / np.float32(reach), 0, 1)
    canvas.darken(Patch(fall * fall, start, 0), brief.light.near, 0.3 * brief.look.depth)


def _fog(canvas: Canvas, ridge: Ridge, top: int, bottom: int) -> Plane:
    """Return mist 0..1 per row, shape (rows, 1): none at the crest, most at the foot."""
    middle = float(np.median(ridge.crest))
    span = max(ridge.bottom - middle, 0.05)
    fall = (canvas.y[top:bottom] - np.float32(middle)) / np.float32(span)
    return (smooth(-0.25, 0.8, fall) * np.float32(ridge.mist))[:, None]


def _rows(canvas: Canvas, brief: Brief, ridge: Ridge, top: int, bottom: int) -> Plane:
    fog = _fog(canvas, ridge, top, bottom)
    body = column(mix(ridge.lit, ridge.shade, 0.5))
    if brief.look.volume == 0.0:
        fog = fog * np.float32(0.35)
    return body + (column(brief.light.haze) - body) * fog[None]


def _relief(canvas: Canvas, brief: Brief, ridge: Ridge, top: int, bottom: int) -> Plane:
    """Return the ridge's colour planes: faces towards the sun lit, others shaded, mist below."""
    rough = _roughness(canvas, brief, ridge, top, bottom)
    light = _faces(canvas, brief, ridge, rough, top)
    fog = _fog(canvas, ridge, top, bottom)
    amount = np.clip(light, 0, 1)
    planes = column(ridge.shade) + column(_minus(ridge.lit, ridge.shade)) * amount[None]
    if ridge.snow:
        _snow(canvas, brief, ridge, rough, amount, planes, top)
    planes += (column(brief.light.haze) - planes) * fog[None]
    return planes.astype(np.float32, copy=False)


def _roughness(canvas: Canvas, brief: Brief, ridge: Ridge, top: int, bottom: int) -> Plane:
    if canvas.small:
        return np.zeros((bottom - top, canvas.width_px), dtype=np.float32)
    rows = (top, bottom)
    rng = brief.roll(ridge.name)
    return fbm(canvas, rng, 0.16, stretch=0.8, octaves=8, gain=0.52, rows=rows)


def _minus(first: Colour, second: Colour) -> Colour:
    return first[0] - second[0], first[1] - second[1], first[2] - second[2]


def _faces(canvas: Canvas, brief: Brief, ridge: Ridge, rough: Plane, top: int) -> Plane:
    """Return light 0..1: the slope of the crest, carried down and bent by the roughness."""
    side = 1.0 if brief.chance("light side", 0.5) else -1.0
    blur = max(1, round(canvas.unit_px * 0.011))
    kernel = np.ones(2 * blur + 1, dtype=np.float32) / (2 * blur + 1)
    padded = np.pad(ridge.crest, blur, mode="edge")
    even = np.convolve(padded, kernel, mode="valid")
    slope = np.gradient(even.astype(np.float32)) * np.float32(canvas.unit_px * side)
    table = np.tanh(slope * np.float32(1.6))
    rows = canvas.y[top : top + rough.shape[0], None]
    below = np.clip(rows - ridge.crest[None, :], 0, 0.3) * np.float32(0.55 * ridge.rough)
    bend = rough * (np.float32(0.05 * ridge.rough) + below) * np.float32(canvas.unit_px)
    index = np.arange(canvas.width_px, dtype=np.float32)[None, :] + bend
    index = np.clip(index, 0, canvas.width_px - 1).astype(np.int32)
    light = table[index]
    light *= np.float32(-0.5 * ridge.relief)
    if not canvas.small:
        light += _emboss(canvas, rough, side) * np.float32(0.24 * ridge.rough * brief.look.texture)
    light += np.float32(0.46)
    values: Plane = light
    return values


def _emboss(canvas: Canvas, rough: Plane, side: float) -> Plane:
    step = max(1, round(canvas.unit_px * 0.0022))
    shifted = np.roll(rough, step * int(side), axis=1)
    values: Plane = np.tanh((rough - shifted) * np.float32(0.004 * canvas.unit_px / step + 1.2))
    return values


def _snow(
    canvas: Canvas, brief: Brief, ridge: Ridge, rough: Plane, amount: Plane, planes: Plane, top: int
) -> None:
    """Whiten the upper slopes, raggedly, more on the sunny side."""
    bottom = top + rough.shape[0]
    high = float(ridge.crest.min())
    line_y = np.float32(high + ridge.snow * (ridge.bottom - high))
    cover = smooth(-0.03, 0.05, line_y - canvas.y[top:bottom, None] + rough * np.float32(0.1))
    white = mix(brief.light.sun, (1.0, 1.0, 1.0), 0.55)
    white = (
        white[0] * brief.light.lamp[0],
        white[1] * brief.light.lamp[1],
        white[2] * brief.light.lamp[2],
    )
    cold = mix(brief.light.far, white, 0.3)
    snow = column(cold) + column(_minus(white, cold)) * smooth(0.25, 0.8, amount)[None]
    snow = snow + (column(ridge.lit) - snow) * np.float32(0.06)
    planes += (snow - planes) * cover[None]
