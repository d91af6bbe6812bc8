"""The camera's part: bloom around lights, darker corners, grain."""

import numpy as np
from PIL import Image, ImageFilter

from providers.studio.brief import Brief
from providers.studio.canvas import Canvas
from providers.studio.colour import Plane
from providers.studio.noise import grain
from providers.studio.styles import Look

_BLOOM_SIDE_PX = 160


def blurred(plane: Plane, radius_units: float, unit_px: float) -> Plane:
    """Return the plane blurred by a radius in units, worked out on a small copy."""
    height, width = plane.shape
    shrink = min(1.0, max(_BLOOM_SIDE_PX / unit_px, 1.2 / (radius_units * unit_px)))
    small = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    image = Image.fromarray(np.clip(plane * 255, 0, 255).astype(np.uint8))
    image = image.resize(small, Image.Resampling.BOX)
    image = image.filter(ImageFilter.GaussianBlur(radius_units * unit_px * shrink))
    soft = Image.fromarray(np.asarray(image, dtype=np.float32) / np.float32(255))
    return np.array(soft.resize((width, height), Image.Resampling.BICUBIC))


def bloom(canvas: Canvas, look: Look) -> None:
    """Let bright places shine over their borders."""
    if look.bloom <= 0:
        return
    if canvas.small:
        return
    for plane in canvas.rgb:
        bright = blurred(
            np.clip((plane - np.float32(0.55)) / np.float32(0.45), 0, 1), 0.03, canvas.unit_px
        )
        bright *= np.float32(0.26 * look.bloom)
        plane += bright * (1 - np.minimum(plane, 1))


def vignette(canvas: Canvas, look: Look) -> None:
    """Darken the corners."""
    if look.vignette <= 0:
        return
    across = (canvas.x / np.float32(canvas.wide)) ** 2
    down = (canvas.v - np.float32(0.5)) ** 2
    fall = np.clip((across[None, :] + down[:, None] - np.float32(0.12)) * np.float32(2.6), 0, 1)
    canvas.rgb *= 1 - fall[None] * np.float32(0.24 * look.vignette)


def add_grain(canvas: Canvas, brief: Brief) -> None:
    """Add grain of one size relative to the picture, strongest in the middle tones."""
    if brief.look.grain <= 0:
        return
    size = max(1.0, canvas.unit_px / 1100)
    noise = grain(canvas, brief.roll("grain"), size)
    mid = canvas.rgb[1] * (1 - canvas.rgb[1]) * 4
    amount = np.float32(0.022 * brief.look.grain) * min(1.0, canvas.unit_px / 400)
    canvas.rgb += (noise * (np.float32(0.4) + np.float32(0.6) * np.clip(mid, 0, 1)) * amount)[None]
