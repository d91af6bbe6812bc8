"""Abstract pictures: silk, cut paper, modernist tiles, glowing meshes, currents of line."""

from functools import partial

import numpy as np

from providers.studio.brief import Brief, smooth
from providers.studio.canvas import Canvas, Patch, Pen, Step
from providers.studio.colour import WHITE, Colour, Plane, adjusted, column, luminance, mix, ramp
from providers.studio.noise import fbm

_SLICES = 6
_TILES = 9


def _ordered(brief: Brief) -> tuple[Colour, ...]:
    """Return ink, tones and paper from dark to light."""
    palette = brief.palette
    return tuple(sorted((palette.ink, *palette.tones, palette.paper), key=luminance))


def silk(canvas: Canvas, brief: Brief) -> list[Step]:
    """Return the strokes of folded, shining ribbons."""
    return [partial(_folds, brief=brief, part=part) for part in range(_SLICES)]


def _folds(canvas: Canvas, brief: Brief, part: int) -> None:
    """Paint one horizontal slice, so that a large picture reports its progress."""
    top, end = canvas.height_px * part // _SLICES, canvas.height_px * (part + 1) // _SLICES
    rng = brief.roll("folds")
    turn = (float(rng.random()) - 0.5) * 1.5
    phase = [float(value) * 6.283 for value in rng.random(6)]
    bands = 5.0 + 4.0 * float(rng.random())
    x, y = canvas.x[None, :], canvas.y[top:end, None] - np.float32(canvas.tall / 2)
    along = x * np.float32(np.cos(turn)) + y * np.float32(np.sin(turn))
    across = y * np.float32(np.cos(turn)) - x * np.float32(np.sin(turn))
    swing = np.sin(
        along * np.float32(3.4) + np.float32(phase[0]) + across * np.float32(2.2)
    ) * np.float32(0.16)
    swing += np.sin(
        along * np.float32(6.1) - across * np.float32(3.0) + np.float32(phase[1])
    ) * np.float32(0.055)
    level = (across + swing) * np.float32(bands) + np.float32(phase[2])
    floor = np.floor(level)
    inside = level - floor
    hues = np.sin(floor * np.float32(1.9) + np.float32(phase[3])) * np.float32(0.36) + np.float32(
        0.5
    )
    hues += np.sin(along * np.float32(2.1) + floor) * np.float32(0.14)
    planes = ramp(_ordered(brief), np.clip(hues + inside * np.float32(0.12), 0, 1))
    gloss = np.float32(max(brief.look.volume, 0.25))
    sheen = (
        np.exp(-(((inside - np.float32(0.62)) / np.float32(0.22)) ** 2)) * np.float32(0.26) * gloss
    )
    sheen *= np.float32(0.6) + np.float32(0.4) * np.sin(
        along * np.float32(5.0) + floor * 2 + np.float32(phase[4])
    )
    shade = (
        np.exp(-inside * np.float32(6.0)) * np.float32(0.62) + np.float32(0.12) * (1 - inside)
    ) * gloss
    # The fold's far border turns dark over its last pixel, which hides the steps of the raster.
    border = np.clip(1 - (1 - inside) * np.float32(canvas.unit_px / (bands * 1.7)), 0, 1)
    shade = np.maximum(shade, border * np.float32(0.74) * gloss)
    planes *= (1 - shade)[None]
    planes += (1 - planes) * sheen[None]
    canvas.rgb[:, top:end] = planes


def cut_paper(canvas: Canvas, brief: Brief) -> list[Step]:
    """Return the strokes of stacked sheets cut along the heights of an unseen terrain."""
    count = 8
    first: list[Step] = [partial(_sheet, brief=brief, index=-1, count=count)]
    return first + [
        partial(_sheet, brief=brief, index=index, count=count) for index in range(count)
    ]


def _terrain(canvas: Canvas, brief: Brief) -> Plane:
    rng = brief.roll("terrain")
    x, y = canvas.x[None, :], canvas.y[:, None]
    ax, ay = ((float(value) - 0.5) * 0.9 for value in rng.random(2))
    basin = np.hypot(
        x - np.float32(ax * canvas.wide), y - np.float32(canvas.tall * (0.5 + 0.5 * ay))
    )
    relief = fbm(canvas, rng, 0.5, octaves=2, gain=0.25)
    values: Plane = basin * np.float32(1.9) + relief * np.float32(0.42) - np.float32(0.3)
    return values


