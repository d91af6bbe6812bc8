"""Business: bars of light and a rising curve over soft ground, without figures or words."""

from functools import partial

import numpy as np

from providers.studio.brief import Brief
from providers.studio.canvas import Canvas, Patch, Pen, Step
from providers.studio.colour import WHITE, Plane, adjusted, column, mix
from providers.studio.motifs.ridges import crest_mask
from providers.studio.noise import line
from providers.studio.pictures.lattice import paint_stage


def steps(canvas: Canvas, brief: Brief) -> list[Step]:
    """Return the strokes of an abstract chart."""
    return [
        partial(paint_stage, brief=brief),
        partial(_grid, brief=brief),
        partial(_hills, brief=brief),
        partial(_bars, brief=brief),
        partial(_curve, brief=brief),
    ]


def _grid(canvas: Canvas, brief: Brief) -> None:
    pen = Pen(canvas)
    for index in range(1, 7):
        y = canvas.tall * index / 7
        pen.box(-1.0, y, 1.0, y + 0.0012)
    canvas.blend(pen.patch(), brief.palette.ink, 0.14)


def _hills(canvas: Canvas, brief: Brief) -> None:
    """Layer areas as an area chart does, each a little higher and paler behind."""
    rng = brief.roll("areas")
    for layer in range(3):
        rise = (canvas.x + np.float32(0.7)) * np.float32(0.16 + 0.05 * layer)
        crest = np.float32(canvas.tall * (0.62 + 0.12 * layer)) - rise
        crest = crest - line(canvas.x, rng, 0.34, octaves=3, gain=0.4) * np.float32(0.07)
        tone = mix(brief.palette.paper, brief.palette.tones[(layer + 1) % 4], 0.35 + 0.15 * layer)
        top = max(canvas.row(float(crest.min())) - 1, 0)
        mask = crest_mask(canvas, crest.astype(np.float32), top, canvas.height_px)
        fade = 1 - np.float32(0.7) * np.clip(
            (canvas.y[top:, None] - crest[None, :]) * np.float32(2.2), 0, 1
        )
        canvas.blend(Patch(mask * fade, top, 0), tone, 0.75)


def _bars(canvas: Canvas, brief: Brief) -> None:
    rng = brief.roll("bars")
    count = 9 + int(rng.random() * 6)
    span = canvas.wide * 0.84
    pitch = span / count
    draws = rng.random(count)
    base = canvas.tall * 0.9
    for index in range(count):
        x = -span / 2 + (index + 0.5) * pitch
        rise = (index + 1) / count
        high = canvas.tall * (0.1 + 0.5 * rise**1.3) * (0.72 + 0.4 * float(draws[index]))
        tone = brief.palette.tones[1 if index % 4 != 2 else 3]
        _bar(canvas, brief, (x, base), pitch * 0.3, high, adjusted(tone, 0.8 + 0.3 * rise, 1.05))


def _bar(
    canvas: Canvas,
    brief: Brief,
    at: tuple[float, float],
    half: float,
    high: float,
    tone: tuple[float, float, float],
) -> None:
    x, base = at
    front, side, lid = Pen(canvas), Pen(canvas), Pen(canvas)
    skew = half * 0.55
    front.box(x - half, base - high, x + half, base)
    side.polygon(
        np.array(
            [
                (x + half, base),
                (x + half, base - high),
                (x + half + skew, base - high - skew * 0.6),
                (x + half + skew, base - skew * 0.6),
            ],
            dtype=np.float32,
        )
    )
    lid.polygon(
        np.array(
            [
                (x - half, base - high),
                (x + half, base - high),
                (x + half + skew, base - high - skew * 0.6),
                (x - half + skew, base - high - skew * 0.6),
            ],
            dtype=np.float32,
        )
    )
    canvas.darken(canvas.glow(x + half, base + 0.008, half * 3, 0.2), (0.0, 0.0, 0.05), 0.35)
    canvas.blend(side.patch(), adjusted(tone, 0.66, 1.0))
    canvas.blend(lid.patch(), mix(tone, WHITE, 0.35))
    patch = front.patch()
    if patch.mask.size == 0:
        return
    fall = np.linspace(0, 1, patch.mask.shape[0], dtype=np.float32)[None, :, None]
    low = column(mix(tone, brief.palette.paper, 0.4 if brief.look.volume else 0.0))
    canvas.blend(patch, column(tone) + (low - column(tone)) * fall)


def _curve(canvas: Canvas, brief: Brief) -> None:
    """Sweep a bright curve upwards with a light at its head."""
    rng = brief.roll("curve")
    x = np.linspace(-canvas.wide * 0.46, canvas.wide * 0.42, 90, dtype=np.float32)
    part = np.linspace(0, 1, 90, dtype=np.float32)
    y = canvas.tall * (0.7 - 0.5 * part**1.6) - line(x, rng, 0.3, octaves=3, gain=0.4) * 0.05
    points: Plane = np.stack([x, y], axis=1).astype(np.float32)
    tone = (
        brief.palette.tones[3]
        if not brief.palette.dark
        else mix(brief.palette.tones[2], WHITE, 0.3)
    )
    halo, core = Pen(canvas), Pen(canvas)
    halo.stroke(points, 0.012, 0.026)
    core.stroke(points, 0.004, 0.0085)
    canvas.blend(halo.patch(), tone, 0.25)
    canvas.blend(core.patch(), tone)
    for index in range(0, 90, 15):
        dot = canvas.disc(float(x[index]), float(y[index]), 0.0085)
        canvas.blend(dot, mix(tone, WHITE, 0.6))
    end = float(x[-1]), float(y[-1])
    canvas.light(canvas.glow(end[0], end[1], 0.12), tone, 0.6)
    canvas.blend(canvas.disc(end[0], end[1], 0.017), mix(tone, WHITE, 0.7))
