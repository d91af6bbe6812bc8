"""Watercolour: washes that pool at their edges, granulate, and leave the paper's border."""

from functools import partial

import numpy as np
from PIL import Image, ImageFilter

from providers.studio.brief import Brief, smooth
from providers.studio.canvas import Canvas, Step
from providers.studio.colour import Plane, column
from providers.studio.finishes.film import blurred
from providers.studio.finishes.grade import brightness
from providers.studio.noise import fbm

_SHEET = (0.975, 0.962, 0.932)


def steps(brief: Brief) -> list[Step]:
    """Return the watercolour steps: soften, pool, granulate, border."""
    return [
        partial(_soften, brief=brief),
        _pool,
        partial(_granulate, brief=brief),
        partial(_border, brief=brief),
    ]


def _soften(canvas: Canvas, brief: Brief) -> None:
    """Simplify forms into washes and let their outlines wander."""
    size = max(3, round(canvas.unit_px * 0.006) | 1)
    image = to_image(canvas)
    factor = max(1, round(canvas.unit_px / 700))
    small = image.reduce(factor) if factor > 1 else image
    small = small.filter(ImageFilter.MedianFilter(min(9, max(3, round(size / factor) | 1))))
    image = small.resize(image.size, Image.Resampling.BICUBIC)
    canvas.rgb[:] = np.asarray(image, dtype=np.float32).transpose(2, 0, 1) / np.float32(255)
    _wander(canvas, brief)


def _wander(canvas: Canvas, brief: Brief) -> None:
    reach = np.float32(0.006 * canvas.unit_px)
    dx = fbm(canvas, brief.roll("wander x"), 0.05, octaves=4) * reach
    dy = fbm(canvas, brief.roll("wander y"), 0.05, octaves=4) * reach
    rows = np.arange(canvas.height_px, dtype=np.float32)[:, None] + dy
    columns = np.arange(canvas.width_px, dtype=np.float32)[None, :] + dx
    index = np.clip(rows, 0, canvas.height_px - 1).astype(np.int32) * np.int32(canvas.width_px)
    index += np.clip(columns, 0, canvas.width_px - 1).astype(np.int32)
    flat = canvas.rgb.reshape(3, -1)
    canvas.rgb[:] = np.stack([plane.take(index) for plane in flat])


def to_image(canvas: Canvas) -> Image.Image:
    """Return the canvas as an 8-bit RGB image."""
    pixels = np.clip(canvas.rgb * np.float32(255), 0, 255).astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))


def _pool(canvas: Canvas) -> None:
    """Darken each wash along its border, where pigment gathers."""
    light = brightness(canvas.rgb)
    wide = blurred(light, 0.012, canvas.unit_px)
    tight = blurred(light, 0.004, canvas.unit_px)
    edge = np.clip((wide - tight) * np.float32(3.0), -0.1, 0.4) + _contour(tight, canvas)
    canvas.rgb *= 1 - np.clip(edge, -0.08, 0.45)[None] * np.float32(0.8)


def _contour(plane: Plane, canvas: Canvas) -> Plane:
    down, across = np.gradient(plane)
    steep = np.hypot(down, across) * np.float32(canvas.unit_px * 0.006)
    values: Plane = np.clip(steep - np.float32(0.02), 0, 0.3)
    return values


def _granulate(canvas: Canvas, brief: Brief) -> None:
    """Vary the washes with blooms and the tooth of the paper."""
    blooms = fbm(canvas, brief.roll("blooms"), 0.3, octaves=5, gain=0.6)
    tooth = fbm(canvas, brief.roll("tooth"), 0.006, octaves=3, gain=0.7)
    sheet = column(_SHEET)
    ink = 1 - canvas.rgb / sheet
    strength = 0.86 + blooms * np.float32(0.17) + tooth * np.float32(0.06)
    canvas.rgb[:] = sheet * (1 - np.clip(ink * strength[None], -0.02, 1))


def _border(canvas: Canvas, brief: Brief) -> None:
    ragged = fbm(canvas, brief.roll("border"), 0.12, octaves=6, gain=0.6) * np.float32(0.016)
    left = canvas.x + np.float32(canvas.wide / 2)
    gap_x = np.minimum(left, np.float32(canvas.wide) - left)
    gap_y = np.minimum(canvas.y, np.float32(canvas.tall) - canvas.y)
    gap = np.minimum(gap_x[None, :], gap_y[:, None]) + ragged
    margin = np.float32(0.03)
    cover = smooth(0.0, 0.006, gap - margin)
    rim = np.exp(-(((gap - margin - np.float32(0.006)) / np.float32(0.004)) ** 2))
    canvas.rgb *= 1 - rim[None] * np.float32(0.12)
    canvas.rgb[:] = column(_SHEET) + (canvas.rgb - column(_SHEET)) * cover[None]