def _sheet(canvas: Canvas, brief: Brief, index: int, count: int) -> None:
    tones = _ordered(brief)
    if not brief.chance("deep centre", 0.6):
        tones = tones[::-1]
    planes = ramp(tones, np.full((1, 1), (index + 1.2) / (count + 0.4), dtype=np.float32))
    if index < 0:
        canvas.fill(np.broadcast_to(planes, canvas.rgb.shape))
        canvas.model = np.broadcast_to(
            _terrain(canvas, brief), (1, canvas.height_px, canvas.width_px)
        )
        return
    terrain = canvas.model[0]
    level = np.float32(-0.1 + 0.23 * index)
    shadow = smooth(-0.17, 0.02, terrain - level)
    canvas.darken(
        Patch(shadow, 0, 0),
        adjusted(tones[0] if luminance(tones[0]) < 0.5 else tones[-1], 0.4, 1.0),
        0.55,
    )
    steep = np.float32(canvas.unit_px / 2.1)
    mask = np.clip((terrain - level) * steep + np.float32(0.5), 0, 1)
    if brief.look.texture > 0.2:
        fibre = fbm(canvas, brief.roll(f"fibre {index}"), 0.02, octaves=4, gain=0.7)
        planes = planes * (1 + fibre[None] * np.float32(0.02))
    rim = np.exp(-(((terrain - level) / np.float32(0.012)) ** 2))
    canvas.blend(
        Patch(mask, 0, 0), (planes + (1 - planes) * rim[None] * np.float32(0.16)).astype(np.float32)
    )
    if index == count - 1:
        canvas.model = canvas.rgb


def tiles(canvas: Canvas, brief: Brief) -> list[Step]:
    """Return the strokes of a modernist grid of discs, quarters and bars."""
    painting: list[Step] = [partial(_tile_ground, brief=brief)]
    for figures in (False, True):
        painting += [partial(_inked, brief=brief, hue=hue, figures=figures) for hue in range(6)]
    return [*painting, partial(_press, brief=brief)]


def _tile_ground(canvas: Canvas, brief: Brief) -> None:
    canvas.fill(np.broadcast_to(column(brief.palette.paper), canvas.rgb.shape))


def _inked(canvas: Canvas, brief: Brief, hue: int, *, figures: bool) -> None:
    """Print every ground, or every figure, that has one ink."""
    side = _tile_side(brief)
    lap = max(0.0008, 1.0 / canvas.unit_px)
    draws = brief.roll("tiles").random((2 * _TILES, 2 * _TILES, 4))
    pen = Pen(canvas)
    for row, place in np.ndindex(2 * _TILES, 2 * _TILES):
        left, top = (place - _TILES) * side, canvas.tall / 2 + (row - _TILES) * side
        if abs(left + side / 2) > (canvas.wide + side) / 2 or top > canvas.tall or top + side < 0:
            continue
        kind, first, second, turn = draws[row, place].tolist()
        ground = int(first * 6)
        if not figures and ground == hue:
            pen.box(left, top, left + side + lap, top + side + lap)
        elif figures and (ground + 1 + int(second * 5)) % 6 == hue:
            _figure(pen, kind, (left, top, side, side), int(turn * 4))
    _print(canvas, brief, pen, hue, brief.look.volume if figures else 0.0)


def _tile_side(brief: Brief) -> float:
    return (0.15, 0.19, 0.25)[brief.pick("tile side", 3)]


def _print(canvas: Canvas, brief: Brief, pen: Pen, hue: int, volume: float) -> None:
    """Press the pen's outlines in one ink, a little darker towards the foot of every tile."""
    tone = (brief.palette.paper, brief.palette.ink, *brief.palette.tones)[hue]
    patch = pen.patch()
    rows = canvas.y[patch.top : patch.top + len(patch.mask)]
    part = (rows - np.float32(canvas.tall / 2)) / np.float32(_tile_side(brief))
    fall = 1 + np.float32(min(volume, 1.0)) * (np.float32(0.05) - np.float32(0.16) * (part % 1))
    canvas.blend(patch, np.clip(column(tone) * fall[None, :, None], 0, 1))


