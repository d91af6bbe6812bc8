"""Still lifes: cups, bowls, fruit, bottles, books and flowers on a table in window light."""

from functools import partial

import numpy as np

from providers.studio.brief import Brief, smooth
from providers.studio.canvas import Canvas, Patch, Pen, Step
from providers.studio.colour import WHITE, Colour, adjusted, column, lit, mix
from providers.studio.motifs import botany, solids
from providers.studio.noise import fbm

_COFFEE: Colour = (0.2, 0.11, 0.07)
_CREAM: Colour = (0.95, 0.92, 0.86)
_FRUIT: tuple[Colour, ...] = (
    (0.86, 0.24, 0.18),
    (0.95, 0.6, 0.16),
    (0.95, 0.8, 0.28),
    (0.6, 0.7, 0.26),
    (0.55, 0.2, 0.36),
)


def steps(canvas: Canvas, brief: Brief) -> list[Step]:
    """Return the strokes of a still life, from the wall forward."""
    edge = canvas.tall * (0.6 + 0.06 * float(brief.roll("edge").random()))
    things = _things(brief)
    painting: list[Step] = [
        partial(_wall, brief=brief, edge=edge),
        partial(_window_light, brief=brief, edge=edge),
        partial(_table, brief=brief, edge=edge),
    ]
    places = _places(brief, len(things), edge, canvas)
    for index, (thing, place) in enumerate(zip(things, places, strict=True)):
        painting.append(partial(_set, brief=brief, thing=thing, at=place, index=index))
    return painting


def _things(brief: Brief) -> list[str]:
    """Return what stands on the table, the tall things first because they stand behind."""
    things: list[str] = []
    has = brief.theme.has
    if has("flower", "plant") or (brief.allows("flower") and brief.chance("vase", 0.45)):
        things.append("vase")
    if has("food") and brief.chance("bottle", 0.6):
        things.append("bottle")
    if has("coffee") and brief.chance("jug", 0.5):
        things.append("jug")
    if has("book"):
        things.append("books")
    if has("fruit", "food"):
        things.append("bowl")
    if has("coffee", "book") and brief.allows("coffee"):
        things.append("cup")
    if has("fruit", "food"):
        things += ["fruit", "fruit"]
    return things if len(things) > 1 else [*things, "jug", "cup"]


def _places(brief: Brief, count: int, edge: float, canvas: Canvas) -> list[tuple[float, float]]:
    rng = brief.roll("places")
    side = 1.0 if brief.chance("arrangement", 0.5) else -1.0
    spread = min(0.19 * count, 0.8 * canvas.wide)
    order = np.argsort(rng.random(count))
    places = []
    for index in range(count):
        slot = (float(order[index]) + 0.5) / count - 0.5
        depth = (index + 0.5) / count
        x = side * slot * spread + (float(rng.random()) - 0.5) * 0.05
        places.append((x, edge + (0.05 + 0.15 * depth) * canvas.tall**0.6))
    return places


def _wall(canvas: Canvas, brief: Brief, edge: float) -> None:
    side = solids.light_side(brief)
    palette = brief.palette
    tone = mix(
        palette.paper, palette.tones[brief.pick("wall", 4)], 0.34 if not palette.dark else 0.2
    )
    across = np.clip(np.float32(0.5) + canvas.x * np.float32(0.62 * side), 0, 1)[None, :]
    fall = across * np.float32(0.75) + (1 - canvas.v)[:, None] * np.float32(0.25)
    dark, bright = adjusted(tone, 0.72, 1.05), mix(tone, WHITE, 0.22 if not palette.dark else 0.06)
    planes = column(dark) + (column(bright) - column(dark)) * fall[None]
    if brief.look.texture > 0.2:
        plaster = fbm(canvas, brief.roll("plaster"), 0.2, octaves=7, gain=0.6)
        planes *= 1 + plaster[None] * np.float32(0.025 * brief.look.texture)
    canvas.fill(planes)


