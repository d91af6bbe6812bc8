"""Music: strings that swing, rings that spread from a record, and beats in columns of light."""

from functools import partial

import numpy as np

from providers.studio.brief import Brief
from providers.studio.canvas import Canvas, Patch, Pen, Step
from providers.studio.colour import WHITE, adjusted, column, mix, ramp
from providers.studio.noise import line
from providers.studio.pictures.lattice import paint_stage


def steps(canvas: Canvas, brief: Brief) -> list[Step]:
    """Return the strokes of a picture of sound."""
    return [
        partial(paint_stage, brief=brief),
        partial(_record, brief=brief),
        partial(_beats, brief=brief),
        partial(_strings, brief=brief),
    ]


def _record(canvas: Canvas, brief: Brief) -> None:
    """Lay a large record half out of the picture, light sweeping over its grooves."""
    rng = brief.roll("record")
    side = 1.0 if brief.chance("record side", 0.5) else -1.0
    x, y = (
        side * canvas.wide * (0.16 + 0.16 * float(rng.random())),
        canvas.tall * (0.4 + 0.15 * float(rng.random())),
    )
    radius = 0.36
    canvas.darken(canvas.glow(x + 0.03, y + 0.05, radius * 1.4), (0.02, 0.01, 0.05), 0.6)
    dx, dy = (canvas.x - np.float32(x))[None, :], (canvas.y - np.float32(y))[:, None]
    distance = np.hypot(dx, dy)
    turn = np.arctan2(dy, dx)
    body = adjusted(brief.palette.ink, 0.5, 1.0) if not brief.palette.dark else (0.035, 0.035, 0.06)
    sweep = np.clip(np.cos(turn * 2 + np.float32(0.9 + side)), 0, 1) ** 6
    groove = np.sin(distance * np.float32(520)) * np.float32(0.25 if canvas.unit_px > 420 else 0.0)
    bands = np.sin(distance * np.float32(61)) * np.float32(0.16)
    light = np.clip(sweep * np.float32(0.5) * (1 + groove + bands), 0, 1) + np.float32(0.03) * (
        1 + bands
    )
    tone = mix(brief.palette.tones[1], WHITE, 0.2)
    planes = column(body) + (column(tone) - column(body)) * light[None]
    edge = np.clip(
        (np.float32(radius) - distance) * np.float32(canvas.unit_px) + np.float32(0.5), 0, 1
    )
    canvas.blend(Patch(edge, 0, 0), planes.astype(np.float32))
    canvas.blend(canvas.disc(x, y, radius * 0.34), brief.palette.tones[2])
    canvas.blend(
        canvas.disc(x, y, radius * 0.26), mix(brief.palette.tones[2], brief.palette.tones[3], 0.7)
    )
    canvas.blend(canvas.disc(x, y, radius * 0.035), brief.palette.paper)


def _beats(canvas: Canvas, brief: Brief) -> None:
    rng = brief.roll("beats")
    count = 64
    place = np.linspace(-0.75, 0.75, count, dtype=np.float32)
    loud = np.abs(line(place, rng, 0.2, octaves=4, gain=0.7)) * np.exp(
        -((place * 1.5) ** 2)
    ) + np.float32(0.03)
    pen = Pen(canvas)
    y = canvas.tall * 0.74
    for x, high in zip(place.tolist(), loud.tolist(), strict=True):
        half = 0.22 * high + 0.004
        pen.box(x - 0.0055, y - half, x + 0.0055, y + half * 0.75)
        pen.oval(x, y - half, 0.0055, 0.0055)
        pen.oval(x, y + half * 0.75, 0.0055, 0.0055)
    patch = pen.patch()
    hues = (brief.palette.tones[3], brief.palette.tones[1], brief.palette.tones[2])
    across = np.linspace(0, 1, patch.mask.shape[1], dtype=np.float32)[None, :]
    canvas.blend(patch, ramp(hues, across), 0.92)


def _strings(canvas: Canvas, brief: Brief) -> None:
    rng = brief.roll("strings")
    along = np.linspace(-0.95, 0.95, 90, dtype=np.float32)
    phase = float(rng.random()) * 6.28
    for index in range(5):
        wave = np.sin(along * 3.1 + phase + index * 0.16) * (0.08 + 0.012 * index)
        y = canvas.tall * 0.5 + wave + (index - 2) * 0.026
        pen = Pen(canvas)
        pen.stroke(np.stack([along, y], axis=1).astype(np.float32), 0.0022, 0.0022)
        canvas.blend(pen.patch(), mix(brief.palette.ink, brief.palette.tones[3], 0.35), 0.75)
    for spot, lift in rng.random((11, 2)).tolist():
        x = (spot - 0.5) * canvas.wide * 0.9
        row = int(lift * 5)
        y = (
            canvas.tall * 0.5
            + float(np.sin(x * 3.1 + phase + row * 0.16)) * (0.08 + 0.012 * row)
            + (row - 2) * 0.026
        )
        canvas.light(canvas.glow(x, y, 0.05), brief.palette.tones[2], 0.4)
        canvas.blend(
            canvas.disc(x, y, 0.011),
            mix(brief.palette.tones[2], WHITE, lift * lift),
        )
