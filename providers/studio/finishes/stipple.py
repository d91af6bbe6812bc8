"""Illustration: print grain in the shadows, and colours slightly off their plates."""

from functools import partial

import numpy as np

from providers.studio.brief import Brief
from providers.studio.canvas import Canvas, Step
from providers.studio.finishes.film import blurred
from providers.studio.finishes.grade import brightness
from providers.studio.noise import fbm, grain


def steps(brief: Brief) -> list[Step]:
    """Return the steps of a printed illustration."""
    return [partial(_spray, brief=brief), partial(_paper, brief=brief)]


def _spray(canvas: Canvas, brief: Brief) -> None:
    """Spray dark grains where a form turns away from the light."""
    light = brightness(canvas.rgb)
    shade = np.clip(
        (blurred(light, 0.05, canvas.unit_px) - light) * np.float32(2.2) + np.float32(0.1), 0, 0.5
    )
    noise = grain(canvas, brief.roll("spray"), max(1.0, canvas.unit_px / 800))
    dots = np.clip((noise * np.float32(0.5) + np.float32(0.5) - (1 - shade)) * 6, 0, 1)
    canvas.rgb *= 1 - dots[None] * np.float32(0.2)
    bright = np.clip((light - blurred(light, 0.05, canvas.unit_px)) * np.float32(1.6), 0, 0.45)
    specks = np.clip((noise * np.float32(-0.5) + np.float32(0.5) - (1 - bright)) * 6, 0, 1)
    canvas.rgb += specks[None] * np.float32(0.1)


def _paper(canvas: Canvas, brief: Brief) -> None:
    canvas.rgb *= 1 + fbm(canvas, brief.roll("paper"), 0.012, octaves=4, gain=0.7)[
        None
    ] * np.float32(0.018)
