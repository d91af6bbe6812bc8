"""Interiors: a room with a large window, the landscape beyond, and what furnishes it."""

from functools import partial

import numpy as np

from providers.studio.brief import Brief, smooth
from providers.studio.canvas import Canvas, Patch, Pen, Step
from providers.studio.colour import BLACK, WHITE, Colour, Plane, adjusted, column, lit, mix
from providers.studio.motifs import botany, solids
from providers.studio.noise import fbm
from providers.studio.pictures import landscape


def steps(canvas: Canvas, brief: Brief) -> list[Step]:
    """Return the strokes of a room: first the view, then the wall around it, then the furniture."""
    return [
        *landscape.steps(canvas, brief),
        partial(_wall, brief=brief),
        partial(_floor, brief=brief),
        partial(_curtain, brief=brief),
        partial(_furniture, brief=brief),
        partial(_plant, brief=brief),
        partial(_lamp, brief=brief),
    ]


def _window(canvas: Canvas, brief: Brief) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of the window in units."""
    rng = brief.roll("window")
    half = canvas.wide * (0.25 + 0.06 * float(rng.random()))
    middle = (float(rng.random()) - 0.5) * 0.2 * canvas.wide
    return middle - half, canvas.tall * 0.1, middle + half, canvas.tall * 0.7


def _floor_line(canvas: Canvas) -> float:
    return canvas.tall * 0.82


def _paint(brief: Brief) -> Colour:
    tone = mix(brief.palette.paper, brief.palette.tones[brief.pick("wall", 4)], 0.3)
    tone = lit(tone, brief.light.lamp, 0.5)
    return mix(tone, brief.light.near, 0.5 if brief.light.dark else 0.08)


def _wall(canvas: Canvas, brief: Brief) -> None:
    left, top, right, bottom = _window(canvas, brief)
    wall, frame = Pen(canvas), Pen(canvas)
    wall.box(-2.0, -0.1, 2.0, canvas.tall + 0.1)
    wall.box(left, top, right, bottom, 0.0)
    reach = np.hypot(
        (canvas.x - (left + right) / 2)[None, :], (canvas.y - (top + bottom) / 2)[:, None]
    )
    tone = _paint(brief)
    light = np.clip(1.12 - reach * np.float32(0.62), 0.5, 1.1)
    if brief.look.volume < 0.1:
        light = np.ones_like(light)
    planes = column(tone) * light[None]
    if brief.look.texture > 0.2:
        planes *= 1 + fbm(canvas, brief.roll("plaster"), 0.2, octaves=6, gain=0.6)[
            None
        ] * np.float32(0.02)
    canvas.blend(wall.patch(), planes.astype(np.float32))
    _frame(canvas, brief, frame, (left, top, right, bottom))


def _frame(canvas: Canvas, brief: Brief, pen: Pen, box: tuple[float, float, float, float]) -> None:
    left, top, right, bottom = box
    bar = 0.011
    columns = 2 + brief.pick("panes", 2)
    for index in range(columns + 1):
        x = left + (right - left) * index / columns
        pen.box(x - bar / 2, top, x + bar / 2, bottom)
    for y in (top, top + (bottom - top) * 0.3, bottom):
        pen.box(left - bar / 2, y - bar / 2, right + bar / 2, y + bar / 2)
    wood = mix(_paint(brief), brief.palette.ink if not brief.palette.dark else BLACK, 0.72)
    canvas.blend(pen.patch(), wood)
    sill, under = Pen(canvas), Pen(canvas)
    sill.box(left - 0.03, bottom, right + 0.03, bottom + 0.02)
    under.box(left - 0.03, bottom + 0.02, right + 0.03, bottom + 0.045)
    canvas.blend(sill.patch(), mix(_paint(brief), WHITE, 0.4))
    canvas.darken(under.patch(), brief.light.near, 0.3)


def _floor(canvas: Canvas, brief: Brief) -> None:
    edge = _floor_line(canvas)
    top = canvas.row(edge)
    rows = canvas.height_px - top
    if rows < 1:
        return
    wood = mix(
        lit((0.6, 0.43, 0.3), brief.light.lamp, 0.6),
        brief.light.near,
        0.45 if brief.light.dark else 0.12,
    )
    depth = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    planes = np.broadcast_to(
        column(wood) * (1 - depth * np.float32(0.25))[None], (3, rows, canvas.width_px)
    ).copy()
    if brief.look.texture > 0.2:
        planes *= 1 + fbm(
            canvas, brief.roll("boards"), 0.03, stretch=14, octaves=5, rows=(top, canvas.height_px)
        )[None] * np.float32(0.06)
    canvas.fill(planes, top)
    skirting = Pen(canvas)
    skirting.box(-2.0, edge - 0.028, 2.0, edge)
    canvas.blend(skirting.patch(), mix(_paint(brief), WHITE, 0.3))
    left, _, right, _ = _window(canvas, brief)
    if brief.look.volume > 0.1:
        _sunbeam(canvas, brief, left, right, edge, top)


def _sunbeam(
    canvas: Canvas, brief: Brief, left: float, right: float, edge: float, top: int
) -> None:
    side = -solids.light_side(brief)
    middle, half = (left + right) / 2, (right - left) / 2
    lean = (canvas.y[top:, None] - np.float32(edge - 0.12)) * np.float32(0.9 * side)
    across: Plane = (canvas.x[None, :] - lean - np.float32(middle)).astype(np.float32)
    mask = smooth(-half, -half + 0.03, across) * (1 - smooth(half - 0.03, half, across))
    mask *= 1 - np.exp(-((across / np.float32(0.014)) ** 2))
    canvas.light(
        Patch(mask.astype(np.float32), top, 0), brief.light.sun, 0.12 if brief.light.dark else 0.32
    )


def _curtain(canvas: Canvas, brief: Brief) -> None:
    if brief.look.detail < 0.4 or not brief.chance("curtain", 0.65):
        return
    left, top, right, _ = _window(canvas, brief)
    cloth = mix(
        _paint(brief), mix(brief.palette.tones[brief.pick("curtain hue", 4)], WHITE, 0.3), 0.6
    )
    for x, side in ((left, -1.0), (right, 1.0)):
        start, end = sorted((x - side * 0.05, x + side * 0.1))
        first, last = canvas.column(start), canvas.column(end)
        rows = slice(canvas.row(top - 0.035), canvas.row(_floor_line(canvas) - 0.01))
        folds = np.sin((canvas.x[first:last] - start) * np.float32(105)) * np.float32(
            0.5
        ) + np.float32(0.5)
        shape = (canvas.y[rows].shape[0], last - first)
        if 0 in shape:
            continue
        planes = (
            column(adjusted(cloth, 0.8, 1.0))
            + (column(mix(cloth, WHITE, 0.2)) - column(adjusted(cloth, 0.8, 1.0)))
            * folds[None, None, :]
        )
        canvas.blend(
            Patch(np.ones(shape, dtype=np.float32), rows.start, first),
            planes.astype(np.float32),
            0.94,
        )
    rod = Pen(canvas)
    rod.box(left - 0.13, top - 0.045, right + 0.13, top - 0.036)
    canvas.blend(rod.patch(), mix(_paint(brief), BLACK, 0.65))


def _furniture(canvas: Canvas, brief: Brief) -> None:
    work = brief.theme.has("work", "network", "chart", "coffee", "food") or brief.chance(
        "desk", 0.2
    )
    if work:
        _desk(canvas, brief)
    else:
        _sofa(canvas, brief)


def _desk(canvas: Canvas, brief: Brief) -> None:
    side = 1.0 if brief.chance("desk side", 0.5) else -1.0
    top_y, x = canvas.tall * 0.76, side * 0.08 * canvas.wide
    half = 0.36 * min(canvas.wide, 1.2)
    wood = mix(
        lit((0.55, 0.37, 0.25), brief.light.lamp, 0.6),
        brief.light.near,
        0.5 if brief.light.dark else 0.2,
    )
    legs, board, edge = Pen(canvas), Pen(canvas), Pen(canvas)
    for place in (-0.92, 0.9):
        foot = x + place * half
        legs.polygon(
            np.array(
                [
                    (foot - 0.012, top_y),
                    (foot + 0.016, top_y),
                    (foot + 0.01, canvas.tall * 1.02),
                    (foot - 0.004, canvas.tall * 1.02),
                ],
                dtype=np.float32,
            )
        )
    board.box(x - half, top_y - 0.005, x + half, top_y + 0.022)
    edge.box(x - half, top_y - 0.008, x + half, top_y - 0.001)
    canvas.darken(canvas.glow(x, canvas.tall * 0.97, half * 1.2, 0.15), brief.light.near, 0.5)
    canvas.blend(legs.patch(), mix(wood, brief.light.near, 0.4))
    canvas.blend(board.patch(), wood)
    canvas.blend(edge.patch(), mix(wood, WHITE, 0.35))
    _laptop(canvas, brief, (x - side * 0.08, top_y - 0.006))
    glaze = mix(brief.palette.tones[2], (0.95, 0.92, 0.86), 0.3)
    solids.paint_vessel(
        canvas,
        brief,
        solids.CUP,
        (x + side * half * 0.45, top_y - 0.008),
        0.055,
        glaze,
        (0.2, 0.11, 0.07),
    )


def _laptop(canvas: Canvas, brief: Brief, at: tuple[float, float]) -> None:
    x, y = at
    lid, screen, base = Pen(canvas), Pen(canvas), Pen(canvas)
    lid.polygon(
        np.array(
            [(x - 0.105, y - 0.13), (x + 0.105, y - 0.13), (x + 0.1, y), (x - 0.1, y)],
            dtype=np.float32,
        )
    )
    screen.polygon(
        np.array(
            [
                (x - 0.098, y - 0.123),
                (x + 0.098, y - 0.123),
                (x + 0.093, y - 0.008),
                (x - 0.093, y - 0.008),
            ],
            dtype=np.float32,
        )
    )
    base.box(x - 0.122, y - 0.007, x + 0.122, y + 0.002)
    metal = mix((0.62, 0.64, 0.67), brief.light.near, 0.3)
    canvas.blend(lid.patch(), mix(metal, BLACK, 0.5))
    canvas.blend(screen.patch(), mix(brief.light.sky[1], (0.85, 0.92, 1.0), 0.35))
    canvas.blend(base.patch(), metal)
    if brief.light.dark:
        canvas.light(canvas.glow(x, y - 0.06, 0.24), (0.6, 0.75, 1.0), 0.3)


def _sofa(canvas: Canvas, brief: Brief) -> None:
    x = (0.1 if brief.chance("sofa side", 0.5) else -0.1) * canvas.wide
    y, half = canvas.tall * 0.95, 0.3 * min(canvas.wide, 1.15)
    cloth = mix(
        lit(brief.palette.tones[brief.pick("sofa", 4)], brief.light.lamp, 0.5),
        brief.light.near,
        0.45 if brief.light.dark else 0.12,
    )
    canvas.darken(canvas.glow(x, y + 0.015, half * 1.3, 0.14), brief.light.near, 0.6)
    _cushion(
        canvas,
        brief,
        (x - half * 0.98, y - 0.25, x + half * 0.98, y - 0.03),
        adjusted(cloth, 0.88, 1.0),
        0.05,
    )
    for part in (-1, 1):
        _cushion(
            canvas,
            brief,
            (
                x + part * half * 0.47 - half * 0.46,
                y - 0.125,
                x + part * half * 0.47 + half * 0.46,
                y - 0.05,
            ),
            adjusted(cloth, 1.08, 1.0),
            0.025,
        )
    _cushion(
        canvas,
        brief,
        (x - half * 0.95, y - 0.06, x + half * 0.95, y - 0.012),
        adjusted(cloth, 0.92, 1.0),
        0.015,
    )
    for part in (-1, 1):
        _cushion(
            canvas,
            brief,
            (x + part * half - 0.05, y - 0.17, x + part * half + 0.05, y - 0.008),
            cloth,
            0.04,
        )
    accent = brief.palette.tones[(brief.pick("sofa", 4) + 2) % 4]
    _cushion(
        canvas,
        brief,
        (x - half * 0.78, y - 0.215, x - half * 0.4, y - 0.11),
        mix(accent, brief.light.near, 0.15),
        0.03,
    )


def _cushion(
    canvas: Canvas, brief: Brief, box: tuple[float, float, float, float], tone: Colour, soft: float
) -> None:
    left, top, right, bottom = box
    pen = Pen(canvas)
    soft = min(soft, (right - left) / 2, (bottom - top) / 2)
    pen.box(left + soft, top, right - soft, bottom)
    pen.box(left, top + soft, right, bottom - soft * 0.4)
    for x in (left + soft, right - soft):
        pen.oval(x, top + soft, soft, soft)
        pen.oval(x, bottom - soft, soft, soft)
    patch = pen.patch()
    if patch.mask.size == 0:
        return
    fall = np.linspace(0, 1, patch.mask.shape[0], dtype=np.float32)[None, :, None]
    low = column(mix(tone, brief.light.near, 0.35 * brief.look.volume))
    high = column(mix(tone, WHITE, 0.14 * brief.look.volume))
    canvas.blend(patch, high + (low - high) * fall)


def _plant(canvas: Canvas, brief: Brief) -> None:
    if not brief.allows("plant"):
        return
    side = 1.0 if brief.chance("plant side", 0.5) else -1.0
    x, y = side * canvas.wide * 0.38, canvas.tall * 0.93
    canvas.darken(canvas.glow(x, y, 0.16, 0.25), brief.light.near, 0.6)
    rng = brief.roll("plant")
    green = mix(
        lit(botany.GREEN, brief.light.lamp, 0.6), brief.light.near, 0.4 if brief.light.dark else 0.1
    )
    for lean, size, hue in rng.random((15, 3))[:: 2 if canvas.small else 1].tolist():
        turn = -1.57 + (lean - 0.5) * 2.3
        reach = 0.1 + 0.16 * size
        at = x + reach * 0.55 * float(np.cos(turn)), y - 0.13 + reach * float(np.sin(turn))
        stem = Pen(canvas)
        stem.stroke(np.array([(x, y - 0.12), at], dtype=np.float32), 0.005, 0.003)
        canvas.blend(stem.patch(), adjusted(green, 0.8, 1.0))
        botany.paint_leaf(
            canvas,
            brief,
            at,
            turn + (hue - 0.5),
            0.11 + 0.1 * hue,
            adjusted(green, 0.75 + 0.45 * hue, 1.0),
            0.5,
        )
    clay = mix(
        lit(mix((0.78, 0.46, 0.33), brief.palette.tones[2], 0.4), brief.light.lamp, 0.5),
        brief.light.near,
        0.3 if brief.light.dark else 0.0,
    )
    solids.paint_vessel(canvas, brief, solids.POT, (x, y), 0.15, clay, (0.2, 0.14, 0.1))


def _lamp(canvas: Canvas, brief: Brief) -> None:
    if brief.look.detail < 0.4 or not brief.chance("pendant", 0.6):
        return
    left, _, right, _ = _window(canvas, brief)
    x = (left + right) / 2 + (0.18 if brief.chance("lamp side", 0.5) else -0.18) * canvas.wide
    y = canvas.tall * 0.23
    cord, shade = Pen(canvas), Pen(canvas)
    cord.box(x - 0.0015, -0.05, x + 0.0015, y)
    shade.polygon(
        np.array(
            [(x - 0.02, y), (x + 0.02, y), (x + 0.075, y + 0.065), (x - 0.075, y + 0.065)],
            dtype=np.float32,
        )
    )
    tone = mix(brief.palette.tones[brief.pick("lamp", 4)], brief.light.near, 0.3)
    canvas.blend(cord.patch(), mix(tone, BLACK, 0.6))
    canvas.blend(shade.patch(), tone)
    warm: Colour = (1.0, 0.82, 0.5)
    bulb = Pen(canvas)
    bulb.oval(x, y + 0.065, 0.07, 0.009)
    canvas.blend(bulb.patch(), mix(warm, WHITE, 0.4))
    canvas.light(canvas.glow(x, y + 0.09, 0.42), warm, 0.6 if brief.light.dark else 0.16)
