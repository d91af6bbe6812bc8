"""Water: a mirror of what stands above it, broken by ripples and a path of light."""

import numpy as np

from providers.studio.brief import Brief, smooth
from providers.studio.canvas import Canvas, Patch
from providers.studio.colour import Plane, lit, mix
from providers.studio.motifs.sky import sun_place
from providers.studio.noise import fbm


def paint_water(
    canvas: Canvas, brief: Brief, surface: float, bottom: float, *, rough: float, sky: float
) -> None:
    """Fill the rows from surface to bottom (units) with water; rough 0 is glass, 1 is open sea.

    sky is the height of the horizon that the sun was set against.
    """
    top, end = canvas.row(surface), canvas.row(bottom)
    if end - top < 2:
        return
    ripple = _ripples(canvas, brief, top, end)
    _mirror(canvas, brief, top, end, ripple * np.float32(rough))
    _tint(canvas, brief, top, end)
    if brief.look.bands == 0:
        _sheen(canvas, brief, top, end, ripple, rough)
    _glitter(canvas, brief, top, end, ripple, sky)


def _ripples(canvas: Canvas, brief: Brief, top: int, end: int) -> Plane:
    """Return noise in perspective, about -1..1: fine at the horizon, broad in front."""
    rows = end - top
    field = fbm(
        canvas,
        brief.roll("ripples"),
        0.05,
        stretch=4.5,
        octaves=6,
        gain=0.62,
        rows=(0, canvas.height_px),
    )
    depth = (canvas.y[top:end] - canvas.y[top]) / np.float32(canvas.tall)
    far = np.log1p(depth * 14) / np.log1p(np.float32(14.0))
    index = np.clip(far * (canvas.height_px - 1), 0, canvas.height_px - 1).astype(np.int32)
    values: Plane = field[index[:rows]]
    return values


def _mirror(canvas: Canvas, brief: Brief, top: int, end: int, ripple: Plane) -> None:
    depth = np.arange(end - top, dtype=np.float32)
    squeeze = min(1.0, max(top - 1, 1) / max(end - top, 1))
    swing = (0.012 + 0.1 * depth / canvas.unit_px) * canvas.unit_px
    source = (top - 1 - depth * np.float32(squeeze))[:, None] - ripple * swing[:, None]
    index = np.clip(source, 0, max(top - 1, 0)).astype(np.int32) * np.int32(canvas.width_px)
    index += np.arange(canvas.width_px, dtype=np.int32)[None, :]
    above = canvas.rgb[:, :top].reshape(3, -1) if top else canvas.rgb[:, :1].reshape(3, -1)
    for channel in range(3):
        canvas.rgb[channel, top:end] = above[channel].take(index)


def _tint(canvas: Canvas, brief: Brief, top: int, end: int) -> None:
    """Let the water's own colour come up towards the viewer."""
    own = lit(mix((0.05, 0.22, 0.3), brief.light.sky[0], 0.6), brief.light.lamp, 0.6)
    depth = np.linspace(0, 1, end - top, dtype=np.float32)[:, None]
    mask = np.broadcast_to(np.float32(0.16) + depth * np.float32(0.5), (end - top, canvas.width_px))
    canvas.blend(Patch(mask, top, 0), own)
    line = np.exp(-depth * (end - top) / canvas.unit_px * 60) * np.float32(0.5)
    canvas.blend(Patch(np.broadcast_to(line, mask.shape), top, 0), brief.light.haze)


def _sheen(canvas: Canvas, brief: Brief, top: int, end: int, ripple: Plane, rough: float) -> None:
    depth = np.linspace(0, 1, end - top, dtype=np.float32)[:, None]
    crest = smooth(0.25, 1.3, ripple) * (np.float32(0.15) + depth) * np.float32(0.5 * rough + 0.1)
    trough = smooth(0.1, 1.3, -ripple) * (np.float32(0.2) + depth)
    canvas.blend(Patch(crest, top, 0), mix(brief.light.sky[2], brief.light.sky[3], 0.5))
    canvas.darken(Patch(trough, top, 0), brief.light.near, 0.35)


def _glitter(canvas: Canvas, brief: Brief, top: int, end: int, ripple: Plane, sky: float) -> None:
    """Lay the broken path of light under the sun or moon."""
    if brief.light.name in {"storm", "rain", "fog"}:
        return
    x, _, radius = sun_place(canvas, brief, sky)
    depth = (canvas.y[top:end] - canvas.y[top])[:, None]
    width = np.float32(radius * 0.9) + depth * np.float32(0.28)
    path = np.exp(-(((canvas.x[None, :] - np.float32(x)) / width) ** 2))
    spark = smooth(0.12, 0.55, ripple + path * np.float32(0.35))
    canvas.light(Patch(path * spark, top, 0), brief.light.sun, 0.85)
