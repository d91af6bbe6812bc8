"""Small things that give a landscape its scale: people, boats, houses, a lighthouse, balloons."""

import numpy as np

from providers.studio.brief import Brief
from providers.studio.canvas import Canvas, Pen
from providers.studio.colour import BLACK, Colour, Plane, adjusted, lit, mix

_GLOW: Colour = (1.0, 0.78, 0.42)


def _path(*points: tuple[float, float]) -> Plane:
    return np.array(points, dtype=np.float32)


# Half of a standing figure's outline, from the crown down to the hem: across and up, in heights.
_FIGURE = (
    (0.0, 1.0), (0.034, 0.99), (0.05, 0.955), (0.046, 0.91), (0.026, 0.875), (0.03, 0.855),
    (0.075, 0.835), (0.103, 0.805), (0.116, 0.7), (0.124, 0.58), (0.118, 0.47), (0.098, 0.465),
    (0.09, 0.6), (0.086, 0.66), (0.074, 0.56), (0.086, 0.42),
)  # fmt: skip


def draw_person(pen: Pen, at: tuple[float, float], high: float, stride: float) -> None:
    """Draw a standing or walking figure `high` units tall, feet at `at`."""
    x, y = at
    half = [(a * high, y - b * high) for a, b in _FIGURE]
    outline = [(x + a, b) for a, b in half] + [(x - a, b) for a, b in reversed(half)]
    step = 0.07 * stride * high
    for side in (-1, 1):
        hip, foot = x + side * 0.04 * high, x + side * (0.035 * high + step)
        knee = (hip + foot) / 2 + 0.012 * high
        leg = _path((hip, y - 0.46 * high), (knee, y - 0.25 * high), (foot, y - 0.01 * high))
        pen.stroke(leg, 0.09 * high, 0.045 * high)
        pen.oval(foot + 0.014 * high, y - 0.008 * high, 0.036 * high, 0.014 * high)
    pen.polygon(_path(*outline))


def paint_people(
    canvas: Canvas, brief: Brief, ground: Plane, high: float, tone: Colour | None = None
) -> None:
    """Stand one to three people on the ground line (one height per pixel column)."""
    rng = brief.roll("people")
    count = 1 + int(rng.random() * 2.6)
    x = (float(rng.random()) - 0.5) * 0.55 * canvas.wide
    pen = Pen(canvas)
    for index in range(count):
        size, stride = (float(value) for value in rng.random(2))
        at = x + index * high * 0.42
        foot = float(np.interp(at, canvas.x, ground)) + 0.006
        draw_person(pen, (at, foot), high * (0.88 + 0.2 * size), 0.5 + stride)
    canvas.blend(pen.patch(), tone or brief.at_depth(1.0))


def paint_boat(canvas: Canvas, brief: Brief, surface: float, bottom: float) -> None:
    """Set a sailing boat on the water, with its reflection."""
    rng = brief.roll("boat")
    count = 1 + int(rng.random() * 2.2)
    for index in range(count):
        a, b, c = (float(value) for value in rng.random(3))
        depth = (0.14 + 0.3 * b) if index == 0 else 0.04 + 0.06 * b
        y = surface + (bottom - surface) * depth
        high = (0.17 + 0.1 * c) * (0.35 + 1.6 * depth)
        x = (a - 0.5) * 0.75 * canvas.wide
        _boat(canvas, brief, (x, y), high, -1.0, 0.32)
        _boat(canvas, brief, (x, y), high, 1.0, 1.0)


def _boat(
    canvas: Canvas, brief: Brief, at: tuple[float, float], high: float, up: float, opacity: float
) -> None:
    x, y = at
    hull, main, jib = Pen(canvas), Pen(canvas), Pen(canvas)
    keel = [(-0.33, 0.09), (0.42, 0.11), (0.3, 0.0), (-0.26, 0.0)]
    hull.polygon(_path(*((x + a * high, y - up * b * high) for a, b in keel)))
    hull.stroke(_path((x, y - up * 0.08 * high), (x, y - up * high)), 0.014 * high, 0.008 * high)
    belly = [(-0.012, 0.97), (-0.1, 0.72), (-0.22, 0.42), (-0.31, 0.17), (-0.012, 0.17)]
    main.polygon(_path(*((x + a * high, y - up * b * high) for a, b in belly)))
    front = [(0.016, 0.9), (0.12, 0.62), (0.24, 0.36), (0.37, 0.16), (0.016, 0.18)]
    jib.polygon(_path(*((x + a * high, y - up * b * high) for a, b in front)))
    cloth = lit(mix((0.98, 0.95, 0.9), brief.light.sun, 0.4), brief.light.lamp, 0.8)
    canvas.blend(main.patch(), mix(cloth, brief.light.far, 0.12), opacity)
    canvas.blend(jib.patch(), mix(cloth, brief.light.far, 0.45), opacity)
    canvas.blend(hull.patch(), brief.at_depth(0.95), opacity)


