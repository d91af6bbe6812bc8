"""City skylines in layers: towers with setbacks and masts, and windows that light up at night."""

import numpy as np

from providers.studio.brief import Brief
from providers.studio.canvas import Canvas, Pen
from providers.studio.colour import Colour, Plane, adjusted, mix

_LAMPS: tuple[Colour, ...] = ((1.0, 0.82, 0.52), (1.0, 0.9, 0.72), (0.75, 0.88, 1.0))


def paint_skyline(canvas: Canvas, brief: Brief, base: float, depth: float, high: float) -> None:
    """Stand a row of towers on the line y = base; depth is 0 (far) to 1 (near)."""
    rng = brief.roll(f"skyline {depth}")
    towers = _towers(rng, high, 0.035 + 0.06 * depth)
    pen, edge = Pen(canvas), Pen(canvas)
    side = 1.0 if brief.chance("light side", 0.5) else -1.0
    for left, width, tall, kind, _ in towers:
        _tower(pen, edge, (left, base, width, tall), kind, side)
    body = brief.at_depth(0.15 + 0.8 * depth)
    patch = pen.patch()
    if patch.mask.size == 0:
        return
    canvas.blend(
        patch, _haze_planes(canvas, brief, body, patch.top, patch.mask.shape[0], base, high)
    )
    if brief.look.volume > 0 and brief.look.detail > 0.4:
        canvas.blend(
            edge.patch(), mix(body, mix(brief.light.haze, brief.light.sun, 0.5), 0.5), 0.45
        )
    if brief.look.detail > 0.4 and depth > 0.2:
        _windows(canvas, brief, rng, towers, base, depth, body)


def _towers(rng: np.random.Generator, high: float, wide: float) -> list[tuple[float, ...]]:
    towers: list[tuple[float, ...]] = []
    x = -0.95
    centre = (float(rng.random()) - 0.5) * 0.5
    while x < 0.95:
        a, b, c, gap = (float(value) for value in rng.random(4))
        width = wide * (0.55 + 0.9 * a)
        swell = 0.5 + 0.6 * float(np.exp(-(((x - centre) / 0.32) ** 2)))
        towers.append((x, width, high * swell * (0.28 + 0.72 * b**1.5), c, gap))
        x += width * (0.82 + 0.3 * gap)
    return towers


def _tower(
    pen: Pen, edge: Pen, box: tuple[float, float, float, float], kind: float, side: float
) -> None:
    left, base, width, tall = box
    pen.box(left, base - tall, left + width, base + 0.01)
    middle = left + width / 2
    if kind < 0.24:
        pen.box(left + width * 0.2, base - tall * 1.13, left + width * 0.8, base - tall)
        pen.box(left + width * 0.36, base - tall * 1.2, left + width * 0.64, base - tall)
    elif kind < 0.36:
        pen.box(middle - width * 0.02, base - tall * 1.3, middle + width * 0.02, base - tall)
        pen.box(left + width * 0.3, base - tall * 1.05, left + width * 0.7, base - tall)
    elif kind < 0.48:
        roof = [
            (left, base - tall),
            (middle, base - tall * 1.0 - width * 0.8),
            (left + width, base - tall),
        ]
        pen.polygon(np.array(roof, dtype=np.float32))
    elif kind < 0.6:
        slope = [
            (left, base - tall),
            (left + width, base - tall - width * 0.5),
            (left + width, base - tall),
        ]
        pen.polygon(np.array(slope, dtype=np.float32))
    start = left if side < 0 else left + width * 0.66
    edge.box(start, base - tall, start + width * 0.34, base)


def _haze_planes(
    canvas: Canvas, brief: Brief, body: Colour, top: int, rows: int, base: float, high: float
) -> Plane:
    """Return the body colour sinking into haze towards the street."""
    fall = 1 - np.clip((np.float32(base) - canvas.y[top : top + rows]) / np.float32(high), 0, 1)
    share = (fall**2 * np.float32(0.55 if brief.look.volume else 0.12))[:, None]
    dark = np.array(body, dtype=np.float32).reshape(3, 1, 1)
    haze = np.array(mix(brief.light.haze, body, 0.3), dtype=np.float32).reshape(3, 1, 1)
    values: Plane = dark + (haze - dark) * share[None]
    return values


def _windows(
    canvas: Canvas,
    brief: Brief,
    rng: np.random.Generator,
    towers: list[tuple[float, ...]],
    base: float,
    depth: float,
    body: Colour,
) -> None:
    night = brief.light.dark or brief.light.name in {"storm", "rain", "sunset"}
    pitch = 0.0085 + 0.006 * depth
    pens = [Pen(canvas) for _ in _LAMPS]
    for index, (left, width, tall, _, _) in enumerate(towers):
        columns, floors = max(2, int(width / pitch)), max(2, int(tall / (pitch * 1.5)))
        glow = rng.random((floors, columns))
        if (
            left > canvas.wide / 2
            or left + width < -canvas.wide / 2
            or pitch * canvas.unit_px < 1.3
        ):
            continue
        share = (0.46 if night else 0.85) * (0.5 + 0.5 * ((index * 7) % 5) / 4)
        step_x, step_y = width / (columns + 0.5), tall / (floors + 0.5)
        for floor, place in np.argwhere(glow < share).tolist():
            x = left + (place + 0.45) * step_x
            y = base - tall + (floor + 0.45) * step_y
            ink = 0.35 + 0.65 * float(glow[floor, place]) / share
            pens[(index + floor // 5) % 3].box(x, y, x + step_x * 0.58, y + step_y * 0.52, ink)
    for pen, lamp in zip(pens, _LAMPS, strict=True):
        if night:
            canvas.blend(pen.patch(), _lamp(brief, lamp), 0.92)
        else:
            canvas.blend(pen.patch(), mix(body, brief.light.sky[1], 0.5), 0.5)


def _lamp(brief: Brief, lamp: Colour) -> Colour:
    if "neon" not in brief.theme.weather:
        return lamp
    return adjusted(brief.palette.tones[_LAMPS.index(lamp)], 1.25, 1.5)
