"""Technology: a lattice of glowing nodes in depth, tied by lines, with currents flowing behind."""

from functools import partial

import numpy as np

from providers.studio.brief import Brief
from providers.studio.canvas import Canvas, Pen, Step
from providers.studio.colour import WHITE, Colour, Plane, adjusted, column, mix
from providers.studio.noise import fbm


def steps(canvas: Canvas, brief: Brief) -> list[Step]:
    """Return the strokes of a network in space."""
    painting: list[Step] = [partial(paint_stage, brief=brief), partial(_currents, brief=brief)]
    painting += [partial(_web, brief=brief, layer=layer) for layer in range(3)]
    return painting


def paint_stage(canvas: Canvas, brief: Brief) -> None:
    """Fill the picture with the paper's colour, lit from one place and clouded with a tone."""
    rng = brief.roll("stage")
    at = (float(rng.random()) - 0.5) * 0.6, canvas.tall * (0.3 + 0.4 * float(rng.random()))
    paper = brief.palette.paper
    edge = adjusted(paper, 0.72, 1.05) if brief.palette.dark else adjusted(paper, 0.9, 1.1)
    canvas.fill(np.broadcast_to(column(edge), canvas.rgb.shape))
    tone = (
        mix(paper, brief.palette.tones[0], 0.55) if brief.palette.dark else mix(paper, WHITE, 0.6)
    )
    canvas.blend(canvas.glow(at[0], at[1], 1.0, 0.9), tone, 0.9)
    haze = np.clip(fbm(canvas, rng, 0.5, octaves=4) * np.float32(0.6), 0, 1)
    canvas.blend(canvas.whole(haze), mix(paper, brief.palette.tones[2], 0.5), 0.35)


def _currents(canvas: Canvas, brief: Brief) -> None:
    """Draw bundles of fine lines that flow across the picture."""
    rng = brief.roll("currents")
    along = np.linspace(-0.95, 0.95, 64, dtype=np.float32)
    for bundle in range(2):
        tone = brief.palette.tones[(bundle * 2 + 1) % 4]
        base, swing, phase = (float(value) for value in rng.random(3))
        part = np.linspace(0, 1, 22, dtype=np.float32)[:, None]
        wave = np.sin(along * (2.2 + 2 * swing) + phase * 6 + part * 1.5) * (0.1 + 0.12 * part)
        wave += np.sin(along * 5.3 + part * 3.0) * 0.03
        y = canvas.tall * (0.25 + 0.5 * base) + wave + (part - 0.5) * 0.16
        paths = np.stack([np.broadcast_to(along, y.shape), y], axis=2).astype(np.float32)
        pen = Pen(canvas)
        pen.strokes(paths, 0.0013, 0.0016, 0.25 + 0.7 * part[:, 0])
        _shine(canvas, brief, pen, tone, 0.42)


def _shine(canvas: Canvas, brief: Brief, pen: Pen, tone: Colour, strength: float) -> None:
    if brief.palette.dark:
        canvas.light(pen.patch(), tone, strength)
    else:
        canvas.blend(pen.patch(), tone, strength)


def _web(canvas: Canvas, brief: Brief, layer: int) -> None:
    """Paint one depth of the lattice: far ones small, dim and soft, near ones large and bright."""
    rng = brief.roll(f"web {layer}")
    count = (70, 42, 18)[layer]
    centre = (float(brief.roll("web").random()) - 0.5) * 0.4
    turn = rng.random(count, dtype=np.float32) * np.float32(6.283)
    reach = np.sqrt(rng.random(count, dtype=np.float32)) * np.float32((0.62, 0.52, 0.46)[layer])
    x = np.float32(centre) + reach * np.cos(turn) * np.float32(canvas.wide)
    y = np.float32(canvas.tall * 0.5) + reach * np.sin(turn) * np.float32(canvas.tall * 0.95)
    spots = np.stack([x, y], axis=1).astype(np.float32)
    size = rng.random(count, dtype=np.float32) ** 2
    _ties(canvas, brief, spots, layer)
    _nodes(canvas, brief, spots, size, layer)


def _ties(canvas: Canvas, brief: Brief, spots: Plane, layer: int) -> None:
    gaps = np.hypot(*(spots[:, None, :] - spots[None, :, :]).transpose(2, 0, 1))
    reach = (0.13, 0.18, 0.27)[layer]
    thick = (0.0011, 0.0015, 0.0021)[layer]
    first, second = np.nonzero(np.triu(gaps < reach, 1))
    inks = np.float32(1.0) - np.float32(0.75 / reach) * gaps[first, second]
    pen = Pen(canvas)
    pen.strokes(np.stack([spots[first], spots[second]], axis=1), thick, thick, inks)
    tone = mix(brief.palette.tones[1], brief.palette.ink, 0.25)
    _shine(canvas, brief, pen, tone, (0.3, 0.5, 0.75)[layer])


def _nodes(canvas: Canvas, brief: Brief, spots: Plane, size: Plane, layer: int) -> None:
    radii = (np.float32(0.003) + np.float32(0.006) * size) * np.float32(1 + 0.8 * layer)
    for index in range(3):
        tone = brief.palette.tones[1 + index]
        part = slice(index, None, 3)
        _halos(canvas, brief, spots[part], radii[part], tone)
        dots, rings = Pen(canvas), Pen(canvas)
        dots.ovals(spots[part], radii[part])
        body = mix(tone, WHITE, 0.45) if brief.palette.dark else tone
        canvas.blend(dots.patch(), body, 0.6 + 0.2 * layer)
        big = size[part] > (0.3 if layer == 2 else 2.0)
        rings.ovals(spots[part][big], radii[part][big] * np.float32(2.1))
        none = np.zeros(int(big.sum()), dtype=np.float32)
        rings.ovals(spots[part][big], radii[part][big] * np.float32(1.88), none)
        _shine(canvas, brief, rings, tone, 0.8)


def _halos(canvas: Canvas, brief: Brief, spots: Plane, radii: Plane, tone: Colour) -> None:
    if not brief.palette.dark or brief.look.bloom <= 0:
        return
    for (x, y), radius in zip(spots.tolist(), radii.tolist(), strict=True):
        if radius * canvas.unit_px > 0.7:
            canvas.light(canvas.glow(x, y, radius * 6), tone, 0.5)
