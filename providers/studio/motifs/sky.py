"""Skies: gradient, sun and moon, stars, aurora, clouds, rainbow and birds."""

import math

import numpy as np

from providers.studio.brief import Brief, smooth
from providers.studio.canvas import Canvas, Pen
from providers.studio.colour import Colour, Plane, adjusted, column, mix, ramp
from providers.studio.noise import fbm, line


def sun_place(canvas: Canvas, brief: Brief, horizon: float) -> tuple[float, float, float]:
    """Return x, y and radius in units of the sun or moon; low at the edges of the day."""
    rng = brief.roll("sun")
    side = float(rng.random())
    x = (0.2 + 0.6 * side - 0.5) * canvas.wide
    low, high = {
        "sunset": (0.72, 0.95),
        "dawn": (0.68, 0.92),
        "golden": (0.5, 0.75),
        "dusk": (0.3, 0.6),
    }.get(brief.light.name, (0.22, 0.5))
    if brief.theme.has("mountain", "forest", "city"):
        low, high = low * 0.62, high * 0.66
    y = horizon * (low + (high - low) * float(rng.random()))
    big = 0.034 + 0.05 * float(rng.random()) ** 2
    if brief.look.detail < 0.8:
        big = 0.09 + 0.06 * float(rng.random())
    return x, y, big


def paint_sky(canvas: Canvas, brief: Brief, horizon: float) -> None:
    """Fill the picture with the light's gradient, warmed around the sun."""
    x, y, _ = sun_place(canvas, brief, horizon)
    height = np.clip(canvas.y / np.float32(horizon), 0, 1)[:, None]
    if not brief.look.bands:
        canvas.fill(ramp(brief.light.sky, height**1.1))
        _warm(canvas, brief, x, y)
        return
    distance = np.hypot((canvas.x - x)[None, :], (canvas.y - y)[:, None]) / np.float32(1.1)
    position = np.clip(0.45 * height + 0.62 * (1 - distance), 0, 1)
    canvas.fill(ramp(brief.light.sky, stepped(canvas, position, brief.look.bands)))


def stepped(canvas: Canvas, position: Plane, bands: int) -> Plane:
    """Return positions 0..1 gathered into flat bands with crisp, anti-aliased borders."""
    scaled = position * np.float32(bands)
    floor = np.floor(scaled)
    edge = np.float32(max(2.0, canvas.unit_px / bands * 0.8))
    step = np.clip((scaled - floor - np.float32(0.5)) * edge + np.float32(0.5), 0, 1)
    values: Plane = np.clip((floor + step) / np.float32(bands), 0, 1)
    return values


def _warm(canvas: Canvas, brief: Brief, x: float, y: float) -> None:
    strength = 0.2 if brief.light.dark else 0.42
    canvas.light(
        canvas.glow(x, y, 0.95, 0.8), mix(brief.light.haze, brief.light.sun, 0.4), strength
    )


def paint_sun(canvas: Canvas, brief: Brief, horizon: float) -> None:
    """Set the sun, or the moon at night, with its halo."""
    if brief.light.name in {"storm", "rain"} or not brief.allows("sun"):
        return
    x, y, radius = sun_place(canvas, brief, horizon)
    if brief.light.dark:
        _moon(canvas, brief, x, y, radius)
        return
    veil = 0.5 if brief.light.name in {"fog", "snow"} else 1.0
    if brief.look.bands == 0:
        canvas.light(canvas.glow(x, y, radius * 9), brief.light.sun, 0.38 * veil)
        canvas.light(canvas.glow(x, y, radius * 3.6), brief.light.sun, 0.6 * veil)
    disc = canvas.disc(x, y, radius, 0.08 if brief.look.bands == 0 else 0.0)
    canvas.blend(disc, mix(brief.light.sun, (1.0, 1.0, 1.0), 0.3), 0.97 * veil)


def _moon(canvas: Canvas, brief: Brief, x: float, y: float, radius: float) -> None:
    if not brief.allows("moon"):
        return
    canvas.light(canvas.glow(x, y, radius * 10), brief.light.lamp, 0.34)
    canvas.light(canvas.glow(x, y, radius * 3.2), brief.light.sun, 0.42)
    disc = canvas.disc(x, y, radius, 0.03)
    if disc.mask.size == 0:
        return
    canvas.blend(disc, brief.light.sun)
    if brief.look.texture < 0.2:
        return
    rows = disc.top, disc.top + disc.mask.shape[0]
    seas = fbm(canvas, brief.roll("moon"), radius * 0.9, octaves=5, rows=rows)
    seas = seas[:, disc.left : disc.left + disc.mask.shape[1]]
    shade = smooth(0.0, 0.75, seas) * disc.mask
    canvas.darken(type(disc)(shade, disc.top, disc.left), (0.62, 0.66, 0.74), 0.6)