def _window_light(canvas: Canvas, brief: Brief, edge: float) -> None:
    """Throw the slanted light of a window on the wall."""
    if brief.look.volume < 0.1 or brief.look.detail < 0.4 or not brief.chance("window light", 0.8):
        return
    rng = brief.roll("panes")
    shift, lean = (float(rng.random()) - 0.5) * 0.4, 0.35 + 0.3 * float(rng.random())
    side = solids.light_side(brief)
    across = (
        canvas.x[None, :]
        + np.float32(side * lean) * (canvas.y[:, None] - np.float32(edge))
        - np.float32(shift)
    )
    down = (canvas.y / np.float32(edge))[:, None]
    mask = np.zeros((canvas.height_px, canvas.width_px), dtype=np.float32)
    for left in (-0.24, -0.07, 0.1):
        pane = smooth(left, left + 0.02, across) * (1 - smooth(left + 0.13, left + 0.15, across))
        mask += pane
    mask *= smooth(0.06, 0.12, down) * (1 - smooth(0.86, 0.97, down))
    mask *= 1 - smooth(0.43, 0.45, down) * (1 - smooth(0.47, 0.49, down))
    canvas.light(canvas.whole(mask), lit(brief.light.sun, (1.0, 0.9, 0.72)), 0.3)


def _table(canvas: Canvas, brief: Brief, edge: float) -> None:
    palette = brief.palette
    wood: Colour = ((0.62, 0.44, 0.3), (0.8, 0.68, 0.54), (0.4, 0.28, 0.22))[brief.pick("wood", 3)]
    tone = mix(wood, palette.tones[brief.pick("cloth", 4)], 0.45)
    top = canvas.row(edge)
    rows = canvas.height_px - top
    if rows < 1:
        return
    depth = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    side = solids.light_side(brief)
    light = (
        np.float32(0.85) + canvas.x[None, :] * np.float32(0.22 * side) - depth * np.float32(0.12)
    )
    planes = column(tone) * light[None]
    if brief.look.texture > 0.2:
        grain = fbm(
            canvas,
            brief.roll("wood grain"),
            0.035,
            stretch=16,
            octaves=6,
            gain=0.6,
            rows=(top, canvas.height_px),
        )
        planes = planes * (1 + grain[None] * np.float32(0.075 * brief.look.texture))
    canvas.fill(planes.astype(np.float32), top)
    lip = np.exp(-depth * np.float32(rows / canvas.unit_px * 130))
    canvas.light(Patch(np.broadcast_to(lip, (rows, canvas.width_px)), top, 0), WHITE, 0.22)
    gap = np.clip(1 - (np.float32(edge) - canvas.y[:top]) / np.float32(0.07), 0, 1)[:, None] ** 2
    canvas.darken(
        Patch(np.broadcast_to(gap, (top, canvas.width_px)), 0, 0),
        palette.ink if not palette.dark else (0.0, 0.0, 0.0),
        0.25,
    )


def _set(canvas: Canvas, brief: Brief, thing: str, at: tuple[float, float], index: int) -> None:
    """Put one thing on the table."""
    grow = canvas.tall**0.25
    glaze = _glaze(brief, index)
    if thing == "cup":
        _cup(canvas, brief, at, 0.14 * grow, glaze)
    elif thing == "bowl":
        _bowl(canvas, brief, at, 0.125 * grow, glaze)
    elif thing == "fruit":
        _fruit(canvas, brief, (at[0], at[1] - 0.05 * grow), 0.055 * grow, index)
    elif thing == "books":
        _books(canvas, brief, at, 0.36 * grow)
    elif thing == "vase":
        solids.paint_shadow(canvas, brief, at, 0.08, 0.3)
        botany.paint_spray(
            canvas, brief, f"spray {index}", (at[0], at[1] - 0.3 * grow), 0.34 * grow
        )
        solids.paint_vessel(canvas, brief, solids.VASE, at, 0.32 * grow, glaze)
    else:
        vessel, high = (solids.BOTTLE, 0.46) if thing == "bottle" else (solids.JUG, 0.25)
        solids.paint_shadow(canvas, brief, at, vessel.radii[1] * high * grow, high * 0.8)
        solids.paint_vessel(canvas, brief, vessel, at, high * grow, glaze)


def _glaze(brief: Brief, index: int) -> Colour:
    tone = brief.palette.tones[(index + brief.pick("glaze", 4)) % 4]
    return mix(tone, _CREAM, 0.62) if index % 2 else mix(tone, _CREAM, 0.12)


