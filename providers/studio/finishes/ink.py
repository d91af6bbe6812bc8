"""Line art: contours and hatching in ink on paper, with one pale wash of the picture's colours."""

from functools import partial

import numpy as np
from PIL import Image, ImageFilter

from providers.studio.brief import Brief, smooth
from providers.studio.canvas import Canvas, Step
from providers.studio.colour import Plane, column, mix
from providers.studio.finishes.film import blurred
from providers.studio.finishes.grade import brightness
from providers.studio.noise import fbm

_SHEET = (0.968, 0.957, 0.93)


def steps(brief: Brief) -> list[Step]:
    """Return the drawing, done in one go from the painted picture."""
    return [partial(_draw, brief=brief)]


def _draw(canvas: Canvas, brief: Brief) -> None:
    light = _balanced(brightness(canvas.rgb), canvas)
    lines = np.maximum(contours(canvas), _hatching(canvas, brief, light))
    wash = np.float32(1) - (1 - canvas.rgb) * np.float32(0.2)
    pen = column(mix(brief.light.near, (0.08, 0.08, 0.12), 0.65))
    paper = column(_SHEET) * wash
    canvas.rgb[:] = paper + (pen - paper) * (lines * np.float32(0.93))[None]


def _balanced(light: Plane, canvas: Canvas) -> Plane:
    """Return the picture's light spread over 0..1, so that a night is drawn like a day."""
    step = max(1, round(canvas.unit_px / 64))
    low, high = np.percentile(light[::step, ::step], (3, 92))
    spread = (light - np.float32(low)) / np.float32(max(high - low, 0.1))
    values: Plane = np.clip(np.float32(0.06) + np.float32(0.94) * spread, 0, 1) ** np.float32(0.75)
    return values


def contours(canvas: Canvas) -> Plane:
    """Return ink 0..1 along the borders of forms, of a width relative to the picture."""
    edge = np.zeros((canvas.height_px, canvas.width_px), dtype=np.float32)
    radius = max(0.0011, 0.55 / canvas.unit_px)
    for plane in canvas.rgb:
        tight = blurred_fine(plane, radius, canvas.unit_px)
        wide = blurred_fine(plane, radius * 1.7, canvas.unit_px)
        edge += np.abs(tight - wide)
    return smooth(0.028, 0.1, edge)


def blurred_fine(plane: Plane, radius_units: float, unit_px: float) -> Plane:
    """Return the plane blurred by a small radius at full resolution."""
    image = Image.fromarray(np.clip(plane * 255, 0, 255).astype(np.uint8))
    image = image.filter(ImageFilter.GaussianBlur(radius_units * unit_px))
    return np.asarray(image, dtype=np.float32) / np.float32(255)


def _hatching(canvas: Canvas, brief: Brief, light: Plane) -> Plane:
    """Return slanted strokes that grow thicker, and cross, as the picture darkens."""
    soft = blurred(light, 0.006, canvas.unit_px)
    wobble = fbm(canvas, brief.roll("hand"), 0.2, octaves=4) * np.float32(0.006)
    pitch = max(0.0085, 3.2 / canvas.unit_px)
    ink = np.zeros_like(light)
    for slant, start in ((0.9, 0.6), (-0.8, 0.34), (0.1, 0.16)):
        along = canvas.x[None, :] * np.float32(np.cos(slant)) + canvas.y[:, None] * np.float32(
            np.sin(slant)
        )
        wave = np.abs((((along + wobble) / np.float32(pitch)) % 1) - np.float32(0.5)) * 2
        dark = np.clip((np.float32(start) - soft) / np.float32(0.7), 0, 0.42)
        blur = np.float32(min(0.5, 1.6 / (pitch * canvas.unit_px)))
        ink = np.maximum(ink, np.clip((dark - wave) / blur + np.float32(0.5), 0, 1) * (dark > 0))
    return ink * np.float32(0.82)
