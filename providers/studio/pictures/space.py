"""Space: nebulae, stars, planets with rings, and now and then the ground of another world."""

from functools import partial

import numpy as np

from providers.studio.brief import Brief, smooth
from providers.studio.canvas import Canvas, Patch, Pen, Step
from providers.studio.colour import WHITE, Colour, Plane, adjusted, column, lit, mix, ramp
from providers.studio.motifs import figures, ridges, sky
from providers.studio.noise import fbm, line

_VOID: Colour = (0.018, 0.024, 0.06)


def steps(canvas: Canvas, brief: Brief) -> list[Step]:
    """Return the strokes of a picture of space."""
    painting: list[Step] = [
        partial(_nebula, brief=brief),
        partial(sky.paint_stars, brief=brief, horizon=canvas.tall * 1.15, density=2.2),
    ]
    painting += [partial(_planet, brief=brief, index=index) for index in (2, 1, 0)]
    if brief.theme.has("person", "desert", "mountain") or brief.chance("ground", 0.3):
        painting += [partial(_ground, brief=brief, layer=layer) for layer in range(2)]
    return painting


def _tones(brief: Brief) -> tuple[Colour, ...]:
    tones = sorted(brief.palette.tones, key=lambda tone: sum(tone))
    return tuple(adjusted(tone, 0.9, 1.25) for tone in tones)


def _nebula(canvas: Canvas, brief: Brief) -> None:
    rng = brief.roll("nebula")
    turn = float(rng.random()) * 3.14
    x, y = canvas.x[None, :], canvas.y[:, None] - np.float32(canvas.tall / 2)
    across = x * np.float32(np.sin(turn)) - y * np.float32(np.cos(turn))
    gas = fbm(canvas, rng, 0.5, octaves=8, gain=0.55)
    veil = fbm(canvas, rng, 0.28, octaves=8, gain=0.6)
    band = np.exp(-(((across + gas * np.float32(0.16)) / np.float32(0.26)) ** 2))
    dense = band * smooth(-0.7, 0.9, gas) * (1 - np.float32(0.75) * smooth(0.0, 0.8, veil))
    tones = _tones(brief)
    stops = (
        _VOID,
        mix(_VOID, tones[0], 0.5),
        mix(tones[0], tones[1], 0.5),
        tones[2],
        mix(tones[3], WHITE, 0.45),
    )
    position = np.clip(dense * np.float32(1.1) + band * np.float32(0.09), 0, 1)
    if brief.look.bands:
        position = sky.stepped(canvas, position, brief.look.bands)
    canvas.fill(ramp(stops, position))


def _planet(canvas: Canvas, brief: Brief, index: int) -> None:
    rng = brief.roll(f"planet {index}")
    a, b, c, d = (float(value) for value in rng.random(4))
    if index and d < 0.35:
        return
    radius = (0.19 + 0.16 * c, 0.035 + 0.04 * c, 0.016 + 0.02 * c)[index]
    x = (0.16 + 0.68 * a - 0.5) * canvas.wide
    y = canvas.tall * (0.2 + 0.5 * b)
    hues = _tones(brief)
    pair = hues[1 + index % 3], hues[(3 + index) % 4]
    ringed = index == 0 and d > 0.4
    tilt = (d - 0.5) * 0.9
    if ringed:
        _ring(canvas, brief, (x, y), radius, tilt, pair[1], front=False)
    canvas.light(canvas.glow(x, y, radius * 1.5), pair[1], 0.3)
    _globe(canvas, brief, (x, y), radius, pair, f"surface {index}")
    if ringed:
        _ring(canvas, brief, (x, y), radius, tilt, pair[1], front=True)