def _cup(canvas: Canvas, brief: Brief, at: tuple[float, float], high: float, glaze: Colour) -> None:
    solids.paint_shadow(canvas, brief, at, high * 1.1, high * 0.6)
    saucer = (at[0], at[1] + high * 0.04)
    plate = mix(glaze, _CREAM, 0.4)
    solids.paint_vessel(canvas, brief, solids.PLATE, saucer, high * 0.17, plate, None, 0.22)
    side = -solids.light_side(brief)
    handle = Pen(canvas)
    turn = np.linspace(-1.5, 1.6, 16, dtype=np.float32)
    centre = at[0] + side * high * 0.5, at[1] - high * 0.58
    loop = np.stack(
        [centre[0] + side * high * 0.34 * np.cos(turn), centre[1] + high * 0.26 * np.sin(turn)],
        axis=1,
    )
    handle.stroke(loop.astype(np.float32), high * 0.11, high * 0.09)
    canvas.blend(handle.patch(), adjusted(glaze, 0.72, 1.0))
    canvas.darken(canvas.glow(at[0], at[1] - high * 0.02, high * 0.62, 0.3), (0.2, 0.12, 0.12), 0.5)
    solids.paint_vessel(canvas, brief, solids.CUP, at, high, glaze, _COFFEE, 0.24)
    if brief.look.bands == 0:
        _steam(canvas, brief, (at[0], at[1] - high), high)


def _steam(canvas: Canvas, brief: Brief, at: tuple[float, float], high: float) -> None:
    rng = brief.roll("steam")
    for index in range(3):
        along = np.linspace(0, 1, 24, dtype=np.float32)
        phase = float(rng.random()) * 6.28
        x = at[0] + (index - 1) * high * 0.2 + np.sin(along * 5 + phase) * high * 0.14 * along
        for _, (px, py) in enumerate(zip(x[2::2].tolist(), along[2::2].tolist(), strict=True)):
            puff = canvas.glow(px, at[1] - py * high * 1.9, high * (0.1 + 0.2 * py), 1.3)
            canvas.light(puff, WHITE, 0.13 * (1 - py))


def _bowl(
    canvas: Canvas, brief: Brief, at: tuple[float, float], high: float, glaze: Colour
) -> None:
    solids.paint_shadow(canvas, brief, at, high * 0.9, high)
    solids.paint_vessel(canvas, brief, solids.BOWL, at, high, glaze, None, 0.2)
    rim = at[1] - high
    for index, (x, y, size) in enumerate(
        (
            (-0.72, -0.1, 0.42),
            (0.75, -0.1, 0.42),
            (0.05, -0.36, 0.46),
            (-0.36, 0.02, 0.46),
            (0.4, 0.04, 0.45),
        )
    ):
        _fruit(
            canvas, brief, (at[0] + x * high, rim + y * high), size * high, index + 2, ground=False
        )
    front = Pen(canvas)
    turn = np.linspace(0, np.pi, 40, dtype=np.float32)
    radius = high * 1.36
    arc = np.stack([at[0] + radius * np.cos(turn), rim + radius * 0.2 * np.sin(turn)], axis=1)
    foot = at[1] + high * 0.3
    low = np.array([[at[0] - radius, foot], [at[0] + radius, foot]])
    front.polygon(np.concatenate([arc, low]).astype(np.float32))
    _bowl_front(canvas, brief, at, high, glaze, front.patch())
    edge = Pen(canvas)
    edge.stroke(arc.astype(np.float32), high * 0.05, high * 0.05)
    canvas.blend(edge.patch(), mix(adjusted(glaze, 1.15, 0.8), WHITE, 0.3))


def _bowl_front(
    canvas: Canvas, brief: Brief, at: tuple[float, float], high: float, glaze: Colour, front: Patch
) -> None:
    """Paint the bowl again in front of the fruit, but only where its front wall is."""
    if front.mask.size == 0:
        return
    before = canvas.rgb[front.window].copy()
    closed = solids.Vessel(solids.BOWL.heights, solids.BOWL.radii, open=False)
    solids.paint_vessel(canvas, brief, closed, at, high, glaze, None, 0.2)
    after = canvas.rgb[front.window]
    after[:] = before + (after - before) * front.mask[None]


