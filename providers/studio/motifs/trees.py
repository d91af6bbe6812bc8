"""Trees: rows of conifers, round crowns, bare trunks and palms."""

import numpy as np

from providers.studio.brief import Brief
from providers.studio.canvas import Canvas, Pen
from providers.studio.colour import Colour, Plane, mix


def conifer(rng: np.random.Generator, tiers: int) -> Plane:
    """Return the ragged outline (n, 2) of a conifer 1 high with its foot at (0, 0)."""
    right, left = [(0.0, -1.0)], []
    for tier in range(1, tiers + 1):
        y = -1.0 + 0.93 * tier / tiers
        reach = 0.035 + 0.19 * (tier / tiers) ** 0.85
        a, b, drop = rng.random(3)
        right += [(reach * (0.8 + 0.4 * a), y + 0.03 * drop), (reach * 0.45, y - 0.012)]
        left += [(-reach * (0.8 + 0.4 * b), y + 0.03 * drop), (-reach * 0.45, y - 0.012)]
    foot = [(0.02, -0.06), (0.02, 0.05), (-0.02, 0.05), (-0.02, -0.06)]
    return np.array([*right[:-1], *foot, *left[:-1][::-1]], dtype=np.float32)


def conifer_row(
    canvas: Canvas, pen: Pen, rng: np.random.Generator, crest: Plane, high: float, count: int
) -> None:
    """Stand conifers of about `high` units along the crest (one height per pixel column)."""
    tiers = 4 if high * canvas.unit_px < 24 else 9
    kinds = 2 if canvas.small else 4
    shapes = np.stack([conifer(rng, tiers) for _ in range(kinds)])

    draws = rng.random((count, 3), dtype=np.float32)
    place = (np.arange(count, dtype=np.float32) + np.float32(0.9) * draws[:, 0]) / np.float32(count)
    x = (place - np.float32(0.5)) * np.float32(1.7)
    ground = np.interp(x, canvas.x, crest).astype(np.float32) + np.float32(0.01)
    scale = np.float32(high) * (np.float32(0.5) + np.float32(0.75) * draws[:, 1] ** 2)
    outlines = shapes[(draws[:, 2] * kinds).astype(np.int64)] * scale[:, None, None]
    seen = np.abs(x) < canvas.wide / 2 + high * 0.3
    pen.polygons((outlines + np.stack([x, ground], axis=1)[:, None, :])[seen])


def broadleaf(
    canvas: Canvas, brief: Brief, name: str, at: tuple[float, float], high: float, leaf: Colour
) -> None:
    """Paint one round-crowned tree with its foot at `at`: trunk, shade, leaves, sunlit tops."""
    rng = brief.roll(name)
    x, y = at
    trunk = Pen(canvas)
    bark = mix(brief.light.near, (0.3, 0.2, 0.15), 0.3)
    for lean in (-0.16, 0.0, 0.15):
        along = np.linspace(0, 1, 6, dtype=np.float32)
        points = np.stack([x + lean * high * along**2, y - 0.7 * high * along], axis=1)
        trunk.stroke(points.astype(np.float32), high * 0.06, high * 0.015)
    canvas.blend(trunk.patch(), bark)
    side = 1.0 if brief.chance("light side", 0.5) else -1.0
    for layer, tone in enumerate(_leaf_tones(brief, leaf)):
        pen = Pen(canvas)
        shift = layer * 0.035 * high
        for a, b, size in rng.random((46 - 10 * layer, 3)).tolist():
            turn, out = a * 6.283, b**0.6
            px = x + 0.3 * high * out * float(np.cos(turn)) - side * shift
            py = y - 0.7 * high + 0.27 * high * out * float(np.sin(turn)) - shift * 0.9
            radius = high * (0.045 + 0.055 * size) * (1 - 0.2 * layer)
            _leaves(canvas, pen, rng, (px, py), radius)
        canvas.blend(pen.patch(), tone)


def _leaves(
    canvas: Canvas, pen: Pen, rng: np.random.Generator, at: tuple[float, float], radius: float
) -> None:
    turn = np.linspace(0, 2 * np.pi, 15, dtype=np.float32)[:-1]
    reach = radius * (0.75 + 0.5 * rng.random(14, dtype=np.float32))
    points = np.stack([at[0] + reach * np.cos(turn), at[1] + reach * np.sin(turn)], axis=1)
    pen.polygon(points.astype(np.float32))


def _leaf_tones(brief: Brief, leaf: Colour) -> tuple[Colour, ...]:
    shade = mix(leaf, brief.light.near, 0.62)
    if brief.look.volume < 0.1:
        return (leaf,)
    return shade, mix(shade, leaf, 0.6), mix(leaf, brief.light.sun, 0.28)


def palm(canvas: Canvas, brief: Brief, name: str, at: tuple[float, float], high: float) -> None:
    """Paint a leaning palm in silhouette."""
    rng = brief.roll(name)
    lean = (float(rng.random()) - 0.5) * 0.6
    along = np.linspace(0, 1, 12, dtype=np.float32)
    x = at[0] + lean * high * along**1.8
    y = at[1] - high * along
    pen = Pen(canvas)
    pen.stroke(np.stack([x, y], axis=1).astype(np.float32), high * 0.055, high * 0.025)
    top = float(x[-1]), float(y[-1])
    for turn in np.linspace(-2.9, 0.5, 10):
        _frond(
            pen,
            top,
            float(turn) + 0.2 * float(rng.random()),
            high * (0.36 + 0.1 * float(rng.random())),
        )
    canvas.blend(pen.patch(), brief.at_depth(0.97))


def _frond(pen: Pen, top: tuple[float, float], turn: float, length: float) -> None:
    along = np.linspace(0, 1, 12, dtype=np.float32)
    x = top[0] + length * along * np.float32(np.cos(turn))
    y = top[1] + length * (along * np.float32(np.sin(turn)) * 0.8 + np.float32(0.75) * along**2)
    pen.stroke(np.stack([x, y], axis=1).astype(np.float32), length * 0.03, length * 0.01)
    for index in range(1, 12):
        leaf = length * 0.2 * (1.1 - 0.7 * index / 12)
        side = np.float32(np.cos(turn) * 0.35)
        ends = np.array([[x[index], y[index]], [x[index] + side * leaf, y[index] + leaf * 0.95]])
        pen.stroke(ends.astype(np.float32), length * 0.022, length * 0.002)