def paint_stars(canvas: Canvas, brief: Brief, horizon: float, density: float = 1.0) -> None:
    """Scatter stars of many sizes, and faint dust in a band; smaller ones on larger pictures."""
    rng = brief.roll("stars")
    total = round(900 * density * brief.look.detail)
    spots = rng.random((total, 4), dtype=np.float32)
    spots = spots[: max(40, int(min(1.0, canvas.unit_px / 900) * total))]
    x = (spots[:, 0] - 0.5) * np.float32(2.0)
    y = spots[:, 1] * np.float32(horizon)
    # The first draws are the brightest, so that a small picture keeps what the eye would see.
    rank = np.linspace(0, 1, total, dtype=np.float32)[: len(spots)]
    bright = (1 - rank) ** 2.2 * (1 - 0.75 * y / np.float32(horizon)) + np.float32(0.08)
    _splat(canvas, x, y, bright, mix(brief.light.sun, (0.8, 0.9, 1.0), 0.5))
    for px, py in zip(x[:7].tolist(), y[:7].tolist(), strict=True):
        canvas.light(canvas.glow(px, py * 0.8, 0.009), brief.light.sun, 0.75)


def _splat(canvas: Canvas, x: Plane, y: Plane, bright: Plane, colour: Colour) -> None:
    size = canvas.unit_px * 0.0011
    pen = Pen(canvas)
    inside = (np.abs(x) < canvas.wide / 2) & (y < canvas.tall)
    x, y, bright = x[inside], y[inside], bright[inside]
    if size < 0.9:
        columns = ((x + np.float32(canvas.wide / 2)) * canvas.unit_px).astype(np.int64)
        rows = (y * canvas.unit_px).astype(np.int64)
        mask = np.zeros((canvas.height_px, canvas.width_px), dtype=np.float32)
        keep = (columns < canvas.width_px) & (rows < canvas.height_px)
        np.maximum.at(mask, (rows[keep], columns[keep]), bright[keep] * min(1.0, 0.3 + size))
        canvas.light(canvas.whole(mask), colour)
        return
    radius = np.float32(0.0006) + np.float32(0.0011) * bright
    turn = np.linspace(0, 2 * math.pi, 9, dtype=np.float32)[:-1]
    ring = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    centre = np.stack([x, y], axis=1)[:, None, :]
    pen.polygons(centre + ring[None] * radius[:, None, None], np.clip(bright * 1.3, 0, 1))
    canvas.light(pen.patch(), colour)


def paint_aurora(canvas: Canvas, brief: Brief, horizon: float) -> None:
    """Hang curtains of northern light over the upper sky."""
    rng = brief.roll("aurora")
    hues: tuple[Colour, ...] = ((0.25, 0.95, 0.6), (0.2, 0.8, 0.75), (0.6, 0.4, 0.95))
    for index in range(3):
        base = horizon * (0.45 + 0.35 * float(rng.random()))
        crest = np.float32(base) + line(canvas.x, rng, 0.5, octaves=3) * np.float32(0.13)
        rays = line(canvas.x, rng, 0.06, octaves=3) * np.float32(0.5) + np.float32(0.6)
        above = (crest[None, :] - canvas.y[:, None]) / np.float32(0.3 * canvas.tall)
        fall = np.where(above > 0, np.exp(-above * 2.6), np.exp(above * 22))
        mask = np.clip(fall * rays[None, :], 0, 1).astype(np.float32)
        canvas.light(canvas.whole(mask), hues[index], 0.42)


def paint_clouds(canvas: Canvas, brief: Brief, horizon: float) -> None:
    """Lay clouds, lit from the sun and flattened towards the horizon."""
    cover = _cover(brief)
    if cover <= 0 or not brief.allows("cloud"):
        return
    if brief.look.bands or brief.look.detail < 0.5:
        _flat_clouds(canvas, brief, horizon)
        return
    bottom = canvas.row(horizon)
    if bottom < 4:
        return
    rng = brief.roll("clouds")
    stretch = 1.7 + 2.0 * float(rng.random())
    size = 0.26 + 0.14 * float(rng.random())
    field = fbm(canvas, rng, size, stretch=stretch, octaves=8, gain=0.5, rows=(0, bottom))
    height = canvas.y[:bottom, None] / np.float32(horizon)
    edge = np.float32(0.42 - 0.85 * cover) + np.float32(0.25) * (1 - height)
    crisp = 0.34 if brief.look.finish != "cel" else 0.12
    dense = smooth(0.0, crisp, field - edge)
    _light_clouds(canvas, brief, field, dense, horizon)


