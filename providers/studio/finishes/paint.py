"""Oil paint: the picture laid again in strokes that follow its forms, with light on the ridges."""

from functools import partial

import numpy as np
import numpy.typing as npt
from PIL import ImageDraw

from providers.studio.brief import Brief
from providers.studio.canvas import Canvas, Step
from providers.studio.colour import Plane
from providers.studio.finishes.film import blurred
from providers.studio.finishes.grade import brightness
from providers.studio.finishes.paper import to_image
from providers.studio.noise import fbm

Index = npt.NDArray[np.int64]

# Every stroke is mixed a little warmer or colder than the last.
_WARMER = np.array([[0.03, 0.0, -0.03]], dtype=np.float32)
# Stroke width in units, and how many strokes go over one picture.
_LAYERS = ((0.024, 2200), (0.012, 5200), (0.0062, 9000))


def steps(brief: Brief) -> list[Step]:
    """Return one step per layer of strokes, coarse to fine, and the varnish."""
    layers: list[Step] = [
        partial(_lay, brief=brief, width=width, count=count) for width, count in _LAYERS
    ]
    return [partial(_ground, brief=brief), *layers, partial(_bristles, brief=brief)]


def _ground(canvas: Canvas, brief: Brief) -> None:
    """Keep the picture as the model that the strokes look at."""
    canvas.model = canvas.rgb.copy()


def _flow(canvas: Canvas) -> Plane:
    """Return the angle of the strokes: along contours where there are any, else level."""
    light = blurred(brightness(canvas.model), 0.02, canvas.unit_px)
    down, across = np.gradient(light)
    values: Plane = np.arctan2(across, -down - np.float32(0.9 / canvas.unit_px))
    return values


def _lay(canvas: Canvas, brief: Brief, width: float, count: int) -> None:
    if width * canvas.unit_px < 1.6:
        return
    rng = brief.roll(f"strokes {width}")
    draws = rng.random((count, 6), dtype=np.float32)
    rows: Index = (draws[:, 0] * canvas.height_px).astype(np.int64)
    columns: Index = (draws[:, 1] * canvas.width_px).astype(np.int64)
    colours = canvas.model[:, rows, columns].T + (draws[:, 2:3] - 0.5) * np.float32(0.07)
    colours += (draws[:, 3:4] - 0.5) * _WARMER
    angle = _flow(canvas)[rows, columns] + (draws[:, 4] - 0.5) * 0.4
    keep = _busy(canvas, rows, columns, width)
    image = to_image(canvas)
    outlines = _strokes(columns, rows, angle, width * canvas.unit_px, draws[:, 5])
    fills = np.clip(colours * 255, 0, 255).astype(np.uint8)
    draw = ImageDraw.Draw(image)
    for outline, fill in zip(outlines[keep].tolist(), fills[keep].tolist(), strict=True):
        draw.polygon([tuple(point) for point in outline], fill=tuple(fill))
    canvas.rgb[:] = np.asarray(image, dtype=np.float32).transpose(2, 0, 1) / np.float32(255)


def _busy(canvas: Canvas, rows: Index, columns: Index, width: float) -> npt.NDArray[np.bool_]:
    """Return which strokes to lay: all the broad ones, the fine ones only on detail."""
    if width > 0.02:
        return np.ones(len(rows), dtype=bool)
    light = brightness(canvas.model)
    soft = blurred(light, width * 1.6, canvas.unit_px)
    rough = np.abs(light - soft)[rows, columns]
    busy: npt.NDArray[np.bool_] = rough > 0.012
    return busy


def _strokes(x: Index, y: Index, angle: Plane, width: float, size: Plane) -> Plane:
    """Return outlines (count, 8, 2) in pixels of rounded, slightly tapering strokes."""
    shape = np.array(
        [
            (-2.2, -0.2),
            (-1.7, -0.45),
            (0.8, -0.5),
            (2.1, -0.25),
            (2.3, 0.1),
            (1.6, 0.42),
            (-1.4, 0.5),
            (-2.2, 0.2),
        ],
        dtype=np.float32,
    )
    scale = (width * (0.6 + 0.7 * size))[:, None]
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    px = x[:, None] + scale * (shape[:, 0] * cos - shape[:, 1] * sin)
    py = y[:, None] + scale * (shape[:, 0] * sin + shape[:, 1] * cos)
    return np.stack([px, py], axis=2)


def _bristles(canvas: Canvas, brief: Brief) -> None:
    """Give the paint its relief: ridges catch the light from the upper left."""
    weave = fbm(canvas, brief.roll("weave"), 0.008, stretch=2.5, octaves=3, gain=0.6)
    light = brightness(canvas.rgb)
    height = light * np.float32(1.2) + weave * np.float32(0.06)
    step = max(1, round(canvas.unit_px * 0.0012))
    relief = height - np.roll(height, (step, step), axis=(0, 1))
    relief[:step] = 0
    relief[:, :step] = 0
    canvas.rgb += np.clip(relief, -0.12, 0.12)[None] * np.float32(0.42)