def _figure(pen: Pen, kind: float, box: tuple[float, float, float, float], turn: int) -> None:
    left, top, wide, tall = box
    corner = ((left, top), (left + wide, top), (left + wide, top + tall), (left, top + tall))[turn]
    middle = (left + wide / 2, top + tall / 2)
    if kind < 0.34:
        _sector(pen, corner, wide, tall, turn * np.pi / 2, np.pi / 2)
    elif kind < 0.45:
        pen.oval(middle[0], middle[1], wide * 0.5, tall * 0.5)
    elif kind < 0.6:
        pen.oval(middle[0], middle[1], wide * 0.36, tall * 0.36)
    elif kind < 0.75:
        edge = (
            (middle[0], top),
            (left + wide, middle[1]),
            (middle[0], top + tall),
            (left, middle[1]),
        )[turn]
        _sector(pen, edge, wide / 2, tall / 2, turn * np.pi / 2, np.pi)
    elif kind < 0.87:
        for index in range(4):
            pen.box(
                left, top + tall * (index + 0.25) / 4, left + wide, top + tall * (index + 0.75) / 4
            )
    elif kind < 0.95:
        pen.polygon(
            np.array([(left, top), (left + wide, top), (left, top + tall)], dtype=np.float32)
        )


def _sector(
    pen: Pen, at: tuple[float, float], wide: float, tall: float, start: float, sweep: float
) -> None:
    turn = np.linspace(start, start + sweep, 40, dtype=np.float32)
    arc = np.stack([at[0] + wide * np.cos(turn), at[1] + tall * np.sin(turn)], axis=1)
    pen.polygon(np.concatenate([np.array([at]), arc]).astype(np.float32))


def _press(canvas: Canvas, brief: Brief) -> None:
    """Give the inks the unevenness of a print."""
    if brief.look.texture > 0.1:
        uneven = fbm(canvas, brief.roll("press"), 0.3, octaves=7, gain=0.7)
        canvas.rgb *= 1 + uneven[None] * np.float32(0.03)


def mesh(canvas: Canvas, brief: Brief) -> list[Step]:
    """Return the strokes of a glowing gradient with translucent discs floating in it."""
    return [
        partial(_gradient, brief=brief),
        *(partial(_lens, brief=brief, index=index) for index in range(5)),
    ]


def _gradient(canvas: Canvas, brief: Brief) -> None:
    rng = brief.roll("mesh")
    phase = rng.random(4) * 6.283
    x, y = canvas.x[None, :], canvas.y[:, None]
    bent_x = x + np.sin(y * np.float32(3.1) + np.float32(phase[0])) * np.float32(0.16)
    bent_y = y + np.sin(x * np.float32(2.7) + np.float32(phase[1])) * np.float32(0.16)
    canvas.fill(np.broadcast_to(column(brief.palette.paper), canvas.rgb.shape))
    hues = [*brief.palette.tones, mix(brief.palette.paper, WHITE, 0.5), *brief.palette.tones[:3]]
    for hue, (a, b, c) in zip(hues, rng.random((len(hues), 3)).tolist(), strict=True):
        dx, dy = bent_x - np.float32((a - 0.5) * canvas.wide), bent_y - np.float32(b * canvas.tall)
        spot = np.exp(-(dx * dx + dy * dy) * np.float32(1 / (0.05 + 0.09 * c)))
        canvas.blend(Patch(spot, 0, 0), hue, 0.92)


