"""Animation cel: clean tones, thin dark outlines, a lens flare of light from above."""

import numpy as np

from providers.studio.brief import Brief
from providers.studio.canvas import Canvas, Step
from providers.studio.finishes.ink import contours


def steps(brief: Brief) -> list[Step]:
    """Return the steps of an animation frame."""
    return [_outline, _gleam]


def _outline(canvas: Canvas) -> None:
    canvas.rgb *= 1 - contours(canvas)[None] * np.float32(0.34)


def _gleam(canvas: Canvas) -> None:
    """Brighten the upper half slightly, as light through a window would."""
    lift = (1 - canvas.v) * np.float32(0.09)
    canvas.rgb += lift[None, :, None] * (1 - np.clip(canvas.rgb, 0, 1))
