"""What the studio makes of a picture: another one of the same scene, an edit, a larger one.

What it has drawn itself from words it draws again with other dice, or with other words and the same
dice. Of any other picture it takes the pixels: another cut, another light, or a drawing where a
mask says so.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops, ImageFilter, ImageOps

from domain.sizes import Size
from providers.studio import finishes, lexicon
from providers.studio.art import Scene, compose, image_of
from providers.studio.brief import Brief, prepare
from providers.studio.canvas import Canvas
from providers.studio.colour import Plane, column, luminance, ramp
from providers.studio.finishes.grade import brightness
from providers.upscaling import enlarged

OnProgress = Callable[[float], None]

_FEATHER = 0.03
"""How far a mask's border fades inwards, in units of the picture."""
_LIGHT_SHARE, _PALETTE_SHARE, _VARIED_SHARE = 0.8, 0.5, 0.3
_VEILED = frozenset({"fog", "snow", "rain"})
_EXPOSURE = {"night": 0.36, "dusk": 0.58, "storm": 0.62, "dawn": 0.92}
_TIGHTEST, _WIDEST = 0.72, 0.9


@dataclass(frozen=True)
class Given:
    """A picture to begin from, and what is wanted of it."""

    picture: bytes
    mask: bytes | None
    """Greys as large as the picture, white where it may change."""
    words: str
    style: str | None
    negative_prompt: str | None
    seed: int
    size: Size
    strength: float
    scene: Scene | None
    """What the picture was drawn from, where the studio drew it."""
    palette: tuple[str, ...] = ()


def variation(given: Given, on_progress: OnProgress) -> Image.Image:
    """The same scene with other dice; of a picture from elsewhere another cut and tone."""
    if given.scene is not None:
        return compose(_scene(given, given.words or given.scene.prompt), on_progress)
    brief = prepare(given.words, given.style, given.negative_prompt, given.seed, given.palette)
    picture = _opened(given.picture)
    framing = brief.roll("framing")
    share = _TIGHTEST + (_WIDEST - _TIGHTEST) * float(framing.random())
    wide, high = (max(1, round(side * share)) for side in picture.size)
    left = round((picture.width - wide) * float(framing.random()))
    top = round((picture.height - high) * float(framing.random()))
    cut = _fitted(picture.crop((left, top, left + wide, top + high)), given.size)
    return _graded(cut, brief, _VARIED_SHARE, on_progress)


def edit(given: Given, on_progress: OnProgress) -> Image.Image:
    """The picture with the words' change, all over or where the mask is white."""
    before = _fitted(_opened(given.picture), given.size)
    if given.mask is None:
        after = _changed(given, before, on_progress)
        return Image.blend(before, after, given.strength)
    mask = _fitted(_opened_mask(given.mask), given.size)
    unit_px = (given.size.width_px * given.size.height_px) ** 0.5
    soft = mask.filter(ImageFilter.GaussianBlur(_FEATHER * unit_px))
    # What is black stays as it is: the border fades inwards only.
    inwards = ImageChops.darker(mask, soft.point(lambda value: max(0, 2 * value - 255)))
    mask = inwards.point(lambda value: round(value * given.strength))
    return Image.composite(_changed(given, before, on_progress, mask), before, mask)


def upscale(given: Given, on_progress: OnProgress) -> Image.Image:
    """The picture larger, with its transparency."""
    return enlarged(_opened(given.picture, "RGBA"), given.size, on_progress)


def _changed(
    given: Given, before: Image.Image, on_progress: OnProgress, mask: Image.Image | None = None
) -> Image.Image:
    if given.scene is not None:
        return compose(_edited(given, given.scene), on_progress)
    if mask is None:
        brief = prepare(given.words, given.style, given.negative_prompt, given.seed, given.palette)
        share = _LIGHT_SHARE if brief.theme.lights else _PALETTE_SHARE
        return _graded(before, brief, share, on_progress)
    left, top, right, bottom = mask.getbbox() or (0, 0, *mask.size)
    scene = _scene(given, given.words, Size(right - left, bottom - top))
    after = before.copy()
    after.paste(compose(scene, on_progress), (left, top))
    return after


def _edited(given: Given, drawn: Scene) -> Scene:
    """The scene with more words before its own, composed as it was.

    Words that the studio does not know change nothing, so they are given other dice.
    """
    theme = lexicon.read(given.words)
    known = theme.motifs or theme.lights or theme.weather or theme.moods or theme.colours
    return Scene(
        prompt=f"{given.words}. {drawn.prompt}",
        style=given.style or drawn.style,
        negative_prompt=given.negative_prompt or drawn.negative_prompt,
        seed=drawn.seed if known or given.style != drawn.style else given.seed,
        width_px=given.size.width_px,
        height_px=given.size.height_px,
        palette=given.palette or drawn.palette,
        composed_as=drawn.prompt,
    )


def _scene(given: Given, words: str, size: Size | None = None) -> Scene:
    width_px, height_px = size or given.size
    return Scene(
        prompt=words,
        style=given.style,
        negative_prompt=given.negative_prompt,
        seed=given.seed,
        width_px=width_px,
        height_px=height_px,
        palette=given.palette or (given.scene.palette if given.scene else ()),
    )


def _graded(
    picture: Image.Image, brief: Brief, share: float, on_progress: OnProgress
) -> Image.Image:
    """The picture in the brief's light or colours, with the finish of its look."""
    canvas = Canvas(*picture.size)
    canvas.rgb[:] = np.asarray(picture, dtype=np.float32).transpose(2, 0, 1) / np.float32(255)
    canvas.rgb += (_toned(brief, canvas.rgb) - canvas.rgb) * np.float32(share)
    steps = finishes.steps(brief)
    for done, step in enumerate(steps, start=1):
        step(canvas)
        on_progress(done / len(steps))
    return image_of(canvas)


def _toned(brief: Brief, rgb: Plane) -> Plane:
    """The picture under the brief's lamp, behind its veil, or else in its colours."""
    light, tones, grey = brief.light, brief.palette, np.clip(brightness(rgb), 0, 1)
    if not brief.theme.lights:
        return ramp(sorted((tones.ink, *tones.tones[:2], tones.paper), key=luminance), grey)
    if light.name in _VEILED:
        return ramp((light.near, light.far, light.haze, light.sun), grey)
    kept = grey[None] + (rgb - grey[None]) * np.float32(0.4 if light.dark else 0.75)
    exposure = _EXPOSURE.get(light.name, 1.0) / luminance(light.lamp)
    lit: Plane = kept * column(light.lamp) * np.float32(exposure)
    return lit


def _opened(data: bytes, mode: str = "RGB") -> Image.Image:
    with Image.open(io.BytesIO(data)) as opened:
        if mode == "RGBA" and not opened.has_transparency_data:
            return opened.convert("RGB")
        if opened.has_transparency_data and mode == "RGB":
            clear = opened.convert("RGBA")
            return Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear).convert(
                mode
            )
        return opened.convert(mode)


def _opened_mask(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data)) as opened:
        return opened.convert("L")


def _fitted(picture: Image.Image, size: Size) -> Image.Image:
    return ImageOps.fit(picture, size, Image.Resampling.LANCZOS)
