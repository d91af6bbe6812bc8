"""A crop of another shape that keeps what the eye goes to."""

from __future__ import annotations

from PIL import Image
from smartcrop import SmartCrop

_LOOKED_AT_PX = 400
_STEP_PX = 8
_MOST_ENLARGED = 1.5

# Edges count for more than the library has it, and saturated areas for less: small figures stay in
# the picture, and glowing skies do not win over them.
_DETAIL_WEIGHT = 0.4
_SATURATION_WEIGHT = 0.1


def attentive_crop(image: Image.Image, width_px: int, height_px: int) -> Image.Image | None:
    """The most telling part of an RGB picture at that size, as much of it as the shape allows.

    None where it would have to be enlarged by more than a half.
    """
    share = min(image.width / width_px, image.height / height_px)
    if share * _MOST_ENLARGED < 1:
        return None
    across, down = width_px * share, height_px * share
    left, top = _place(image, width_px / height_px)
    left, top = min(left, image.width - across), min(top, image.height - down)
    return image.resize(
        (width_px, height_px),
        Image.Resampling.LANCZOS,
        box=(left, top, left + across, top + down),
        reducing_gap=2.0,
    )


def _place(image: Image.Image, shape: float) -> tuple[float, float]:
    """The left and top edge, in the picture's pixels, of its best part of a shape."""
    small = image.copy()
    small.thumbnail((1.5 * _LOOKED_AT_PX, 1.5 * _LOOKED_AT_PX), Image.Resampling.BOX)
    crops = SmartCrop(detail_weight=_DETAIL_WEIGHT, saturation_weight=_SATURATION_WEIGHT)
    found = crops.crop(
        small, _LOOKED_AT_PX, round(_LOOKED_AT_PX / shape), min_scale=1, step=_STEP_PX
    )
    best = found["top_crop"]
    return best["x"] * image.width / small.width, best["y"] * image.height / small.height
