"""Leaves, stems and blossoms seen close."""

import numpy as np

from providers.studio.brief import Brief
from providers.studio.canvas import Canvas, Pen
from providers.studio.colour import Colour, Plane, adjusted, mix

GREEN: Colour = (0.33, 0.47, 0.3)


def leaf_outline(at: tuple[float, float], turn: float, length: float, width: float) -> Plane:
    """Return the outline (n, 2) of a pointed leaf that grows from `at` in the direction turn."""
    along = np.linspace(0, 1, 12, dtype=np.float32)
    half = (
        np.abs(np.sin(along * np.float32(np.pi))) ** 0.8
        * np.float32(width / 2)
        * (1.15 - along * 0.4)
    )
    bend = np.float32(0.14) * along * along
    points = np.concatenate(
        [np.stack([along, bend - half], axis=1), np.stack([along, bend + half], axis=1)[::-1]]
    ) * np.float32(length)
    cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    x = at[0] + points[:, 0] * cos - points[:, 1] * sin
    y = at[1] + points[:, 0] * sin + points[:, 1] * cos
    return np.stack([x, y], axis=1).astype(np.float32)


def paint_leaf(
    canvas: Canvas,
    brief: Brief,
    at: tuple[float, float],
    turn: float,
    length: float,
    colour: Colour,
    width: float = 0.4,
) -> None:
    """Paint a leaf with a darker half and a pale vein."""
    whole, half, vein = Pen(canvas), Pen(canvas), Pen(canvas)
    outline = leaf_outline(at, turn, length, width)
    whole.polygon(outline)
    canvas.blend(whole.patch(), colour)
    if canvas.small or length * canvas.unit_px < 24 or brief.look.volume < 0.1:
        return
    middle: Plane = (outline[:12] + outline[12:][::-1]) / np.float32(2)
    half.polygon(np.concatenate([outline[:12], middle[::-1]]))
    vein.stroke(middle, length * 0.018, length * 0.004)
    canvas.blend(half.patch(), adjusted(colour, 0.82, 1.0), 0.8)
    canvas.blend(vein.patch(), mix(colour, (0.95, 0.95, 0.8), 0.4), 0.7)


def paint_spray(
    canvas: Canvas, brief: Brief, name: str, at: tuple[float, float], high: float
) -> None:
    """Grow stems with leaves and a few blossoms out of a vase's mouth at `at`."""
    rng = brief.roll(name)
    flowering = brief.theme.has("flower") or brief.chance(name + " kind", 0.5)
    for _ in range(7):
        lean, size, hue = (float(value) for value in rng.random(3))
        bend = (lean - 0.5) * 1.5
        along = np.linspace(0, 1, 14, dtype=np.float32)
        x = at[0] + bend * high * 0.6 * along**1.5
        y = at[1] - high * (0.55 + 0.5 * size) * along
        stem = Pen(canvas)
        stem.stroke(np.stack([x, y], axis=1).astype(np.float32), 0.0065, 0.003)
        green = mix(GREEN, brief.palette.tones[int(hue * 4)], 0.28)
        canvas.blend(stem.patch(), adjusted(green, 0.8, 1.0))
        _foliage(canvas, brief, rng, x, y, high, green)
        if flowering:
            tone = brief.palette.tones[int(size * 3.99)]
            paint_blossom(
                canvas, brief, (float(x[-1]), float(y[-1])), 0.035 + 0.035 * hue, tone, lean
            )


def _foliage(
    canvas: Canvas,
    brief: Brief,
    rng: np.random.Generator,
    x: Plane,
    y: Plane,
    high: float,
    green: Colour,
) -> None:
    for index, joint in enumerate((6, 10) if canvas.small else (4, 6, 8, 10, 12, 13)):
        side = 1 if index % 2 else -1
        turn = -1.57 + side * (0.5 + 0.5 * float(rng.random()))
        length = high * (0.3 - 0.015 * joint) * (0.75 + 0.4 * float(rng.random()))
        shade = adjusted(green, 0.8 + 0.4 * float(rng.random()), 1.0)
        paint_leaf(canvas, brief, (float(x[joint]), float(y[joint])), turn, length, shade, 0.34)


def paint_blossom(
    canvas: Canvas,
    brief: Brief,
    at: tuple[float, float],
    radius: float,
    colour: Colour,
    turn: float,
) -> None:
    """Paint an open blossom in three whorls of petals around a warm heart."""
    whorls = ((1.0, 11, 0.8), (0.72, 9, 1.0), (0.45, 7, 1.14))
    small = canvas.small or radius * canvas.unit_px < 8
    for index, (reach, count, light) in enumerate(whorls[2 * small :]):
        tone = adjusted(colour, light, 1.0)
        way = np.arange(count, dtype=np.float32) * np.float32(6.283 / count)
        way += np.float32(turn * 6.283 + index * 0.4)
        reach = 1.0 if small else reach
        length = np.float32(radius * reach) * (0.9 + 0.16 * np.sin(way * 3 + np.float32(turn * 9)))
        petals = _petals(at, way, length, 5.2 / count)
        _whorl(canvas, petals[::2], tone)
        _whorl(canvas, petals[1::2], adjusted(tone, 0.86, 1.04))
        if brief.look.volume > 0.1 and not small:
            heart = canvas.glow(at[0], at[1], radius * reach * 0.8)
            canvas.darken(heart, adjusted(colour, 0.45, 1.1), 0.5)
    canvas.blend(canvas.disc(at[0], at[1], radius * 0.165), mix((0.96, 0.76, 0.3), colour, 0.2))


def _whorl(canvas: Canvas, petals: Plane, tone: Colour) -> None:
    pen = Pen(canvas)
    pen.polygons(petals)
    canvas.blend(pen.patch(), tone)


def _petals(at: tuple[float, float], way: Plane, length: Plane, width: float) -> Plane:
    """Return outlines (count, 20, 2) of petals that grow from `at` in the directions way."""
    along = np.linspace(0, 1, 10, dtype=np.float32)
    swell = np.sqrt(np.clip(np.sin(along**1.5 * np.float32(np.pi)), 0, 1))
    half = swell * np.float32(width * 0.42)
    shape_x = np.concatenate([along, along[::-1]])[None, :] * length[:, None]
    shape_y = np.concatenate([half, -half[::-1]])[None, :] * length[:, None]
    cos, sin = np.cos(way)[:, None], np.sin(way)[:, None]
    x = np.float32(at[0]) + shape_x * cos - shape_y * sin
    y = np.float32(at[1]) + shape_x * sin + shape_y * cos
    return np.stack([x, y], axis=2).astype(np.float32)
