"""Flowers seen close: a full arrangement of blossoms and leaves before a quiet ground."""

from functools import partial

import numpy as np

from providers.studio.brief import Brief
from providers.studio.canvas import Canvas, Step
from providers.studio.colour import WHITE, adjusted, column, mix
from providers.studio.motifs import botany
from providers.studio.noise import fbm


def steps(canvas: Canvas, brief: Brief) -> list[Step]:
    """Return the strokes of a floral picture, from the back forward."""
    painting: list[Step] = [partial(_ground, brief=brief), partial(_bokeh, brief=brief)]
    painting += [partial(_greens, brief=brief, layer=layer) for layer in range(2)]
    return [*painting, *(partial(_blooms, brief=brief, layer=layer) for layer in range(3))]


def _ground(canvas: Canvas, brief: Brief) -> None:
    palette = brief.palette
    tone = mix(palette.paper, palette.tones[brief.pick("ground", 4)], 0.3)
    x, y = canvas.x[None, :], canvas.v[:, None]
    cloud = fbm(canvas, brief.roll("ground"), 0.5, octaves=4) * np.float32(0.16)
    light = np.clip(
        np.float32(0.85)
        - np.hypot(x + np.float32(0.15), y - np.float32(0.35)) * np.float32(0.7)
        + cloud,
        0,
        1,
    )
    dark = adjusted(tone, 0.66, 1.05)
    canvas.fill(column(dark) + (column(mix(tone, WHITE, 0.18)) - column(dark)) * light[None])


def _bokeh(canvas: Canvas, brief: Brief) -> None:
    if brief.look.bloom <= 0 or canvas.small:
        return
    for x, y, size, hue in brief.roll("bokeh").random((16, 4)).tolist():
        disc = canvas.disc((x - 0.5) * 1.5, y * canvas.tall, 0.03 + 0.07 * size, 0.3)
        canvas.light(disc, mix(brief.palette.tones[int(hue * 4)], WHITE, 0.4), 0.12)


def _centre(canvas: Canvas, brief: Brief) -> tuple[float, float]:
    rng = brief.roll("centre")
    return (float(rng.random()) - 0.5) * 0.3 * canvas.wide, canvas.tall * (
        0.5 + 0.14 * float(rng.random())
    )


def _greens(canvas: Canvas, brief: Brief, layer: int) -> None:
    rng = brief.roll(f"greens {layer}")
    x, y = _centre(canvas, brief)
    spread = canvas.wide**0.6
    for turn, reach, size, hue in rng.random((26, 4))[:: 3 if canvas.small else 1].tolist():
        way = turn * 6.283
        out = 0.05 + 0.14 * reach
        at = x + out * spread * float(np.cos(way)), y + out * float(np.sin(way))
        green = mix(botany.GREEN, brief.palette.tones[int(hue * 4)], 0.3 * hue)
        tone = adjusted(green, 0.62 + 0.32 * layer + 0.2 * hue, 0.95)
        length = (0.24 + 0.24 * size) * (1.0 - 0.25 * layer)
        botany.paint_leaf(
            canvas, brief, at, way + 0.4 * (hue - 0.5), length, tone, 0.26 + 0.14 * size
        )


def _blooms(canvas: Canvas, brief: Brief, layer: int) -> None:
    rng = brief.roll(f"blooms {layer}")
    x, y = _centre(canvas, brief)
    spread = canvas.wide**0.7
    count, base, out = ((9, 0.06, 0.34), (5, 0.1, 0.2), (3, 0.14, 0.09))[layer]
    start = float(rng.random()) * 6.283
    for index, (jitter, size, hue, turn) in enumerate(rng.random((count, 4)).tolist()):
        way = start + (index + 0.5 * jitter) * 6.283 / count
        at = (
            x + out * (0.8 + 0.5 * size) * spread * float(np.cos(way)),
            y + out * (0.7 + 0.4 * size) * float(np.sin(way)),
        )
        tone = brief.palette.tones[int(hue * 3.99)]
        tone = mix(tone, (0.98, 0.94, 0.9), 0.25 * jitter)
        if brief.look.volume > 0.1 and not canvas.small:
            canvas.darken(
                canvas.glow(at[0] + 0.01, at[1] + 0.02, base * 1.5), brief.light.near, 0.45
            )
        botany.paint_blossom(canvas, brief, at, base * (0.8 + 0.4 * size), tone, turn)