def _fruit(
    canvas: Canvas,
    brief: Brief,
    at: tuple[float, float],
    radius: float,
    index: int,
    *,
    ground: bool = True,
) -> None:
    rng = brief.roll(f"fruit {index}")
    hues = list(_FRUIT)
    if brief.theme.colours:
        hues = [
            *brief.theme.colours,
            *brief.theme.colours,
            mix(brief.theme.colours[0], _CREAM, 0.3),
        ]
    hue = mix(hues[int(rng.random() * len(hues))], brief.palette.tones[index % 4], 0.22)
    if ground:
        solids.paint_shadow(canvas, brief, (at[0], at[1] + radius * 0.9), radius, radius)
    solids.paint_sphere(canvas, brief, at, radius, hue, 0.5)
    stem = Pen(canvas)
    top = at[1] - radius * 0.86
    stem.stroke(
        np.array([[at[0], top], [at[0] + radius * 0.1, top - radius * 0.34]], dtype=np.float32),
        radius * 0.12,
        radius * 0.08,
    )
    canvas.darken(canvas.glow(at[0], top + radius * 0.04, radius * 0.32, 0.4), (0.3, 0.2, 0.1), 0.5)
    canvas.blend(stem.patch(), (0.27, 0.19, 0.11))
    if float(rng.random()) < 0.6:
        leaf = botany.leaf_outline(
            (at[0] + radius * 0.08, top - radius * 0.15), -0.5, radius * 0.8, 0.42
        )
        green = Pen(canvas)
        green.polygon(leaf)
        canvas.blend(green.patch(), (0.36, 0.5, 0.22))


def _books(canvas: Canvas, brief: Brief, at: tuple[float, float], wide: float) -> None:
    """Stack books flat, spines to the viewer, each a little askew."""
    rng = brief.roll("books")
    solids.paint_shadow(canvas, brief, at, wide * 0.5, 0.1)
    y = at[1] + 0.01
    for index in range(3 + int(rng.random() * 3)):
        a, b, c = (float(value) for value in rng.random(3))
        thick, half = 0.03 + 0.022 * a, wide * (0.42 + 0.1 * b)
        x = at[0] + (c - 0.5) * 0.05
        _book(canvas, brief, (x, y), half, thick, index)
        y -= thick


def _book(
    canvas: Canvas, brief: Brief, at: tuple[float, float], half: float, thick: float, index: int
) -> None:
    x, y = at
    hue = brief.palette.tones[(index + brief.pick("book", 4)) % 4]
    hue = mix(hue, brief.palette.ink, 0.16) if not brief.palette.dark else hue
    body, band, shade, top = Pen(canvas), Pen(canvas), Pen(canvas), Pen(canvas)
    body.box(x - half, y - thick, x + half, y)
    for place in (-0.78, 0.7):
        band.box(x + place * half, y - thick, x + (place + 0.05) * half, y)
    shade.box(x - half, y - thick * 0.16, x + half, y)
    top.polygon(
        np.array(
            [
                (x - half, y - thick),
                (x + half, y - thick),
                (x + half * 0.94, y - thick * 1.0 - 0.02),
                (x - half * 0.94, y - thick - 0.02),
            ],
            dtype=np.float32,
        )
    )
    canvas.blend(top.patch(), adjusted(hue, 1.12, 0.9))
    canvas.blend(body.patch(), hue)
    side = solids.light_side(brief)
    patch = body.patch()
    if patch.mask.size and brief.look.volume > 0.1:
        fall = np.clip(
            0.5 - side * (canvas.x[patch.left : patch.left + patch.mask.shape[1]] - x) / (2 * half),
            0,
            1,
        )
        canvas.darken(
            Patch(patch.mask * fall[None, :], patch.top, patch.left),
            brief.palette.ink if not brief.palette.dark else (0.0, 0.0, 0.0),
            0.45,
        )
    canvas.blend(band.patch(), mix(hue, (0.98, 0.9, 0.7), 0.6), 0.8)
    canvas.darken(shade.patch(), (0.1, 0.06, 0.08), 0.4)