def paint_houses(canvas: Canvas, brief: Brief, ground: Plane, size: float) -> None:
    """Gather a few gabled houses on the ground line, with lit windows and smoke-less chimneys."""
    rng = brief.roll("houses")
    count = 1 + int(rng.random() * 3)
    x = (float(rng.random()) - 0.5) * 0.5 * canvas.wide
    for index in range(count):
        a, b = (float(value) for value in rng.random(2))
        at = x + (index - count / 2) * size * 1.5
        foot = float(np.interp(at, canvas.x, ground)) + 0.012
        _house(canvas, brief, (at, foot), size * (0.75 + 0.5 * a), b)


def _house(canvas: Canvas, brief: Brief, at: tuple[float, float], size: float, hue: float) -> None:
    x, y = at
    wall, side, roof, window = Pen(canvas), Pen(canvas), Pen(canvas), Pen(canvas)
    wide, tall = size * 0.42, size * 0.4
    gable = [(0, 0), (wide, 0), (wide, tall), (wide / 2, tall * 1.75), (0, tall)]
    wall.polygon(_path(*((x + a, y - b) for a, b in gable)))
    side.box(x + wide, y - tall, x + wide + size * 0.62, y)
    slope = [
        (wide * 0.5, tall * 1.78),
        (wide + size * 0.56, tall * 1.78),
        (wide + size * 0.68, tall * 0.95),
        (wide * 0.98, tall * 0.95),
    ]
    roof.polygon(_path(*((x + a, y - b) for a, b in slope)))
    roof.stroke(
        _path((x - size * 0.04, y - tall * 0.92), (x + wide / 2, y - tall * 1.76)),
        size * 0.05,
        size * 0.05,
    )
    roof.box(x + wide + size * 0.3, y - tall * 2.15, x + wide + size * 0.4, y - tall * 1.6)
    for px, py in ((wide * 0.5, 0.55), (wide + size * 0.16, 0.5), (wide + size * 0.42, 0.5)):
        window.box(
            x + px - size * 0.045,
            y - tall * py - size * 0.06,
            x + px + size * 0.045,
            y - tall * py + size * 0.06,
        )
    paint = mix(
        lit((0.93, 0.88, 0.8), brief.light.lamp),
        brief.light.near,
        0.25 if not brief.light.dark else 0.66,
    )
    tile = mix(
        lit((0.66, 0.26 + 0.2 * hue, 0.2), brief.light.lamp),
        brief.light.near,
        0.3 if not brief.light.dark else 0.7,
    )
    canvas.blend(wall.patch(), paint)
    canvas.blend(side.patch(), mix(paint, brief.light.near, 0.32))
    canvas.blend(roof.patch(), tile)
    canvas.blend(
        window.patch(),
        _GLOW if brief.light.dark or hue > 0.4 else mix(brief.light.near, BLACK, 0.2),
    )
    if brief.light.dark and brief.look.bloom:
        canvas.light(canvas.glow(x + wide, y - tall * 0.5, size * 0.9), _GLOW, 0.4)