def _globe(
    canvas: Canvas,
    brief: Brief,
    at: tuple[float, float],
    radius: float,
    hues: tuple[Colour, Colour],
    name: str,
) -> None:
    patch = canvas.disc(at[0], at[1], radius)
    rows, columns = patch.mask.shape
    if patch.mask.size == 0:
        return
    nx = (canvas.x[patch.left : patch.left + columns] - np.float32(at[0]))[None, :] / np.float32(
        radius
    )
    ny = (canvas.y[patch.top : patch.top + rows] - np.float32(at[1]))[:, None] / np.float32(radius)
    rng = brief.roll(name)
    swirl = fbm(
        canvas,
        rng,
        radius * 0.7,
        stretch=2.4,
        octaves=7,
        gain=0.55,
        rows=(patch.top, patch.top + rows),
    )[:, patch.left : patch.left + columns]
    lean = (float(rng.random()) - 0.5) * 0.8
    bands = np.sin(
        (ny + nx * np.float32(lean) + swirl * np.float32(0.2))
        * np.float32(7 + 6 * float(rng.random()))
    )
    share = np.clip(np.float32(0.5) + bands * np.float32(0.36) + swirl * np.float32(0.3), 0, 1)
    deep = adjusted(hues[0], 0.8, 1.0)
    planes = ramp((deep, hues[0], mix(hues[1], WHITE, 0.1)), share)
    side = 1.0 if brief.chance("light side", 0.5) else -1.0
    nz = np.sqrt(np.clip(1 - nx * nx - ny * ny, 0, 1))
    day = nx * np.float32(0.72 * side) - ny * np.float32(0.42) + nz * np.float32(0.5)
    light = (
        smooth(-0.12, 0.85, day)
        if brief.look.volume > 0.1
        else smooth(0.28, 0.31, day) * np.float32(0.5) + np.float32(0.5)
    )
    planes = column(_VOID) + (planes - column(_VOID)) * (np.float32(0.06) + light)[None]
    rim = (1 - nz) ** 3 * light
    canvas.blend(patch, planes.astype(np.float32))
    canvas.light(Patch(patch.mask * rim, patch.top, patch.left), mix(hues[1], WHITE, 0.5), 0.7)


def _ring(
    canvas: Canvas,
    brief: Brief,
    at: tuple[float, float],
    radius: float,
    tilt: float,
    hue: Colour,
    *,
    front: bool,
) -> None:
    turn = np.linspace(0, np.pi, 64, dtype=np.float32) + np.float32(0.0 if front else np.pi)
    cos, sin = float(np.cos(tilt)), float(np.sin(tilt))
    for inner, outer, ink in ((1.32, 1.5, 0.5), (1.53, 1.86, 0.85), (1.9, 2.02, 0.4)):
        edges = []
        for reach in (inner, outer):
            x, y = np.cos(turn) * reach * radius, np.sin(turn) * reach * radius * 0.2
            edges.append(np.stack([at[0] + x * cos - y * sin, at[1] + x * sin + y * cos], axis=1))
        pen = Pen(canvas)
        pen.polygon(np.concatenate([edges[0], edges[1][::-1]]).astype(np.float32))
        canvas.blend(pen.patch(), mix(hue, WHITE, 0.3), ink * 0.8)


def _ground(canvas: Canvas, brief: Brief, layer: int) -> None:
    rng = brief.roll(f"world {layer}")
    base = canvas.tall * (0.8 + 0.1 * layer)
    crest = np.float32(base) - np.abs(
        line(canvas.x, rng, 0.4, octaves=6, gain=0.5, sharp=True)
    ) * np.float32(0.11 - 0.06 * layer)
    tone = lit(mix(_tones(brief)[1], _VOID, 0.35 + 0.3 * layer), WHITE)
    ridge = ridges.Ridge(
        f"world {layer}",
        crest.astype(np.float32),
        canvas.tall + 0.02,
        mix(tone, _tones(brief)[2], 0.35),
        mix(tone, _VOID, 0.6),
        0.0,
        rough=0.25,
    )
    ridges.paint_ridge(canvas, brief, ridge)
    if layer and brief.theme.has("person"):
        _stand(canvas, brief, crest.astype(np.float32))


def _stand(canvas: Canvas, brief: Brief, crest: Plane) -> None:
    figures.paint_people(canvas, brief, crest, 0.13, mix(WHITE, _tones(brief)[3], 0.3))