def _lens(canvas: Canvas, brief: Brief, index: int) -> None:
    a, b, c, d = (float(value) for value in brief.roll(f"lens {index}").random(4))
    radius = 0.05 + 0.2 * c * c
    x, y = (a - 0.5) * canvas.wide * 0.8, canvas.tall * (0.15 + 0.7 * b)
    hue = brief.palette.tones[int(d * 4)]
    canvas.darken(
        canvas.glow(x + radius * 0.12, y + radius * 0.3, radius * 1.5),
        adjusted(hue, 0.4, 1.0),
        0.42,
    )
    patch = canvas.disc(x, y, radius)
    if patch.mask.size == 0:
        return
    rows, columns = patch.mask.shape
    dx = (canvas.x[patch.left : patch.left + columns] - np.float32(x)) / np.float32(radius)
    dy = (canvas.y[patch.top : patch.top + rows] - np.float32(y)) / np.float32(radius)
    slope = np.clip(
        np.float32(0.5) - dx[None, :] * np.float32(0.3) + dy[:, None] * np.float32(0.42), 0, 1
    )
    body = ramp((mix(hue, WHITE, 0.55), hue, adjusted(hue, 0.72, 1.05)), slope)
    canvas.blend(patch, body, 0.9)
    rim = smooth(0.8, 1.0, np.hypot(dx[None, :], dy[:, None])) * (1 - slope)
    canvas.light(Patch(patch.mask * rim, patch.top, patch.left), WHITE, 0.5)


def strands(canvas: Canvas, brief: Brief) -> list[Step]:
    """Return the strokes of many lines carried by one current."""
    return [
        partial(_tile_ground, brief=brief),
        *(partial(_current, brief=brief, layer=layer) for layer in range(4)),
    ]


def _current(canvas: Canvas, brief: Brief, layer: int) -> None:
    rng = brief.roll("current")
    phase = rng.random(4).astype(np.float32) * np.float32(6.283)
    lines = brief.roll(f"current {layer}").random((120, 4), dtype=np.float32)
    at = np.stack([(lines[:, 0] - 0.5) * 1.9, (lines[:, 1] - 0.2) * 1.6], axis=1).astype(np.float32)
    trail = [at]
    for _ in range(36):
        way = np.sin(at[:, 0] * 2.6 + phase[0] + at[:, 1] * 1.3) + np.cos(
            at[:, 1] * 3.1 + phase[1] - at[:, 0] * 1.1
        )
        way = way * np.float32(1.1) + phase[2]
        step = np.stack([np.cos(way), np.sin(way)], axis=1) * np.float32(0.014)
        at = (at + step).astype(np.float32)
        trail.append(at)
    paths = np.stack(trail, axis=1)
    size, hue = lines[:, 2], lines[:, 3]
    widths = (np.float32(0.004) + np.float32(0.022) * size * size) * np.float32(1.25 - 0.25 * layer)
    outlines = _tapered(paths[:: _thin(canvas)], widths[:: _thin(canvas)])
    inks = np.float32(0.75) + np.float32(0.25) * size[:: _thin(canvas)]
    hues = tuple(tone for tone in _ordered(brief) if tone != brief.palette.paper)
    place = (hue[:: _thin(canvas)] * len(hues)).astype(np.int64)
    for index, tone in enumerate(hues):
        pen = Pen(canvas)
        pen.polygons(outlines[place == index], inks[place == index])
        canvas.blend(pen.patch(), tone, 0.94)


def _thin(canvas: Canvas) -> int:
    """Return the step over the lines: a thumbnail has no room for all of them."""
    return 4 if canvas.small else 1


def _tapered(paths: Plane, widths: Plane) -> Plane:
    """Return outlines (k, 2n, 2) of brush lines along paths (k, n, 2), thick in the middle."""
    along = np.gradient(paths, axis=1)
    length = np.maximum(np.hypot(along[..., 0], along[..., 1]), 1e-6)
    normal = np.stack([-along[..., 1], along[..., 0]], axis=2) / length[..., None]
    swell = np.abs(np.sin(np.linspace(0, np.pi, paths.shape[1], dtype=np.float32))) ** 0.6
    aside = normal * (swell[None, :] * widths[:, None] / 2)[..., None]
    return np.concatenate([paths + aside, (paths - aside)[:, ::-1]], axis=1).astype(np.float32)


FAMILIES = (silk, cut_paper, tiles, mesh, strands)


def steps(canvas: Canvas, brief: Brief) -> list[Step]:
    """Return the strokes of the abstract family that prompt and seed fall on."""
    return FAMILIES[brief.pick("family", len(FAMILIES))](canvas, brief)
