"""What falls or drifts in front of a scene: rain, snow, mist, lightning."""

import numpy as np

from providers.studio.brief import Brief
from providers.studio.canvas import Canvas, Patch, Pen
from providers.studio.colour import WHITE, mix
from providers.studio.noise import fbm


def paint_rain(canvas: Canvas, brief: Brief) -> None:
    """Draw slanted streaks of rain, near ones long and far ones fine."""
    rng = brief.roll("rain")
    lean = (float(rng.random()) - 0.5) * 0.35
    draws = rng.random((700, 4), dtype=np.float32)
    draws = draws[: max(60, min(700, round(canvas.unit_px)))]
    length = np.float32(0.02) + np.float32(0.06) * draws[:, 2]
    start = np.stack([(draws[:, 0] - 0.5) * 1.8, draws[:, 1] * canvas.tall], axis=1)
    end = start + np.stack([lean * length, length], axis=1)
    pen = Pen(canvas)
    pen.strokes(
        np.stack([start, end], axis=1).astype(np.float32),
        0.0006,
        0.0016,
        np.float32(0.25) + np.float32(0.6) * draws[:, 3],
    )
    canvas.light(pen.patch(), mix(brief.light.haze, WHITE, 0.5), 0.34)


def paint_snowfall(canvas: Canvas, brief: Brief) -> None:
    """Let flakes fall in three depths."""
    rng = brief.roll("snowfall")
    for near, count in ((0.0, 420), (0.5, 120), (1.0, 26)):
        draws = rng.random((count, 4), dtype=np.float32)
        pen = Pen(canvas)
        for x, y, size, ink in draws[
            : max(20, min(count, round(count * canvas.unit_px / 500)))
        ].tolist():
            radius = (0.0012 + 0.0016 * size) * (1 + 3.4 * near * near)
            pen.oval((x - 0.5) * 1.8, y * canvas.tall, radius, radius, 0.4 + 0.6 * ink)
        canvas.blend(pen.patch(), WHITE, 0.85 - 0.4 * near)


def paint_mist(canvas: Canvas, brief: Brief, level: float, strength: float, name: str) -> None:
    """Lay a bank of drifting mist around the height `level` (units)."""
    top, end = canvas.row(level - 0.24), canvas.row(level + 0.2)
    if end - top < 2:
        return
    drift = fbm(canvas, brief.roll(name), 0.16, stretch=4.0, octaves=5, rows=(top, end))
    band = np.exp(-(((canvas.y[top:end] - np.float32(level)) / np.float32(0.09)) ** 2))[:, None]
    mask = np.clip(band * (np.float32(0.62) + drift * np.float32(0.55)), 0, 1)
    canvas.blend(Patch(mask, top, 0), brief.light.haze, strength)


def paint_lightning(canvas: Canvas, brief: Brief, horizon: float) -> None:
    """Strike one branched bolt down to the horizon and light the clouds around it."""
    rng = brief.roll("lightning")
    x = (float(rng.random()) - 0.5) * 0.7 * canvas.wide
    pen = Pen(canvas)
    steps = 22
    wander = np.cumsum(rng.random(steps, dtype=np.float32) - 0.5) * np.float32(0.03)
    y = np.linspace(0.02, horizon, steps, dtype=np.float32)
    pen.stroke(np.stack([x + wander, y], axis=1).astype(np.float32), 0.006, 0.002)
    for fork in (6, 11, 15):
        side = np.cumsum(rng.random(7, dtype=np.float32) - 0.3) * np.float32(0.035)
        side *= 1 if fork % 2 else -1
        branch = np.stack(
            [x + wander[fork] + side, y[fork] + np.arange(7, dtype=np.float32) * np.float32(0.02)],
            axis=1,
        )
        pen.stroke(branch.astype(np.float32), 0.003, 0.0006)
    canvas.light(canvas.glow(x, horizon * 0.35, 0.6), (0.7, 0.74, 1.0), 0.5)
    canvas.light(pen.patch(), (0.97, 0.96, 1.0), 1.0)


def paint_petals(canvas: Canvas, brief: Brief) -> None:
    """Drift leaves or petals across the picture."""
    rng = brief.roll("petals")
    hue = (0.86, 0.45, 0.16) if "autumn" in brief.theme.weather else (0.97, 0.74, 0.8)
    pen = Pen(canvas)
    for x, y, size, turn in rng.random((38, 4)).tolist():
        radius, angle = 0.004 + 0.007 * size * size, turn * 6.283
        way = np.array([np.cos(angle), np.sin(angle)]) * radius
        ends = np.array([-way, way * 0.2, way]) + np.array([(x - 0.5) * 1.6, y * canvas.tall])
        pen.stroke(ends.astype(np.float32), radius * 0.9, radius * 0.1)
    canvas.blend(pen.patch(), hue, 0.8)