def _light_clouds(canvas: Canvas, brief: Brief, field: Plane, dense: Plane, horizon: float) -> None:
    x, y, _ = sun_place(canvas, brief, horizon)
    shift = max(1, round(0.016 * canvas.unit_px))
    below = np.roll(field, shift, axis=0)
    below[:shift] = field[:shift]
    relief = np.clip(np.float32(0.5) + (field - below) * np.float32(1.5), 0, 1)
    thick = smooth(0.2, 1.1, field)
    near = np.exp(-np.hypot((canvas.x - x)[None, :], (canvas.y[: len(field)] - y)[:, None]) * 2.2)
    bright = mix(brief.light.sky[-1], brief.light.sun, 0.6)
    shadow = mix(brief.light.sky[1], brief.light.sky[2], 0.5)
    if brief.light.name in {"storm", "rain", "night"}:
        bright, shadow = mix(brief.light.sky[3], brief.light.sky[2], 0.4), brief.light.sky[0]
    amount = np.clip(relief * (1 - 0.45 * thick) + 0.5 * near * (1 - thick), 0, 1)
    if brief.look.finish == "cel":
        amount = smooth(0.42, 0.5, amount) * np.float32(0.8) + np.float32(0.1)
    planes = column(shadow) + (column(bright) - column(shadow)) * amount[None]
    canvas.blend(canvas.whole(dense), planes, 0.88 if brief.light.dark is False else 0.6)


def _cover(brief: Brief) -> float:
    """Return how much of the sky is clouded, 0..1."""
    if brief.theme.has("sky") or "cloud" in brief.theme.weather:
        return 0.62
    if brief.light.name in {"storm", "rain"}:
        return 0.85
    if {"stars", "aurora"} & brief.theme.weather:
        return 0.0
    if brief.light.name in {"night", "fog", "snow"}:
        return 0.3 * float(brief.roll("cover").random())
    return 0.12 + 0.42 * float(brief.roll("cover").random())


def _flat_clouds(canvas: Canvas, brief: Brief, horizon: float) -> None:
    rng = brief.roll("flat clouds")
    colour = mix(brief.light.sky[-1], brief.light.sun, 0.7)
    for _ in range(2 + int(rng.random() * 3 * brief.look.detail)):
        x, y, size = (float(value) for value in rng.random(3))
        pen = Pen(canvas)
        centre, base = (x - 0.5) * 1.3, horizon * (0.12 + 0.45 * y)
        _cloud_shape(pen, rng, centre, base, 0.08 + 0.08 * size)
        canvas.blend(pen.patch(), colour, 0.55 + 0.35 * float(rng.random()))


def _cloud_shape(pen: Pen, rng: np.random.Generator, x: float, base: float, size: float) -> None:
    for index in range(5):
        radius = size * (0.26 + 0.22 * float(rng.random())) * (1 - 0.16 * abs(index - 2))
        pen.oval(x + (index - 2) * size * 0.42, base - radius * 0.7, radius, radius)
    pen.oval(x, base - size * 0.1, size * 1.25, size * 0.16)


def paint_birds(canvas: Canvas, brief: Brief, horizon: float) -> None:
    """Draw a small flock, wings up and down, the nearer the larger."""
    if canvas.small:
        return
    rng = brief.roll("birds")
    count = 5 + int(rng.random() * (12 if brief.theme.has("bird") else 4))
    x, y = (float(rng.random()) - 0.5) * 0.6, horizon * (0.25 + 0.35 * float(rng.random()))
    pen = Pen(canvas)
    scale = 2.1 if brief.theme.has("bird") else 1.0
    for _ in range(count):
        dx, dy, size, lift = (float(value) for value in rng.random(4))
        wing = scale * (0.007 + 0.011 * size)
        at = (x + (dx - 0.5) * 0.42 * scale, y + (dy - 0.5) * 0.16 * scale)
        _bird(pen, at, wing, 0.25 + 0.6 * lift)
    canvas.blend(pen.patch(), brief.at_depth(0.85), 0.9)


def _bird(pen: Pen, at: tuple[float, float], wing: float, lift: float) -> None:
    along = np.linspace(0, 1, 7, dtype=np.float32)
    arc = -np.sin(along * np.float32(2.2)) * np.float32(lift) * np.float32(wing)
    for side in (-1, 1):
        points = np.stack([at[0] + side * along * wing, at[1] + arc], axis=1)
        pen.stroke(points.astype(np.float32), wing * 0.22, wing * 0.03)


def paint_rainbow(canvas: Canvas, brief: Brief, horizon: float) -> None:
    """Span a faint rainbow over the scene."""
    x = (float(brief.roll("rainbow").random()) - 0.5) * 0.5
    distance = np.hypot((canvas.x - x)[None, :], (canvas.y - horizon * 1.1)[:, None])
    place = (distance - np.float32(0.5)) / np.float32(0.06)
    hues = tuple(
        adjusted(c, 1.0)
        for c in (
            (0.6, 0.3, 0.8),
            (0.2, 0.5, 0.9),
            (0.3, 0.8, 0.4),
            (0.95, 0.9, 0.3),
            (0.95, 0.55, 0.2),
            (0.9, 0.2, 0.2),
        )
    )
    mask = np.clip(1 - np.abs(place - 0.5) * 1.7, 0, 1) ** 1.5
    mask *= np.clip((np.float32(horizon) - canvas.y) * 6, 0, 1)[:, None]
    canvas.blend(canvas.whole(mask.astype(np.float32)), ramp(hues, np.clip(place, 0, 1)), 0.4)
