"""Open ground seen in perspective: fields in rows, meadows, sand, roads, and grass in front."""

import numpy as np

from providers.studio.brief import Brief, smooth
from providers.studio.canvas import Canvas, Patch, Pen
from providers.studio.colour import Colour, Plane, column, mix
from providers.studio.noise import fbm


def paint_plain(
    canvas: Canvas, brief: Brief, top_y: float, far: Colour, near: Colour, *, furrows: float = 0.0
) -> None:
    """Fill the rows below top_y with ground from far to near colour, with rows if furrows > 0."""
    top = canvas.row(top_y)
    rows = canvas.height_px - top
    if rows < 2:
        return
    depth = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    planes = column(far) + (column(near) - column(far)) * smooth(0, 1, depth)[None]
    shape = (3, rows, canvas.width_px)
    planes = np.broadcast_to(planes, shape).copy()
    if furrows and brief.look.detail > 0.3:
        planes *= 1 - furrows * _furrows(canvas, brief, top_y, rows)[None]
    if brief.look.texture > 0:
        planes *= 1 + _turf(canvas, brief, depth)[None] * np.float32(0.2 * brief.look.texture)
    canvas.blend(Patch(np.ones(shape[1:], dtype=np.float32), top, 0), planes)


def _furrows(canvas: Canvas, brief: Brief, top_y: float, rows: int) -> Plane:
    """Return the shade 0..1 of rows that meet at a point on the horizon."""
    rng = brief.roll("furrows")
    point, count = (float(rng.random()) - 0.5) * 0.7, 26 + 20 * float(rng.random())
    depth = canvas.y[-rows:, None] - np.float32(top_y - 0.012)
    across = (canvas.x[None, :] - np.float32(point)) / np.maximum(depth, 1e-3)
    wobble = fbm(canvas, rng, 0.3, octaves=4, rows=(canvas.height_px - rows, canvas.height_px))
    wave = np.sin(across * np.float32(count * 0.22) + wobble * np.float32(0.35))
    # Rows finer than two pixels would alias, so they fade into their mean.
    pixels = depth * np.float32(canvas.unit_px * 28 / count)
    return smooth(-0.5, 0.9, wave) * smooth(5.0, 14.0, pixels)


def _turf(canvas: Canvas, brief: Brief, depth: Plane) -> Plane:
    rows = len(depth)
    field = fbm(canvas, brief.roll("turf"), 0.09, stretch=3.0, octaves=8, gain=0.66)
    far = np.log1p(depth[:, 0] * 8) / np.log1p(np.float32(8.0))
    index = np.clip(far * (canvas.height_px - 1), 0, canvas.height_px - 1).astype(np.int32)
    values: Plane = field[index[:rows]]
    return values


def paint_road(canvas: Canvas, brief: Brief, horizon: float) -> None:
    """Wind a road from the viewer's feet to the horizon."""
    rng = brief.roll("road")
    start, end, sway = (float(value) - 0.5 for value in rng.random(3))
    depth = np.linspace(0, 1, 60, dtype=np.float32)
    near = depth**2.3
    bend = np.sin(depth * np.float32(5.5 + 3 * sway)) * np.float32(0.11) * (1 - depth * 0.4)
    centre = (
        np.float32(end * 0.3) * (1 - near) + np.float32(start * 0.2) * near + bend * (depth > 0)
    )
    y = np.float32(horizon) + near * np.float32(canvas.tall - horizon + 0.02)
    half = np.float32(0.004) + near * np.float32(0.2)
    body = np.concatenate(
        [np.stack([centre - half, y], axis=1), np.stack([centre + half, y], axis=1)[::-1]]
    )
    pen = Pen(canvas)
    pen.polygon(body.astype(np.float32))
    stone = mix(mix((0.42, 0.4, 0.4), brief.light.near, 0.45), brief.light.haze, 0.22)
    canvas.blend(pen.patch(), stone, 0.94)
    _dashes(canvas, brief, centre, y, half)


def _dashes(canvas: Canvas, brief: Brief, centre: Plane, y: Plane, half: Plane) -> None:
    pen = Pen(canvas)
    for start in range(6, len(y) - 3, 5):
        part = slice(start, start + 3)
        points = np.stack([centre[part], y[part]], axis=1).astype(np.float32)
        pen.stroke(points, float(half[start]) * 0.07, float(half[start + 2]) * 0.07)
    canvas.blend(pen.patch(), mix(brief.light.haze, brief.light.sun, 0.5), 0.8)


def paint_grass(
    canvas: Canvas, brief: Brief, colour: Colour, tall: float, flowers: tuple[Colour, ...]
) -> None:
    """Grow blades along the lower edge, with blossoms among them if colours are given."""
    if canvas.small and not flowers:
        return
    rng = brief.roll("grass")
    count = round(420 * max(brief.look.detail, 0.35))
    draws = rng.random((count, 5), dtype=np.float32)
    draws = draws[: max(24, int(count * min(1.0, canvas.unit_px / 500)))]
    x, size, lean, foot = (draws[:, index : index + 1] for index in range(4))
    along = np.linspace(0, 1, 5, dtype=np.float32)[None, :]
    high = np.float32(tall) * (np.float32(0.35) + np.float32(0.65) * size)
    base = np.float32(canvas.tall + 0.01) + np.float32(0.03) * foot
    sway = (lean - np.float32(0.5)) * high * np.float32(0.9)
    blades = np.stack([(x - 0.5) * np.float32(1.7) + sway * along**2, base - high * along], axis=2)
    pen = Pen(canvas)
    pen.strokes(blades.astype(np.float32), 0.0058, 0.0006)
    canvas.blend(pen.patch(), colour, 0.96)
    for index, hue in enumerate(flowers):
        _blossoms(canvas, draws[index :: len(flowers) * 4], tall, hue)


def _blossoms(canvas: Canvas, draws: Plane, tall: float, hue: Colour) -> None:
    petals, heart = Pen(canvas), Pen(canvas)
    for x, size, lean, foot, big in draws.tolist():
        high = tall * (0.35 + 0.65 * size)
        at_x = (x - 0.5) * 1.7 + (lean - 0.5) * high * 0.9
        at_y = canvas.tall + 0.01 + 0.03 * foot - high
        radius = 0.008 + 0.012 * big
        for turn in np.linspace(0, 6.283, 6)[:-1] + lean * 6:
            petals.oval(
                at_x + radius * 0.7 * float(np.cos(turn)),
                at_y + radius * 0.55 * float(np.sin(turn)),
                radius * 0.55,
                radius * 0.5,
                0.75 + 0.25 * float(np.cos(turn - 2.2)),
            )
        heart.oval(at_x, at_y, radius * 0.3, radius * 0.26)
    canvas.blend(petals.patch(), hue)
    canvas.blend(heart.patch(), mix(hue, (1.0, 0.8, 0.3), 0.75))
