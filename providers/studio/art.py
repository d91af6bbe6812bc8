"""The studio's art engine: from a scene to a finished picture, the same one at every size."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from providers.studio import finishes, pictures
from providers.studio.brief import prepare
from providers.studio.canvas import Canvas


@dataclass(frozen=True)
class Scene:
    """What to paint; seed is 0 to 2**32 - 1, sizes are in pixels.

    The palette's colours, as `#rrggbb` or by name, win over those that the prompt names.
    """

    prompt: str
    style: str | None
    negative_prompt: str | None
    seed: int
    width_px: int
    height_px: int
    palette: tuple[str, ...] = ()
    composed_as: str | None = None
    """The words that the dice are rolled by, where they are others than the prompt."""


def _ignore(_progress: float) -> None:
    """Take a progress report and do nothing with it."""


def compose(scene: Scene, on_progress: Callable[[float], None] = _ignore) -> Image.Image:
    """Return an RGB picture of exactly width_px by height_px for the scene.

    on_progress gets a rising share of the work, ending in 1; an exception from it ends the work.
    """
    brief = prepare(
        scene.prompt,
        scene.style,
        scene.negative_prompt,
        scene.seed,
        scene.palette,
        scene.composed_as,
    )
    canvas = Canvas(scene.width_px, scene.height_px)
    steps = [*pictures.steps(canvas, brief), *finishes.steps(brief)]
    for done, step in enumerate(steps, start=1):
        step(canvas)
        on_progress(done / len(steps))
    return image_of(canvas)


def image_of(canvas: Canvas) -> Image.Image:
    """The painted picture in 8 bits."""
    pixels = np.clip(canvas.rgb * np.float32(255) + np.float32(0.5), 0, 255).astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