def paint_lighthouse(canvas: Canvas, brief: Brief, base: float, high: float) -> None:
    """Raise a striped lighthouse on a rock, its beam out over the water after dark."""
    x = (0.22 + 0.1 * float(brief.roll("lighthouse").random())) * canvas.wide
    x *= 1.0 if brief.chance("lighthouse side", 0.5) else -1.0
    rock = Pen(canvas)
    shore = [
        (-0.5, 0.06),
        (-0.3, -0.06),
        (-0.16, -0.13),
        (0.05, -0.15),
        (0.2, -0.09),
        (0.34, -0.05),
        (0.6, 0.06),
    ]
    rock.polygon(_path(*((x + a * high, base + b * high) for a, b in shore)))
    canvas.blend(rock.patch(), brief.at_depth(0.95))
    foot, top = base - 0.13 * high, base - high
    for index in range(5):
        low, up = foot + (top - foot) * index / 5, foot + (top - foot) * (index + 1) / 5
        half, less = 0.075 - 0.008 * index, 0.075 - 0.008 * (index + 1)
        pen = Pen(canvas)
        pen.polygon(
            _path(
                (x - half * high, low),
                (x + half * high, low),
                (x + less * high, up),
                (x - less * high, up),
            )
        )
        hue: Colour = (0.95, 0.92, 0.87) if index % 2 else (0.76, 0.22, 0.2)
        canvas.blend(pen.patch(), mix(lit(hue, brief.light.lamp, 0.85), brief.light.near, 0.18))
    lamp, shade = Pen(canvas), Pen(canvas)
    lamp.box(x - 0.025 * high, top - 0.07 * high, x + 0.025 * high, top)
    shade.box(x - 0.05 * high, top - 0.008 * high, x + 0.05 * high, top + 0.012 * high)
    shade.polygon(
        _path(
            (x - 0.038 * high, top - 0.07 * high),
            (x, top - 0.12 * high),
            (x + 0.038 * high, top - 0.07 * high),
        )
    )
    shade.polygon(
        _path(
            (x, foot), (x + 0.075 * high, foot), (x + 0.035 * high, top), (x + 0.012 * high, top)
        ),
        0.35,
    )
    canvas.blend(lamp.patch(), (1.0, 0.93, 0.7))
    canvas.blend(shade.patch(), brief.at_depth(0.95))
    if brief.light.name not in {"day", "golden"}:
        _beam(canvas, x, top - 0.035 * high)


def _beam(canvas: Canvas, x: float, y: float) -> None:
    dx = canvas.x - np.float32(x)
    dy = (canvas.y - np.float32(y))[:, None] + np.float32(0.08) * np.abs(dx)[None, :]
    spread = np.float32(0.006) + np.abs(dx) * np.float32(0.075)
    ray = np.exp(-((dy / spread[None, :]) ** 2)) * np.exp(-np.abs(dx) * np.float32(2.2))[None, :]
    canvas.light(canvas.whole(ray.astype(np.float32)), (1.0, 0.92, 0.7), 0.5)
    canvas.light(canvas.glow(x, y, 0.1), (1.0, 0.9, 0.65), 0.8)


def paint_balloons(canvas: Canvas, brief: Brief, horizon: float) -> None:
    """Float hot-air balloons at several distances."""
    rng = brief.roll("balloons")
    for index in range(2 + int(rng.random() * 3)):
        a, b, c = (float(value) for value in rng.random(3))
        size = 0.035 + 0.085 * c / (1 + index * 0.5)
        at = ((a - 0.5) * 0.8 * canvas.wide, horizon * (0.18 + 0.5 * b))
        _balloon(canvas, brief, at, size, index)


def _balloon(
    canvas: Canvas, brief: Brief, at: tuple[float, float], size: float, index: int
) -> None:
    x, y = at
    turn = np.linspace(0, 2 * np.pi, 40, dtype=np.float32)
    pinch = 1 - np.float32(0.55) * np.clip(np.sin(turn), 0, 1) ** 3
    hues = brief.palette.tones
    for gore in range(5, 0, -1):
        width = np.float32(gore / 5)
        outline = np.stack(
            [x + size * width * np.cos(turn) * pinch, y + size * 1.15 * np.sin(turn)], axis=1
        )
        pen = Pen(canvas)
        pen.polygon(outline.astype(np.float32))
        hue = (
            hues[index % len(hues)]
            if gore % 2
            else adjusted(hues[(index + 1) % len(hues)], 1.15, 0.9)
        )
        canvas.blend(
            pen.patch(),
            mix(lit(hue, brief.light.lamp, 0.7), brief.light.haze, 0.25 - 0.8 * min(size, 0.12)),
        )
    basket = Pen(canvas)
    basket.box(x - size * 0.14, y + size * 1.42, x + size * 0.14, y + size * 1.64)
    for side in (-1, 1):
        basket.stroke(
            _path(
                (x + side * size * 0.34, y + size * 1.02), (x + side * size * 0.13, y + size * 1.44)
            ),
            size * 0.02,
            size * 0.02,
        )
    canvas.blend(basket.patch(), brief.at_depth(0.8))
